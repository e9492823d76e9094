"""A search of many trials that is killed again and again; run by ``test_tuned_estimator``."""

import sys
import time
from unittest import mock

from aiok_spark.tuning.binding import BoundSpace
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Metric, Objective
from aiok_spark.tuning.search import Budget, Runner
from aiok_spark.tuning.services import Search, open_service


def evaluate(trial):
    time.sleep(0.02)
    return {"loss": (trial.values["x"] - 0.3) ** 2}, {}


def main(path, trials):
    """Run the search without Spark: its jobs are none."""
    import threading

    from aiok_spark.core import compat, jobs

    search = Search(
        BoundSpace((Dimension("x", "float", 0.0, 1.0),), (), {}), Objective((Metric("loss", False),)), 0, trials, 2
    )
    journal = Journal(path, {})
    with (
        mock.patch.object(compat, "thread", lambda spark, run: threading.Thread(target=run)),
        mock.patch.object(jobs, "run_watched", lambda spark, act, look: act()),
    ):
        service = open_service("random", search, journal)
        runner = Runner(None, search, service, "random", journal, evaluate, Budget(trials), "x", verbose=False)
        print(len(runner.run()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

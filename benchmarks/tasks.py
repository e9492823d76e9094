"""What a Python task costs beside its work: a pandas UDF on a few rows, by Spark's own daemon and by ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import functions as F

from benchmarks import table
from benchmarks.measure import cost
from benchmarks.process import Facts, run
from benchmarks.session import open_session

_DAEMONS = ("pyspark.daemon", "aiok_spark.core.daemon")
_TASKS, _QUICK_TASKS = 400, 16
_AT_ONCE = 8  # tasks of a job


def main(rows: int | None, quick: bool) -> None:
    """Run the same jobs by both daemons and print a table."""
    tasks = rows or (_QUICK_TASKS if quick else _TASKS)
    table.heading("tasks", tasks=tasks, tasks_of_a_job=_AT_ONCE, python=sys.version.split()[0])
    spent = [run(jobs, daemon=daemon, tasks=tasks).facts[0] for daemon in _DAEMONS]
    lines = [
        [daemon, 1000 * s["wall"] / tasks, 1000 * s["cpu"] / tasks, spent[0]["cpu"] / s["cpu"]]
        for daemon, s in zip(_DAEMONS, spent, strict=True)
    ]
    table.show("a pandas UDF on 5 rows a task", ["daemon", "wall ms a task", "CPU ms a task", "times less CPU"], lines)


def jobs(daemon: str, tasks: int) -> Iterator[Facts]:
    spark = open_session(**{"spark.python.daemon.module": daemon})

    @F.pandas_udf("long")
    def plus_one(values: pd.Series) -> pd.Series:
        return values + 1

    def job() -> None:
        rows = spark.range(0, 5 * _AT_ONCE, 1, _AT_ONCE).select(plus_one("id"))
        assert rows.agg(F.sum(rows[0])).first()[0] == sum(range(1, 5 * _AT_ONCE + 1))

    for _ in range(3):
        job()
    with cost() as spent:
        for _ in range(tasks // _AT_ONCE):
            job()
    spark.stop()
    yield dict(spent)

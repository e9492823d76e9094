"""What goes wrong on a real cluster of two workers, and how it ends; docs/reliability.md has a row for each."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch
from pyspark.sql import functions as F
from training.staged import ENGINE

from aiok_spark.core.errors import ClusterError, TrainingError
from aiok_spark.training import TorchEstimator

pytestmark = [pytest.mark.standalone, pytest.mark.orca]


@pytest.fixture(scope="module")
def rows(spark):
    """Give rows with a label that a linear network can learn."""
    x = [F.randn(i).alias(f"x{i}") for i in range(4)]
    return spark.range(4000).select(*x).withColumn("label", (F.col("x0") > 0).cast("double"))


def network(trouble=""):
    """Make a linear network that gets into trouble in its 20th step, at the second worker, the first time."""

    class Net(torch.nn.Linear):
        def __init__(self):
            super().__init__(4, 1)
            self.steps = 0

        def forward(self, dense):
            import torch.distributed as dist

            self.steps += self.training
            if trouble and self.training and self.steps == 20 and dist.get_rank() == 1:
                exec(trouble)
            if self.training:
                time.sleep(0.02)
            return super().forward(dense)

    return Net


def estimator(trouble="", **params):
    named = {"batchSize": 100, "epochs": 3, "learningRate": 0.05, "stepTimeout": 60.0, "verbose": False, **params}
    columns = [f"x{i}" for i in range(4)]
    return TorchEstimator(module=network(trouble), denseCols=columns, numWorkers=2, engine=ENGINE, **named)


def executors(spark):
    """Processes of this application's executors."""
    mine = rf"CoarseGrainedScheduler@[^ ]*:{spark.conf.get('spark.driver.port')} --executor-id"
    found = subprocess.run(["pgrep", "-f", mine], capture_output=True, text=True, check=True)
    return [int(process) for process in found.stdout.split()]


def test_it_trains(rows):
    model = estimator(validationFraction=0.2).fit(rows)
    assert model.summary.history[-1]["validation_auc"] > 0.99
    assert {w["rank"] for w in model.summary.workers} == {0, 1}
    assert len({w["executor"] for w in model.summary.workers}) == 2


def test_a_worker_that_raises_ends_the_fit_with_its_own_traceback(rows, tmp_path):
    seen = tmp_path / "raised"
    start = time.monotonic()
    with pytest.raises(TrainingError) as error:
        estimator(f"open({str(seen)!r}, 'a').write('x'); raise ValueError('boom')").fit(rows)
    assert time.monotonic() - start < 30
    assert "worker 1 " in str(error.value)
    assert "ValueError('boom') at epoch 1, step 19" in str(error.value)
    assert "Traceback" in str(error.value) and "in forward" in str(error.value)
    assert seen.read_text() == "x", "it was tried again"
    assert estimator(epochs=1).fit(rows), "the cluster is of no use any more"


def test_a_worker_that_hangs_is_ended_and_named(rows):
    start = time.monotonic()
    with pytest.raises(TrainingError) as error:
        estimator("time.sleep(1000)", stepTimeout=5.0).fit(rows)
    assert time.monotonic() - start < 60
    assert "worker 1 " in str(error.value)
    assert "found no step done in 5 s (stepTimeout)" in str(error.value)
    assert "in forward" in str(error.value)


def test_a_worker_that_dies_each_time_is_given_up_with_the_sizes(rows):
    with pytest.raises(TrainingError) as error:
        estimator("import os; os.kill(os.getpid(), 9)", maxRestarts=1).fit(rows)
    assert "found that workers ended 2 times without an error of Python's" in str(error.value)
    assert str(error.value).count("2000 rows") == 4, str(error.value)  # two workers, two attempts
    assert estimator(epochs=1).fit(rows), "the cluster is of no use any more"


def test_progress_is_shown_while_the_cluster_has_no_slot_free(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("aiok_spark.core.progress._LINE_EVERY", 0.5)
    estimator(epochs=4, checkpointDir=str(tmp_path / "run"), verbose=True).fit(rows)
    told = capsys.readouterr().err
    shares = [float(share) for share in re.findall(r"training: ([\d.]+) of 4 epochs.*loss", told)]
    assert len(shares) >= 2 and sorted(shares) == shares and 0 < shares[0] < 4, told
    assert not (tmp_path / "run" / "progress").exists() or not list((tmp_path / "run" / "progress").iterdir())


def test_too_few_slots_are_told_at_once(rows):
    time.sleep(max(0.0, 21 - (time.time() - rows.sparkSession.sparkContext.startTime / 1000)))
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"numWorkers: found 2 task slots on the executors, expected at least 3"):
        estimator(epochs=1).setNumWorkers(3).fit(rows)
    assert time.monotonic() - start < 10


def test_an_executor_that_is_killed_is_replaced_and_training_goes_on(rows, tmp_path):
    place = str(tmp_path / "run")
    training = estimator(epochs=6, batchSize=100, checkpointDir=place, checkpointInterval=10)
    undisturbed = estimator(epochs=6, batchSize=100).fit(rows)

    def kill():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not list(Path(place).glob("checkpoint*")):
            time.sleep(0.1)
        time.sleep(1)
        os.kill(executors(rows.sparkSession)[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    model = training.fit(rows)
    killer.join()
    facts = model.summary.facts
    assert facts["resumed"]["epoch"] >= 1
    assert len(model.summary.history) == 6
    before = {note["executor"] for note in facts["earlierAttempts"]}
    assert before and before != {w["executor"] for w in model.summary.workers}
    assert model._state.blobs["weights"] == undisturbed._state.blobs["weights"], "not what an undisturbed fit gives"


def test_an_interrupt_cancels_the_workers(rows):
    timer = threading.Timer(8, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        estimator(epochs=200).fit(rows)
    assert time.monotonic() - start < 30
    assert estimator(epochs=1).fit(rows), "the workers still hold the slots"

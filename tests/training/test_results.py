"""What the driver makes of the workers' rows: a result, or the error that the user should see."""

import json

import pyarrow as pa
import pytest

from aiok_spark.core.errors import DataError, ParamError, TrainingError
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.results import RESULT, read_result
from aiok_spark.training.task import TrainTask

TASK = TrainTask("no:ne", FeatureSpec(("x",), (1,)), label="y", workers=2)
WHO = {"rank": 1, "host": "node7", "executor": "3"}
STATE = {"shardBytes": 3 << 20, "networkBytes": 5 << 20, "processBytes": 7 << 20}


def row(kind, content, rank=0, chunk=0):
    return {"rank": rank, "kind": kind, "chunk": chunk, "bytes": content if kind == "weights" else told(content)}


def told(content):
    return json.dumps(content).encode()


def fact(rank, size=6, digest="d", **more):
    return row("facts", {"rank": rank, "weightBytes": size, "digest": digest, "history": [{"epoch": 1}], **more}, rank)


def read(*rows, task=TASK):
    return read_result(pa.Table.from_pylist(list(rows), RESULT), task, "Stage(uid)")


def good(**more):
    """Rows of two workers in another order than that of their ranks and chunks."""
    summary = {"summary": {"stopped": "all epochs done"}}
    weights = [row("weights", b"def", chunk=1), row("weights", b"abc", chunk=0)]
    return [fact(1, rows=4, summary={}), *weights, fact(0, rows=5, **summary, **more)]


def test_a_result_is_put_together_from_rows_in_any_order():
    result = read(*good())
    assert result.weights == b"abcdef"
    assert result.history == [{"epoch": 1}] and result.summary == {"stopped": "all epochs done"}
    assert result.workers == [{"rank": 0, "weightBytes": 6, "rows": 5}, {"rank": 1, "weightBytes": 6, "rows": 4}]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], "0 workers' results and 0 bytes of weights, expected 2 and the weights"),
        (good()[1:], "1 workers' results and 6 bytes of weights, expected 2 and 6 bytes of weights"),
        (good()[:-1], "1 workers' results and 6 bytes"),
        ([*good()[:2], good()[3]], "2 workers' results and 3 bytes of weights, expected 2 and 6 bytes of weights"),
        ([*good(), fact(1)], "3 workers' results"),
    ],
    ids=["nothing", "a worker missing", "the first worker missing", "a chunk missing", "a worker twice"],
)
def test_an_incomplete_result_is_an_error(rows, found):
    with pytest.raises(TrainingError, match=rf"Stage\(uid\): fit: found {found}.*; give the driver more memory"):
        read(*rows)


def test_workers_with_different_weights_are_an_error():
    with pytest.raises(TrainingError, match="found different weights at the 2 workers, expected the same; the network"):
        read(*good()[:-1], fact(0, digest="other"))


def test_values_that_cannot_be_used_are_told_by_column():
    problem = ["x", "null values", "finite numbers", "fill them", 12]
    with pytest.raises(DataError) as error:
        read(row("data", {"problems": [problem]}), row("data", {"problems": [problem]}, 1))
    assert str(error.value) == (
        "Stage(uid): denseCols: found 12 null values in 'x', expected finite numbers; fill them"
    )


def test_what_cannot_be_trained_is_a_wrong_param():
    with pytest.raises(ParamError, match=r"^Stage\(uid\): module: found this, expected that; do so$"):
        read(row("refused", {"message": "module: found this, expected that; do so"}))


@pytest.mark.parametrize(
    ("at", "where"), [({"epoch": 1, "step": 3}, "at epoch 2, step 3"), ({}, "before the first step")]
)
def test_an_exception_of_a_worker_is_shown_with_its_place_and_traceback(at, where):
    raised = {**WHO, "message": "ValueError('no')", "traceback": "Traceback: line 5", "at": at, **STATE}
    message = (
        rf"worker 1 \(host node7, executor 3\) raised ValueError\('no'\) {where}, expected none; .*:\nTraceback: l"
    )
    with pytest.raises(TrainingError, match=message):
        read(row("peer", {"message": "worker 1 failed"}), row("raised", raised, 1))


@pytest.mark.parametrize("message", ["MemoryError()", 'RuntimeError("can\'t allocate memory: 8 bytes")'])
def test_a_worker_without_memory_tells_what_it_holds(message):
    raised = {**WHO, "message": message, "traceback": "", "at": {}, **STATE}
    with pytest.raises(
        TrainingError, match=r"rows of 3 MiB, weights of 5 MiB .* and a process of 7 MiB, expected none"
    ):
        read(row("raised", raised, 1))


def test_a_worker_that_hung_is_named_with_its_place():
    with pytest.raises(TrainingError, match=r"(?s)worker 1 \(host node7, executor 3\): hangs in\nf\(\).*stepTimeout"):
        read(row("hung", {"worker": {**WHO, "reason": "hangs in\nf()"}}))


def test_workers_that_were_ended_are_listed_by_attempt():
    note = {**WHO, "attempt": 2, "rows": 10, "bytes": 4 << 20}
    message = (
        r"ended 3 times without an error of Python's, expected at most maxRestarts=2 times "
        r"\(attempt 2: worker 1 \(host node7, executor 3\) with 10 rows in 4 MiB\); .*spark\.executor\.memoryOverhead"
    )
    with pytest.raises(TrainingError, match=message):
        read(row("died", {"attempts": 3, "workers": [note]}))


def test_a_failed_peer_is_the_error_if_it_could_not_say_so_itself():
    with pytest.raises(TrainingError, match=r"^Stage\(uid\): fit: worker 1 failed: why$"):
        read(row("peer", {"message": "worker 1 failed: why"}))

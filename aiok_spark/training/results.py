"""What the workers give back, read on the driver: a result, or the error that the user should see."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from aiok_spark.core.errors import DataError, ParamError, TrainingError
from aiok_spark.training.packing import describe
from aiok_spark.training.task import TrainResult, TrainTask

# Rows that workers give: JSON of a kind, or a chunk of the weights.
RESULT = pa.schema([("rank", pa.int32()), ("kind", pa.string()), ("chunk", pa.int32()), ("bytes", pa.binary())])

_MIB = 1 << 20


def read_result(rows: pa.Table, task: TrainTask, label: str) -> TrainResult:
    """The result of a training.

    Raises
    ------
    DataError
        Values that a network cannot use; says which columns and how many rows.
    ParamError
        The task cannot be trained as it is.
    TrainingError
        A worker failed, or the result is not complete.
    """
    told: dict[str, list[dict[str, Any]]] = {}
    chunks: dict[int, bytes] = {}
    for row in rows.to_pylist():
        if row["kind"] == "weights":
            chunks[row["chunk"]] = row["bytes"]
        else:
            told.setdefault(row["kind"], []).append(json.loads(row["bytes"]))
    _raise_what_was_told(told, task, label)
    facts = sorted(told.get("facts", []), key=lambda fact: fact["rank"])
    data = b"".join(chunks[i] for i in sorted(chunks))
    # A driver that ran out of memory has been seen to give fewer rows, without an error.
    if [fact["rank"] for fact in facts] != list(range(task.workers)) or len(data) != facts[0]["weightBytes"]:
        announced = f"{facts[0]['weightBytes']} bytes of weights" if facts else "the weights"
        raise TrainingError(
            f"{label}: fit: found {len(facts)} workers' results and {len(data)} bytes of weights, expected "
            f"{task.workers} and {announced}; give the driver more memory (spark.driver.memory)"
        )
    if len({fact["digest"] for fact in facts}) > 1:
        raise TrainingError(
            f"{label}: fit: found different weights at the {task.workers} workers, expected the same; the network "
            "must not depend on anything that differs between them, such as unseeded randomness in its constructor"
        )
    first = facts[0]
    workers = [{k: v for k, v in fact.items() if k not in ("history", "summary", "digest")} for fact in facts]
    return TrainResult(data, first["history"], workers, first["summary"])


def no_rows(label: str) -> str:
    """Message for a DataFrame without rows to train on."""
    return f"{label}: fit: found no rows to train on, expected at least one; check the DataFrame and its filters"


def _raise_what_was_told(told: dict[str, list[dict[str, Any]]], task: TrainTask, label: str) -> None:
    for fact in told.get("data", []):
        raise DataError(f"{label}: {describe(task, fact['problems'])}")
    if "empty" in told:
        raise DataError(no_rows(label))
    for fact in told.get("refused", []):
        raise ParamError(f"{label}: {fact['message']}")
    for fact in told.get("raised", []):
        at = fact["at"]
        where = f" at epoch {at['epoch'] + 1}, step {at['step']}" if at else " before the first step"
        raise TrainingError(
            f"{label}: fit: worker {_named(fact)} raised {fact['message']}{where}{_memory(fact)}, expected none; "
            f"its own traceback:\n{fact['traceback']}"
        )
    for fact in told.get("hung", []):
        worker = fact["worker"]
        raise TrainingError(
            f"{label}: fit: worker {_named(worker)}: {worker['reason']}\n"
            "expected a step to take less; mend what hangs, or raise stepTimeout"
        )
    for fact in told.get("died", []):
        workers = "; ".join(
            f"attempt {w['attempt']}: worker {_named(w)} with {w['rows']} rows in {w['bytes'] / _MIB:.0f} MiB"
            for w in fact["workers"]
        )
        raise TrainingError(
            f"{label}: fit: found that workers ended {fact['attempts']} times without an error of Python's, expected "
            f"at most maxRestarts={task.maxRestarts} times ({workers}); if the cluster killed them for their memory, "
            "raise spark.executor.memoryOverhead, use more workers, or lower stagingMemory and batchSize"
        )
    for fact in told.get("peer", []):
        raise TrainingError(f"{label}: fit: {fact['message']}")


def _named(about: dict[str, Any]) -> str:
    return f"{about['rank']} (host {about['host']}, executor {about['executor']})"


def _memory(fact: dict[str, Any]) -> str:
    if "MemoryError" not in fact["message"] and "allocate memory" not in fact["message"]:
        return ""
    return (
        f", with rows of {fact['shardBytes'] / _MIB:.0f} MiB, weights of {fact['networkBytes'] / _MIB:.0f} MiB "
        "(gradients and optimiser take one to three times as much again) and a process of "
        f"{fact['processBytes'] / _MIB:.0f} MiB"
    )

"""A candidate's counts, scores and latency: what a task of Spark finds out about it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch
from torch.utils.flop_counter import FlopCounterMode

from aiok_spark.core.errors import first_line
from aiok_spark.nas.limits import Limits
from aiok_spark.nas.worker import latency
from aiok_spark.nas.worker.counting import flops_of, layers_of, params_of, sketched
from aiok_spark.nas.worker.limited import OverTimeError, is_memory, limited
from aiok_spark.nas.worker.probe import Probe
from aiok_spark.training.references import resolve
from aiok_spark.training.task import TrainTask


@dataclass(frozen=True)
class Question:
    """What is asked about each candidate; picklable.

    Attributes
    ----------
    task : TrainTask
        Network, columns and label; the arguments are the candidate's.
    scores : mapping of str to str
        Names, and where the functions are; those of a notebook are among the task's ``live``.
    limits : Limits
        Of what is legal.
    latency : str
        "none", "measured" or "predicted".
    rows, latencyRows : int
        That scores, and the latency, are of.
    seconds, megabytes : float, int
        That a candidate may take; no limit of memory if 0.
    threads : int
        Of torch.
    seed : int
        Of the search.
    """

    task: TrainTask
    scores: Mapping[str, str]
    limits: Limits
    latency: str
    rows: int
    latencyRows: int
    seconds: float
    megabytes: int
    threads: int
    seed: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of (number, arguments as JSON) to rows of (number, facts as JSON)."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        self._import()
        try:
            for batch in batches:
                for number, arguments in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    told = json.dumps(self.answer(json.loads(arguments)), allow_nan=False)
                    columns = [pa.array([number], pa.int64()), pa.array([told])]
                    yield pa.RecordBatch.from_arrays(columns, ["number", "facts"])
        finally:
            torch.set_num_threads(threads)

    def _import(self) -> None:
        """Load what candidates need, before their time counts: an import that is cut off leaves a broken module."""
        with FlopCounterMode(display=False):  # with a layer without numbers, torch loads its compiler, in seconds
            torch.nn.Linear(1, 1, device="meta")(torch.zeros(1, 1, device="meta"))
        for name in (self.task.network, *self.scores.values()):
            resolve(name, self.task.live)

    def answer(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Facts: ``state`` ("scored", "illegal", "failed") with its ``reason``, counts, ``scores``, ``latency``."""
        found: dict[str, Any] = {"state": "scored", "reason": ""}
        begun = time.process_time()
        try:
            with limited(self.seconds, self.megabytes):
                for told in self._looked_at(replace(self.task, arguments=arguments)):
                    found |= told
                    if reason := self.limits.broken(found):
                        found |= {"state": "illegal", "reason": reason}
                        break
        except OverTimeError:
            found |= {"state": "failed", "reason": f"took more than {self.seconds:g} s (candidateSeconds)"}
        except Exception as e:
            reason = first_line(e) if isinstance(e, _ScoreError) else f"{type(e).__name__}: {first_line(e)}"
            if is_memory(e) and self.megabytes:
                reason = f"asked for more than {self.megabytes} MB (candidateMemory): {reason}"
            found |= {"state": "failed", "reason": reason}
        return {**found, "seconds": round(time.process_time() - begun, 4)}

    def _looked_at(self, task: TrainTask) -> Iterator[dict[str, Any]]:
        """One thing after the other, the cheapest first."""
        network = sketched(task)
        known = {"params": params_of(network)}
        yield known
        known["flops"] = flops_of(network, task)
        yield known
        if self.latency == "predicted":
            yield {"latency": latency.predicted(known["params"], known["flops"], layers_of(network), self.latencyRows)}
        elif self.latency == "measured":
            yield {"latency": latency.measured(task, self.latencyRows)}
        probe = Probe(task, self.rows, self.seed)
        scores: dict[str, float | None] = {name: float(value) for name, value in known.items()}
        for name, where in self.scores.items():
            scores[name] = _scored(name, resolve(where, task.live), probe)
        yield {"scores": scores}


class _ScoreError(Exception):
    """What a score raised, with its name."""


def _scored(name: str, score: Callable[[Probe], Any], probe: Probe) -> float | None:
    """A score's number, if it is finite."""
    try:
        value = float(score(probe))
    except OverTimeError:
        raise
    except Exception as e:
        raise _ScoreError(f"score '{name}': {type(e).__name__}: {first_line(e)}") from e
    return value if math.isfinite(value) else None

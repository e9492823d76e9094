"""What one worker does: stage its rows, meet the others, train, and tell the driver what came of it."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import platform
import resource
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from aiok_spark.training.packing import counted, told
from aiok_spark.training.references import resolve
from aiok_spark.training.results import RESULT
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker import loop, precision, weights
from aiok_spark.training.worker.attempts import Attempts
from aiok_spark.training.worker.exchange import PeerFailedError, Solo, WorkerLostError
from aiok_spark.training.worker.markers import Markers
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.rendezvous import Rendezvous
from aiok_spark.training.worker.shard import Shard, stage
from aiok_spark.training.worker.watch import Watch

Rows = Iterable[pa.RecordBatch] | Callable[[], Any]  # what ``stage`` takes
CHUNK = 8 << 20  # bytes of weights in a row


@dataclass(frozen=True)
class Place:
    """Where a worker is.

    Attributes
    ----------
    rank : int
        Its number.
    addresses : list of str
        Host and port of all workers' executors, by rank.
    threads : int
        Processors that it may use.
    folder : str
        A directory of the executor's own that survives a task.
    executor : str
        Name of the executor.
    shared_process : bool
        Whether the process does other work too, and so must not be ended.
    """

    rank: int
    addresses: list[str]
    threads: int
    folder: str
    executor: str
    shared_process: bool = False


class _ToldError(Exception):
    """All workers have come to the same end, and one of them says so."""

    def __init__(self, kind: str, **about: Any) -> None:
        super().__init__(kind)
        self.kind, self.about = kind, about


def work(batches: Rows, task: TrainTask, place: Place) -> Iterator[pa.RecordBatch]:
    """Be a worker.

    Gives a row of kind "facts" when all went well, and from the first worker the weights in chunks;
    otherwise one row that says why not.  A row and not an exception, as Spark would do it all again.

    Raises
    ------
    WorkerLostError
        Another worker does not answer, so Spark has to start all of them again.
    """
    worker = _Worker(task, place)
    try:
        facts, data = worker.run(batches)
    except WorkerLostError:
        raise
    except _ToldError as e:
        yield _row(place.rank, e.kind, e.about)
    except PeerFailedError as e:
        yield _row(place.rank, "peer", {"message": str(e)})
    except RefusedError as e:
        yield _row(place.rank, "refused", {"message": str(e)})
    except Exception as e:
        about = {**worker.about(), "message": repr(e), "traceback": traceback.format_exc(), **worker.state()}
        yield _row(place.rank, "raised", about)
    else:
        yield _row(place.rank, "facts", facts)
        starts = range(0, len(data), CHUNK) if place.rank == 0 else ()
        for number, start in enumerate(starts):
            yield _row(place.rank, "weights", data[start : start + CHUNK], number)


class _Worker:
    def __init__(self, task: TrainTask, place: Place) -> None:
        self.task, self.place = task, place
        self.seconds: dict[str, float] = {}
        self.at: dict[str, Any] = {}
        self.shard_bytes = self.network_bytes = 0

    def run(self, batches: Rows) -> tuple[dict[str, Any], bytes]:
        """Facts for the driver and the weights."""
        torch.set_num_threads(self.task.threads or self.place.threads)
        rendezvous = Rendezvous(self.place.rank, self.place.addresses, self.task.run, self.task.timeout)
        try:
            self.attempts = Attempts(self.task.checkpointDir or self.place.folder, self.task.run, self.place.rank)
            with _timed(self.seconds, "staging"):
                shard = stage(batches, self.task)
                self.shard_bytes = shard.bytes
            hello = self._hello(shard)
        except Exception as e:
            rendezvous.tell_all(json.dumps({"failed": repr(e)}))
            raise
        with _timed(self.seconds, "meeting"):
            hellos = [json.loads(text) for text in rendezvous.tell_all(json.dumps(hello))]
            earlier = self._check(hellos)
            task = self._decided(hellos)
            exchange = rendezvous.connect()
        note = {**self.about(), "rows": len(shard.training), "bytes": shard.bytes}
        with _timed(self.seconds, "training"):
            trained = self._train(task, shard, exchange, 1 + last_attempt(earlier), note)
        data = weights.to_bytes(trained.network.state_dict())
        if self.place.rank == 0:
            self.attempts.forget()
        facts = {
            **self.about(),
            "rows": len(shard.training),
            "validationRows": len(shard.validation),
            "shardBytes": shard.bytes,
            "bytesSent": exchange.sent,
            "seconds": self.seconds,
            "weightBytes": len(data),
            "digest": hashlib.sha256(data).hexdigest(),
            "history": trained.history,
            "summary": {
                **trained.facts,
                "precision": task.precision,
                "matmulPrecision": task.matmulPrecision,
                "threads": torch.get_num_threads(),
                "earlierAttempts": earlier,
            },
        }
        return facts, data

    def about(self) -> dict[str, Any]:
        """Which worker this is."""
        place = self.place
        return {"rank": place.rank, "host": platform.node(), "executor": place.executor, "pid": os.getpid()}

    def state(self) -> dict[str, Any]:
        """How far it came and what it holds, for messages."""
        held = {"shardBytes": self.shard_bytes, "networkBytes": self.network_bytes, "processBytes": process_bytes()}
        return {"at": self.at, **held}

    def _hello(self, shard: Shard) -> dict[str, Any]:
        """What the others must know of this worker."""
        return {
            "rows": len(shard.training),
            "held_out": len(shard.validation),
            "weight": shard.weight(),
            "problems": told(shard.problems),
            "bfloat16": "auto" in (self.task.precision, self.task.matmulPrecision) and precision.prefers_bfloat16(),
            "earlier": self.attempts.earlier(),
        }

    def _check(self, hellos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Stop if any worker cannot go on; gives the notes of earlier attempts."""
        for rank, hello in enumerate(hellos):
            if "failed" in hello:
                raise PeerFailedError(f"worker {rank} failed: {hello['failed']}")
        if problems := counted(hello["problems"] for hello in hellos):
            raise _ToldError("data", problems=told(problems))
        if not any(hello["rows"] + hello["held_out"] * (not self.task.epochs) for hello in hellos):
            raise _ToldError("empty")
        if self.task.epochs and not any(hello["weight"] for hello in hellos):
            raise RefusedError("weightCol: found no row with a weight above 0, expected at least one; check the column")
        earlier = {(note["attempt"], note["rank"]): note for hello in hellos for note in hello["earlier"]}
        notes = [earlier[key] for key in sorted(earlier)]
        for note in notes:
            if "reason" in note:
                raise _ToldError("hung", worker=note)
        if last_attempt(notes) > self.task.maxRestarts:
            raise _ToldError("died", attempts=last_attempt(notes), workers=notes)
        return notes

    def _decided(self, hellos: list[dict[str, Any]]) -> TrainTask:
        """The task with what "auto" comes to on these processors."""
        everywhere = all(hello["bfloat16"] for hello in hellos)
        chosen, matmul = precision.chosen(self.task.precision, self.task.matmulPrecision, everywhere)
        return replace(self.task, precision=chosen, matmulPrecision=matmul)

    def _train(self, task: TrainTask, shard: Shard, exchange: Solo, attempt: int, note: dict[str, Any]) -> loop.Trained:
        limit = float("inf") if self.place.shared_process else task.timeout
        before = torch.get_float32_matmul_precision()
        markers = None
        try:
            self.attempts.begin(attempt, note)
            markers = Markers(task.progressDir if self.place.rank == 0 else None)
            torch.set_float32_matmul_precision(task.matmulPrecision)
            with Watch(exchange, limit, self.attempts.ended) as watch:

                def report(about: dict[str, Any]) -> None:
                    watch.beat()
                    self.at = about or self.at
                    markers.tell(about)

                network = weights.build(task)
                if task.creators.start:
                    weights.load_state(network, resolve(task.creators.start, task.live)())
                self.network_bytes = sum(t.nbytes for t in network.state_dict().values())
                self._check_size()
                return _loop(task)(task, network, shard, exchange, report)
        except (PeerFailedError, WorkerLostError):
            raise
        except Exception as e:
            exchange.fail(repr(e))
            raise
        finally:
            torch.set_float32_matmul_precision(before)
            if markers is not None:
                markers.close()
            gc.collect()  # what holds tensors of an exchange must be gone before the connections close
            exchange.close()

    def _check_size(self) -> None:
        if self.task.resultLimit and self.network_bytes > self.task.resultLimit:
            raise RefusedError(
                f"fit: found weights of {self.network_bytes >> 20} MiB, expected at most "
                f"{self.task.resultLimit >> 20} MiB, all that the driver takes; start the application with a larger "
                "spark.driver.maxResultSize (0 for no limit)"
            )


def _loop(task: TrainTask) -> Callable[..., loop.Trained]:
    """The function that trains."""
    if task.runner != "orca":
        return loop.train
    from aiok_spark.training.worker import orca

    return orca.train


def last_attempt(notes: list[dict[str, Any]]) -> int:
    """Number of the last attempt that is noted, 0 for none."""
    return max((note["attempt"] for note in notes), default=0)


def executor_name() -> str:
    """Spark's name of the executor that this process belongs to; "driver" in local mode."""
    process = os.getpid()
    while process > 1:
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
            if "--executor-id" in command:
                return command[command.index("--executor-id") + 1]
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return "driver"


def process_bytes() -> int:
    """Memory that this process holds."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


def _row(rank: int, kind: str, content: dict[str, Any] | bytes, chunk: int = 0) -> pa.RecordBatch:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return pa.RecordBatch.from_pydict(
        {"rank": [rank], "kind": [kind], "chunk": [chunk], "bytes": [data]}, schema=RESULT
    )

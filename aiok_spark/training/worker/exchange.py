"""How workers share gradients and counts: nothing to do for one, gloo for several."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist


class PeerFailedError(RuntimeError):
    """Another worker has failed and said so; its own error is the one to read."""


class WorkerLostError(RuntimeError):
    """Another worker does not answer and has not said why."""


class Solo:
    """The only worker: every exchange gives what it got.

    Attributes
    ----------
    rank, world : int
        This worker's number, and how many there are.
    sent : int
        Bytes that this worker has sent to others.
    waiting : bool
        Whether it is in an exchange right now.
    """

    rank, world, sent = 0, 1, 0
    waiting = False

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over all workers, in place."""
        return tensor

    def rows(self, values: torch.Tensor, counts: Sequence[int]) -> list[torch.Tensor]:
        """Matrices of all workers, by rank; ``counts`` are their numbers of rows."""
        return [values]

    def first(self, tensor: torch.Tensor) -> torch.Tensor:
        """The first worker's values, in place."""
        return tensor

    def gather(self, values: np.ndarray) -> np.ndarray | None:
        """Rows of all workers at the first one, None at the others."""
        return values

    def why(self, error: Exception) -> Exception:
        """The error itself, or if it comes of an exchange, what has become of the others."""
        return error

    def fail(self, reason: str) -> None:
        """Tell the others that this worker stops."""

    def close(self) -> None:
        """Leave."""


class Gloo(Solo):
    """Several workers, connected over TCP.

    Parameters
    ----------
    store : torch.distributed.Store
        Where the workers found each other.
    rank, world : int
        This worker's number, and how many there are.
    limit : datetime.timedelta
        How long one exchange may take.
    """

    def __init__(self, store: dist.Store, rank: int, world: int, limit: timedelta) -> None:
        self.rank, self.world, self._store = rank, world, store
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=limit)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over all workers, in place; same bits for all."""
        self._run(dist.all_reduce, tensor)
        # A ring sends each part on once to add it up and once to spread it.
        self.sent += 2 * (self.world - 1) * tensor.nbytes // self.world
        return tensor

    def rows(self, values: torch.Tensor, counts: Sequence[int]) -> list[torch.Tensor]:
        """Matrices of all workers, by rank; ``counts`` are their numbers of rows."""
        if not max(counts):
            return [values] * self.world
        padded = _padded(values, max(counts))
        everyone = [torch.empty_like(padded) for _ in range(self.world)]
        self._run(dist.all_gather, everyone, padded)
        self.sent += (self.world - 1) * padded.nbytes
        return [part[:count] for part, count in zip(everyone, counts, strict=True)]

    def first(self, tensor: torch.Tensor) -> torch.Tensor:
        """The first worker's values, in place."""
        self._run(dist.broadcast, tensor, 0)
        self.sent += tensor.nbytes if self.rank == 0 else 0
        return tensor

    def gather(self, values: np.ndarray) -> np.ndarray | None:
        """Rows of all workers at the first one, None at the others."""
        flat = np.ascontiguousarray(values)
        counts = torch.zeros(self.world, dtype=torch.int64)
        counts[self.rank] = len(flat)
        told = self.sum(counts).tolist()
        padded = _padded(torch.from_numpy(flat), max(told))
        everyone = None if self.rank else [torch.empty_like(padded) for _ in range(self.world)]
        if max(told):
            self._run(dist.gather, padded, everyone)
        if everyone is None:
            self.sent += padded.nbytes
            return None
        return torch.cat([part[:count] for part, count in zip(everyone, told, strict=True)]).numpy()

    def fail(self, reason: str) -> None:
        """Tell the others that this worker stops."""
        with contextlib.suppress(RuntimeError):  # the worker that keeps the store may be gone
            self._store.set("failed", json.dumps({"rank": self.rank, "reason": reason}))

    def close(self) -> None:
        """Leave; connections close, so that a worker that waits for this one stops waiting."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _run(self, collective: Any, *args: Any) -> None:
        self.waiting = True
        try:
            collective(*args)
        except RuntimeError as e:
            raise self._reason(e) from e
        finally:
            self.waiting = False

    def why(self, error: Exception) -> Exception:
        """The error itself, or if it comes of an exchange, what has become of the others."""
        return self._reason(error) if isinstance(error, RuntimeError) and "gloo" in str(error) else error

    def _reason(self, error: RuntimeError) -> RuntimeError:
        try:
            for _ in range(10):  # a worker says why before it closes its connections, but not on the same one
                if self._store.check(["failed"]):
                    told = json.loads(self._store.get("failed"))
                    return PeerFailedError(f"worker {told['rank']} failed: {told['reason']}")
                time.sleep(0.1)
            self._store.set(f"here/{self.rank}", "")
            time.sleep(4)  # the others notice at about the same time, on busy nodes too
            silent = [r for r in range(self.world) if not self._store.check([f"here/{r}"])]
        except RuntimeError:
            silent = [0]  # it keeps the store
        return WorkerLostError(f"found no answer from worker {silent}, expected one in time ({error})")


def _padded(values: torch.Tensor, rows: int) -> torch.Tensor:
    """With rows of zeros behind them, as gloo wants all workers to send equally many."""
    made = values.new_zeros(rows, *values.shape[1:])
    made[: len(values)] = values
    return made

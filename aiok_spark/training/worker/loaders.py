"""Rows of the user's own data loaders, which each worker makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aiok_spark.training.packing import Problems
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.refused import RefusedError


@dataclass(frozen=True)
class Loaders:
    """Functions of config and batch size that make a torch ``DataLoader``, as BigDL Orca has them.

    Attributes
    ----------
    training, validation : callable, optional
        Of rows to train on, and of rows that are held out.
    config : dict
        Their argument.
    """

    training: Callable[..., Any] | None
    validation: Callable[..., Any] | None
    config: dict[str, Any]

    def blocks(self, task: TrainTask, rank: int) -> Callable[[], LoaderShard]:
        """What ``stage`` makes a worker's shard of."""
        return lambda: LoaderShard(self, task, rank)


class LoaderShard:
    """A worker's share of the rows of data loaders; they are read when a step wants them, so may differ each time.

    Attributes
    ----------
    problems : Counter
        Nothing: values are the user's own.
    training, validation : numpy.ndarray
        Numbers of the rows for either use.
    bytes : int
        0, as nothing is held.
    """

    def __init__(self, loaders: Loaders, task: TrainTask, rank: int) -> None:
        size = max(1, task.batchSize // task.workers)
        made = [_made(f, loaders.config, size) for f in (loaders.training, loaders.validation)]
        self._loaders = [loader for loader in made if loader is not None]
        counts = [0 if loader is None else len(loader.dataset) for loader in made]
        self._first = counts[0] if made[0] is not None else 0  # of the rows that are held out
        self.training = np.arange(rank, counts[0], task.workers)
        self.validation = self._first + np.arange(rank, counts[1], task.workers)
        self.problems: Problems = Counter()
        self.bytes = 0

    def rows(self, numbers: torch.Tensor) -> dict[str, Any]:
        """Some rows, by number, all of one use."""
        wanted = numbers.tolist()
        held_out = bool(wanted) and wanted[0] >= self._first
        loader = self._loaders[-1 if held_out else 0]
        start = self._first if held_out else 0
        # For no rows one is made, so that their shapes are known.
        *columns, label = loader.collate_fn([loader.dataset[n - start] for n in wanted or [start]])
        return {"columns": [c[: len(wanted)] for c in columns], "label": label[: len(wanted)]}

    def weight(self) -> float:
        """Number of the rows to train on."""
        return float(len(self.training))

    def sums(self) -> torch.Tensor:
        """What a checkpoint knows the rows by: their number alone."""
        return torch.zeros(1, dtype=torch.float64)


def _made(creator: Callable[..., Any] | None, config: dict[str, Any], size: int) -> Any:
    if creator is None:
        return None
    from torch.utils.data import DataLoader, IterableDataset

    loader = creator(dict(config), size)
    if not isinstance(loader, DataLoader):
        raise RefusedError(
            f"data: its function gave {type(loader).__name__}, expected a torch.utils.data.DataLoader; return one"
        )
    if isinstance(loader.dataset, IterableDataset):
        raise RefusedError(
            "data: found a loader of an IterableDataset, expected a dataset with a length, as its rows are shared out; "
            "give a DataFrame or another dataset"
        )
    return loader

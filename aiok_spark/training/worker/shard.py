"""The rows of one worker, as tensors."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from aiok_spark.training.packing import Problems, counted, tensor_types
from aiok_spark.training.task import TrainTask

_MIB = 1 << 20


class Shard:
    """Rows in an order that does not depend on how they came.

    Attributes
    ----------
    problems : Counter
        What is wrong with values, and in how many rows.
    training, validation : numpy.ndarray
        Numbers of the rows for either use.
    bytes : int
        Size of the tensors.
    """

    def __init__(self, tensors: dict[str, np.ndarray], problems: Problems, validation: np.ndarray | None) -> None:
        self._tensors = {name: torch.from_numpy(values) for name, values in tensors.items()}
        self.problems = problems
        everyone = np.arange(len(self._tensors["label"]))
        self.training = everyone if validation is None else everyone[validation == 0]
        self.validation = everyone[:0] if validation is None else everyone[validation != 0]
        self.bytes = sum(values.nbytes for values in tensors.values())

    def rows(self, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """Some rows, by number."""
        return {name: values.index_select(0, numbers) for name, values in self._tensors.items()}

    def weight(self) -> float:
        """Sum of the weights of the rows to train on; their number if they have none."""
        weights = self._tensors.get("weight")
        return float(len(self.training) if weights is None else weights[self.training].sum(dtype=torch.float64))

    def sums(self) -> torch.Tensor:
        """Sum of each tensor, as float64."""
        return torch.stack([values.sum(dtype=torch.float64) for values in self._tensors.values()])


def stage(batches: Iterable[pa.RecordBatch] | Callable[[], Any], task: TrainTask) -> Any:
    """Unpack the blocks that ``pack`` made; a function gives a shard of its own kind.

    Blocks are held in memory up to ``task.stagingMemory`` MiB; if there are more, all are in a temporary file
    that is mapped into memory, so that the system may drop and read them again.
    """
    if callable(batches):
        return batches()
    types = tensor_types(task)
    blocks = _Blocks(task.stagingMemory * _MIB)
    problems: Problems = Counter()
    for batch in batches:
        for row in batch.to_pylist():
            problems.update(counted([json.loads(row["problems"])]))
            blocks.add((row["source"], row["batch"], row["piece"]), row["rows"], [row[name] for name in types])
    tensors = blocks.tensors(list(types.values()))
    named = dict(zip(types, tensors, strict=True))
    validation = named.pop("validation", None)
    return Shard(named, problems, validation)


class _Blocks:
    """Blocks of raw numbers, each with a key to put them in order."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._blocks: list[tuple[tuple[int, ...], int, list[memoryview | bytes]]] = []
        self._file: Any = None

    def add(self, key: tuple[int, ...], rows: int, cells: list[bytes]) -> None:
        self._blocks.append((key, rows, list(cells)))
        self._size += sum(map(len, cells))
        if self._size > self._limit:
            self._spill()

    def _spill(self) -> None:
        """Move what is in memory to the file, and read it from there."""
        if self._file is None:
            self._file = _temporary()
        places = []
        for _, _, cells in self._blocks:
            for i, cell in enumerate(cells):
                if isinstance(cell, bytes):
                    places.append((cells, i, self._file.tell(), len(cell)))
                    self._file.write(cell)
        self._file.flush()
        at = self._file.tell()
        mapped: Any = memoryview(np.memmap(self._file, np.uint8, "r"))  # type: ignore[arg-type]
        self._file.seek(at)
        for cells, i, start, length in places:
            cells[i] = mapped[start : start + length]
        self._size = 0

    def tensors(self, types: list[tuple[str, int]]) -> list[np.ndarray]:
        """One array for each cell of a block, over all blocks in the order of their keys."""
        self._blocks.sort(key=lambda block: block[0])
        total = sum(rows for _, rows, _ in self._blocks)
        made = []
        for i, (kind, width) in enumerate(types):
            shape = (total, width) if width else (total,)
            out = self._array(kind, shape)
            at = 0
            for _, rows, cells in self._blocks:
                out[at : at + rows] = np.frombuffer(cells[i], kind).reshape(rows, *shape[1:])
                cells[i] = b""  # as soon as it is copied
                at += rows
            made.append(out)
        self._file = None
        return made

    def _array(self, kind: str, shape: tuple[int, ...]) -> np.ndarray:
        if self._file is None or not shape[0]:
            return np.empty(shape, kind)
        with _temporary() as out:  # the mapping keeps it until it is dropped
            return np.memmap(out, kind, "w+", shape=shape)


def _temporary() -> Any:
    """A file without a name where Spark spills, which is gone with the process at the latest."""
    folders = os.environ.get("SPARK_LOCAL_DIRS") or os.environ.get("LOCAL_DIRS") or ""  # of executors; of YARN's
    folder = folders.split(",")[0]
    return tempfile.TemporaryFile(prefix="aiok_shard_", dir=folder if os.path.isdir(folder) else None)

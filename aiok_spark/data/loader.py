"""Rows of a dataset as batches of torch tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, did_you_mean
from aiok_spark.data.dataset import Dataset, Group, read_ahead


class TorchLoader:
    """Batches of a dataset, as dicts of tensors by column; each pass gives every row of the shard once.

    Numbers and booleans become tensors ``[rows]``, lists of equal length ``[rows, length]``.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    columns : sequence of str, optional
        By default all that a tensor can hold.
    batch_size : int
        Rows of a batch; the last one of a pass may have fewer.
    num_epochs : int, optional
        Passes over the rows; None for no end.
    cur_shard, shard_count : int, optional
        Which part of the rows to read, of how many.
    equal_shards : bool
        Whether all shards have equally many rows; then up to ``shard_count - 1`` rows are left out.
    shuffling_queue_capacity : int
        Rows that are shuffled together, 0 for the order of the files.  Row groups are shuffled too.
    seed : int
        Of the order; each pass has one of its own.

    Raises
    ------
    DataError
        If a file is not what the manifest says, or whole numbers have nulls.
    ColumnTypeError
        If a tensor cannot hold a column that is asked for.
    """

    def __init__(
        self,
        dataset: Dataset,
        columns: Sequence[str] | None = None,
        *,
        batch_size: int = 32,
        num_epochs: int | None = 1,
        cur_shard: int | None = None,
        shard_count: int | None = None,
        equal_shards: bool = False,
        shuffling_queue_capacity: int = 0,
        seed: int = 0,
    ) -> None:
        if batch_size < 1 or (num_epochs is not None and num_epochs < 1):
            raise ValueError(
                f"TorchLoader: found batch_size={batch_size}, num_epochs={num_epochs}, expected at least 1; change it"
            )
        if (cur_shard is None) != (shard_count is None):
            raise ValueError(
                f"TorchLoader: found cur_shard={cur_shard}, shard_count={shard_count}, expected both or none; set both"
            )
        self._dataset, self._batch, self._epochs = dataset, batch_size, num_epochs
        self._columns = _readable(dataset, columns)
        self._range = dataset.shard(cur_shard or 0, shard_count or 1, equal_shards)
        self._window, self._seed = shuffling_queue_capacity, seed
        self._groups: list[Group] | None = None

    @property
    def rows(self) -> int:
        """Of a pass."""
        start, end = self._range
        return end - start

    def __len__(self) -> int:
        """Batches of a pass."""
        return (self.rows + self._batch - 1) // self._batch

    def __enter__(self) -> TorchLoader:
        """The loader itself, as petastorm's users expect."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing is left open."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Batches of all passes."""
        import torch

        for epoch in count() if self._epochs is None else range(self._epochs):
            for batch in self._batches(np.random.default_rng((self._seed, epoch))):
                yield {name: torch.from_numpy(values) for name, values in batch.items()}
            if not self.rows:
                return

    def _batches(self, random: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        """One pass: windows of rows, shuffled if they are to be, cut into batches; what is left goes to the next."""
        if self._groups is None:
            self._groups = self._dataset.groups(*self._range)
        groups = [self._groups[i] for i in random.permutation(len(self._groups))] if self._window else self._groups
        held: list[dict[str, np.ndarray]] = []
        rows = 0
        for table in read_ahead(self._dataset, groups, self._columns):
            held.append(self._arrays(table))
            rows += table.num_rows
            if rows >= max(self._window, self._batch):
                window = self._joined(held, rows, random)
                whole = rows - rows % self._batch
                yield from self._cut(window, whole)
                held, rows = [{name: values[whole:] for name, values in window.items()}], rows - whole
        if rows:
            yield from self._cut(self._joined(held, rows, random), rows)

    def _joined(
        self, held: list[dict[str, np.ndarray]], rows: int, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        order = random.permutation(rows) if self._window else None
        joined = {}
        for name in self._columns:
            parts = [part[name] for part in held]
            if len({part.shape[1:] for part in parts if len(part)}) > 1:
                raise self._ragged(name)
            values = np.concatenate([part for part in parts if len(part)]) if len(parts) > 1 else parts[0]
            joined[name] = values if order is None else values[order]
        return joined

    def _cut(self, window: dict[str, np.ndarray], rows: int) -> Iterator[dict[str, np.ndarray]]:
        for at in range(0, rows, self._batch):
            yield {name: values[at : min(at + self._batch, rows)] for name, values in window.items()}

    def _arrays(self, table: pa.Table) -> dict[str, np.ndarray]:
        return {name: self._array(name, table[name]) for name in self._columns}

    def _array(self, name: str, values: pa.ChunkedArray) -> np.ndarray:
        array = values.combine_chunks()
        if pa.types.is_list(array.type):
            lengths = array.value_lengths()
            if array.null_count or len(set(lengths.unique().to_pylist())) > 1:
                raise self._ragged(name)
            flat = self._array(name, pa.chunked_array([array.flatten()]))
            return flat.reshape(len(array), -1)
        if array.null_count and not pa.types.is_floating(array.type):
            raise DataError(
                f"TorchLoader({self._dataset.path}): column '{name}': found {array.null_count} nulls, expected none in "
                f"a column of {array.type}; fill them (FillMissing) before the conversion"
            )
        made = array.to_numpy(zero_copy_only=False)
        return made if made.flags.writeable else made.copy()  # torch shares the memory, so it must be ours

    def _ragged(self, name: str) -> DataError:
        return DataError(
            f"TorchLoader({self._dataset.path}): column '{name}': found lists of different lengths or nulls, expected "
            "lists of one length; pad them before the conversion, or choose other columns"
        )


def _readable(dataset: Dataset, columns: Sequence[str] | None) -> list[str]:
    """The columns to read, which tensors can hold."""
    schema = dataset.schema
    if columns is None:
        return [f.name for f in schema if _fits(f.type)]
    for name in columns:
        if name not in schema.names:
            raise ColumnError(
                f"TorchLoader({dataset.path}): found no column '{name}', expected some of {schema.names}; "
                f"{did_you_mean(name, schema.names)}"
            )
        if not _fits(schema.field(name).type):
            raise ColumnTypeError(
                f"TorchLoader({dataset.path}): column '{name}': found {schema.field(name).type}, expected numbers, "
                "booleans or lists of them; index it by Categorify, or leave it out"
            )
    return list(columns)


def _fits(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _fits(kind.value_type) and not pa.types.is_list(kind.value_type)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))

"""Rows of a dataset as batches: of numpy arrays, or of torch tensors."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, TypeVar

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.data.arrays import Arrays, Columns
from aiok_spark.data.dataset import Dataset, Group
from aiok_spark.data.filters import row_filter
from aiok_spark.data.local_cache import LocalCache
from aiok_spark.data.passes import Order, Reading, Source, batches
from aiok_spark.data.prefetch import PREFETCH_BYTES
from aiok_spark.data.transform import TransformSpec, change_of

L = TypeVar("L", bound="Loader")


class Loader:
    """Batches of a dataset, as dicts of numpy arrays by column; each pass gives every row of the shard once.

    Numbers and booleans become arrays ``[rows]``, lists of equal length ``[rows, length]``, arrays and
    images of petastorm's codecs ``[rows, *shape]``; strings, if they are asked for, ``[rows]`` of objects.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    columns : sequence of str, optional
        By default all numbers, booleans, lists, arrays and images.
    batch_size : int
        Rows of a batch; the last one of a pass may have fewer.
    num_epochs : int, optional
        Passes over the rows; None for no end.
    cur_shard, shard_count : int, optional
        Which part of the rows to read, of how many.
    equal_shards : bool
        Whether all shards have equally many rows; then up to ``shard_count - 1`` rows are left out.
    shuffle_row_groups : bool, optional
        Whether row groups come in another order in each pass; by default if a window is shuffled.
    shuffling_queue_capacity : int
        Rows that are shuffled together, 0 for the order of the files.
    seed : int, optional
        Of the order; each pass has one of its own. None draws one.
    filters : pyarrow.compute.Expression or list, optional
        Rows to read, as pyarrow takes it: an expression, or tuples such as ``[("day", ">", 3)]``. Row
        groups whose statistics have no such rows are not read. A comparison takes no null, "not in" all.
    transform_spec : TransformSpec, optional
        What to make of the rows of each row group, in the reading threads.
    workers_count : int
        Threads that read.
    prefetch_bytes : int
        How much may be read ahead, beside the row groups of the window that batches are cut from.
    local_cache : str, optional
        A directory of this machine in which the shard is kept, decoded, so that all passes but the first read
        mapped memory; shared by the processes that read the same. Not with filters or a function.
    timeout : float
        Seconds that a row group may take to read.

    Raises
    ------
    DataError
        If a file is not what the manifest says, or whole numbers have nulls.
    ColumnTypeError
        If an array cannot hold a column that is asked for.
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
        shuffle_row_groups: bool | None = None,
        shuffling_queue_capacity: int = 0,
        seed: int | None = 0,
        filters: Any = None,
        transform_spec: TransformSpec | None = None,
        workers_count: int = 2,
        prefetch_bytes: int = PREFETCH_BYTES,
        local_cache: str | None = None,
        timeout: float = 600.0,
    ) -> None:
        if shuffling_queue_capacity < 0:
            raise ValueError(
                f"{self._label}: shuffling_queue_capacity: found {shuffling_queue_capacity}, expected rows from 0; "
                "change it"
            )
        if min(batch_size, workers_count) < 1 or (num_epochs is not None and num_epochs < 1):
            raise ValueError(
                f"{self._label}: found batch_size={batch_size}, num_epochs={num_epochs}, "
                f"workers_count={workers_count}, expected at least 1; change it"
            )
        if (cur_shard is None) != (shard_count is None):
            raise ValueError(
                f"{self._label}: found cur_shard={cur_shard}, shard_count={shard_count}, expected both or none; "
                "set both"
            )
        self._dataset, self._epochs = dataset, num_epochs
        self._shard, self._equal = (cur_shard or 0, shard_count or 1), equal_shards
        self._range = dataset.shard(*self._shard, equal_shards)
        shuffle = bool(shuffling_queue_capacity) if shuffle_row_groups is None else shuffle_row_groups
        drawn = secrets.randbits(32) if seed is None else seed
        self._order = Order(batch_size, shuffling_queue_capacity, shuffle, drawn)
        self._reading = Reading(
            dataset,
            change_of(Columns(dataset, columns, self._label), transform_spec),
            row_filter(filters, dataset.schema, f"{self._label}({dataset.path})"),
            threads=workers_count,
            budget=prefetch_bytes,
            limit=timeout,
        )
        if local_cache and not self._reading.keeps_rows:
            raise ParamError(
                f"{self._label}({dataset.path}): local_cache: found it together with filters or a function, expected "
                "neither; leave it out, or convert the rows that they give"
            )
        self._cache = local_cache
        self._groups: list[Group] | None = None
        self._start = self._at = (0, 0)  # pass, and batches of it: where the next loop starts, and where this one is

    @property
    def _label(self) -> str:
        return type(self).__name__

    @property
    def rows(self) -> int:
        """Of a pass, before filters."""
        start, end = self._range
        return end - start

    def __len__(self) -> int:
        """Batches of a pass; TypeError if only reading tells."""
        if not self._reading.keeps_rows:
            raise TypeError(
                f"{self._label}: found filters or transform_spec, expected none; how many rows are left is unknown"
            )
        return (self.rows + self._order.batch - 1) // self._order.batch

    def __enter__(self: L) -> L:
        """The loader itself, as petastorm's users expect."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing is left open."""

    def state_dict(self) -> dict[str, Any]:
        """Where it is: the pass, the batches of it that were given, and what decides on their content."""
        epoch, batch = self._at
        return {"epoch": epoch, "batch": batch, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next loop go on behind the batch after which ``state`` was taken, as if there had been no break.

        Raises
        ------
        DataError
            If it is the state of another dataset, shard, order or batch size.
        """
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise DataError(
                    f"{self._label}({self._dataset.path}): {name}: found {state.get(name)} in the state, expected "
                    f"{value}; make the loader as it was"
                )
        self._start = self._at = state["epoch"], state["batch"]

    def _identity(self) -> dict[str, Any]:
        order = self._order
        return {
            "dataset": self._dataset.digest,
            "filters": None if (taken := self._reading.filter) is None else str(taken.expression),
            "shard": [*self._shard, self._equal],
            "order": [order.batch, order.window, order.shuffle_groups, order.seed],
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Batches of all passes; those behind a state that was loaded before."""
        (first, skip), self._start = self._start, (0, 0)
        if self._groups is None:
            self._groups = self._dataset.groups(*self._range, self._reading.filter)
        source: Source = LocalCache(self._cache, self._reading, self._groups) if self._cache else self._reading
        for epoch in count(first) if self._epochs is None else range(first, self._epochs):
            self._at = epoch, skip
            for batch in batches(source, self._groups, self._order, epoch, skip):
                self._at = epoch, self._at[1] + 1
                yield self._given(batch)
            if self._at[1] == 0:
                return  # there are no rows, so there is no end
            self._at, skip = (epoch + 1, 0), 0

    def _given(self, batch: Arrays) -> dict[str, Any]:
        return batch


class TorchLoader(Loader):
    """A ``Loader`` that gives torch tensors; strings, if they are asked for, as a list."""

    def _given(self, batch: Arrays) -> dict[str, Any]:
        import torch

        made: dict[str, Any] = {}
        for name, values in batch.items():
            if values.dtype == object:
                made[name] = values.tolist()
            else:  # torch shares the memory, so it must be ours
                made[name] = torch.from_numpy(values if values.flags.writeable else values.copy())
        return made

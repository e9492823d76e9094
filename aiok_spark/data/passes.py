"""The order in which passes give rows: row groups, windows of them that are shuffled together, and batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from aiok_spark.data.arrays import Arrays, join
from aiok_spark.data.dataset import Dataset, Group
from aiok_spark.data.filters import Filter
from aiok_spark.data.prefetch import Call, ahead
from aiok_spark.data.transform import Change


@dataclass(frozen=True)
class Order:
    """How the rows of a pass are put into batches; the same values give the same batches.

    Attributes
    ----------
    batch : int
        Rows of a batch; the last one of a pass may have fewer.
    window : int
        Rows that are shuffled together, 0 for the order of the files.
    shuffle_groups : bool
        Whether row groups come in another order in each pass.
    seed : int
        Of all that is shuffled.
    """

    batch: int
    window: int
    shuffle_groups: bool
    seed: int


@dataclass(frozen=True)
class Reading:
    """How row groups are read.

    Attributes
    ----------
    dataset : Dataset
        From which.
    change : Change
        What of it, and what is made of that in the reading threads.
    filter : Filter, optional
        Which rows.
    threads : int
        How many read.
    budget : int
        Bytes that may be read ahead.
    limit : float
        Seconds that a row group may take.
    """

    dataset: Dataset
    change: Change
    filter: Filter | None
    threads: int
    budget: int
    limit: float

    @property
    def keeps_rows(self) -> bool:
        """Whether a row group gives as many rows as it has."""
        return self.filter is None and self.change.keeps_rows

    def arrays(self, groups: Sequence[Group]) -> Iterator[Arrays]:
        """Arrays of each group, in their order."""
        where = self.change.columns.where
        calls = (Call(partial(self._read, group), group.size, f"{where}: file {group.file}") for group in groups)
        return ahead(calls, self.threads, self.budget, self.limit)

    def join(self, parts: Sequence[Arrays]) -> Arrays:
        """Arrays below one another."""
        return join(parts, self.change.columns.where)

    def _read(self, group: Group) -> Arrays:
        names = self.change.columns.names
        if self.filter is None:
            return self.change(self.dataset.read(group, names))
        read = None if self.filter.columns is None else list(dict.fromkeys([*names, *self.filter.columns]))
        return self.change(self.dataset.read(group, read).filter(self.filter.expression))


class Source(Protocol):
    """Where batches come from."""

    @property
    def keeps_rows(self) -> bool:
        """Whether a row group gives as many rows as it has."""

    def arrays(self, groups: Sequence[Group]) -> Iterator[Arrays]:
        """Arrays of each group, in their order."""

    def join(self, parts: Sequence[Arrays]) -> Arrays:
        """Arrays below one another."""


def batches(source: Source, groups: Sequence[Group], order: Order, epoch: int, skip: int) -> Iterator[Arrays]:
    """The batches of a pass, without the first ``skip`` of them.

    Rows that do not fill a batch come first in the next window's.  So what a window gives depends on
    itself and on the end of the one before it alone, and a pass is taken up again by reading just that.
    """
    if order.shuffle_groups:
        groups = [groups[i] for i in np.random.default_rng((order.seed, epoch)).permutation(len(groups))]
    windows = _windows(groups, max(order.window, order.batch))
    first, given, left = _place(windows, order.batch, skip) if source.keeps_rows else (0, 0, 0)
    start = max(first - 1, 0) if left else first  # the window before has the rows that are left
    coming = source.arrays([group for window in windows[start:] for group in window])
    held: Arrays | None = None
    for number in range(start, len(windows)):
        rows = source.join([next(coming) for _ in windows[number]])
        if order.window:
            rows = _shuffled(rows, np.random.default_rng((order.seed, epoch, number)))
        if number < first:
            held = _cut(rows, _length(rows) - left, _length(rows))
            continue
        before, held = held, None
        for piece in _pieces(source, before, rows, order.batch):
            if _length(piece) < order.batch and number < len(windows) - 1:
                held = piece
                continue
            if given >= skip:
                yield piece
            given += 1


def _windows(groups: Sequence[Group], rows: int) -> list[list[Group]]:
    """Neighbouring groups that have so many rows together, but for the last ones."""
    windows: list[list[Group]] = []
    waiting: list[Group] = []
    for group in groups:
        waiting.append(group)
        if sum(g.rows for g in waiting) >= rows:
            windows.append(waiting)
            waiting = []
    return [*windows, waiting] if waiting else windows


def _place(windows: list[list[Group]], batch: int, skip: int) -> tuple[int, int, int]:
    """The window of a batch, the batches before that window, and the rows that are left from the one before it."""
    given = left = 0
    for number, window in enumerate(windows):
        rows = left + sum(group.rows for group in window)
        if given + rows // batch > skip or number == len(windows) - 1:
            return number, given, left
        given, left = given + rows // batch, rows % batch
    return 0, 0, 0


def _pieces(source: Source, held: Arrays | None, rows: Arrays, size: int) -> Iterator[Arrays]:
    """What is held and the rows, in pieces of a size; the last piece may be smaller."""
    at = 0
    if held is not None:
        at = min(size - _length(held), _length(rows))
        yield source.join([held, _cut(rows, 0, at)])
    for start in range(at, _length(rows), size):
        yield _cut(rows, start, min(start + size, _length(rows)))


def _shuffled(rows: Arrays, random: np.random.Generator) -> Arrays:
    order = random.permutation(_length(rows))
    return {name: values[order] for name, values in rows.items()}


def _cut(rows: Arrays, start: int, end: int) -> Arrays:
    return {name: values[start:end] for name, values in rows.items()}


def _length(rows: Arrays) -> Any:
    return len(next(iter(rows.values())))

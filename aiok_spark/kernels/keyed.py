"""Numbers by key: looked up for rows, where a key is one value or several crossed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aiok_spark.kernels.hashing import cross_keys, cross_values, value_keys
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.program import RowKernel

Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lookup:
    """What is known of each key.

    Attributes
    ----------
    index : KeyIndex
        Keys to positions.
    numbers : tuple of array
        For each output, the numbers by position, the one of unknown keys last; with a second axis if they
        depend on the row's fold.
    """

    index: KeyIndex
    numbers: tuple[Numbers, ...] = field(repr=False)


def lookup_keys(columns: list[pa.Array], lookups: Sequence[Lookup], by_fold: bool = False) -> list[pa.Array]:
    """Numbers of 64-bit keys; one column of keys for each look-up, then that of the folds if ``by_fold``."""
    arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
    return _find(arrays[: len(lookups)], lookups, arrays[-1] if by_fold else None)


def lookup_values(
    columns: list[pa.Array],
    lookups: Sequence[Lookup],
    groups: Sequence[Sequence[int]],
    seed: int,
    by_fold: bool = False,
) -> list[pa.Array]:
    """Numbers of values, by the same keys; ``groups`` has the columns of each key."""
    fold = columns[-1].to_numpy(zero_copy_only=False) if by_fold else None
    keys = [value_keys(column, seed) for column in (columns[:-1] if by_fold else columns)]
    return _find([cross_keys([keys[i] for i in group], seed) for group in groups], lookups, fold)


def _find(
    keys: Sequence[npt.NDArray[np.int64]], lookups: Sequence[Lookup], fold: npt.NDArray[np.int32] | None
) -> list[pa.Array]:
    made = []
    for wanted, lookup in zip(keys, lookups, strict=True):
        at = lookup.index.find(wanted)  # -1, which is the last, for unknown keys
        made += [pa.array(numbers[at] if fold is None else numbers[at, fold]) for numbers in lookup.numbers]
    return made


def lookup_row(
    found: Sequence[Mapping[int, tuple[Any, ...]]],
    unknown: Sequence[tuple[Any, ...]],
    groups: Sequence[Sequence[int]],
    columns: Sequence[tuple[str, type]],
    seed: int,
) -> RowKernel:
    """Like ``lookup_values``, for the values of one row.

    Parameters
    ----------
    found, unknown : sequence of mapping, sequence of tuple
        For each key column: the numbers of each key, and those of all others.
    groups : sequence of sequence of int
        Columns of each key.
    columns : sequence of (str, type)
        Name of each column, and what its values were at fit.
    seed : int
        Of the keys.
    """

    def plain(value: Any, name: str, kind: type) -> Any:
        if value is None:
            return None
        value = value.isoformat() if type(value) is date else value
        if not isinstance(value, (kind, np.bool_) if kind is not str else kind):
            raise TypeError(f"column '{name}' was {kind.__name__} at fit")
        return value

    def run(values: list[Any]) -> list[Any]:
        cells = [plain(value, *column) for value, column in zip(values, columns, strict=True)]
        made: list[Any] = []
        for group, numbers, otherwise in zip(groups, found, unknown, strict=True):
            made += numbers.get(cross_values([cells[i] for i in group], seed), otherwise)
        return made

    return run


def smoothed(
    counts: npt.NDArray[np.int64], sums: npt.NDArray[np.float64], prior: Any, smoothing: float, least: int
) -> npt.NDArray[np.float64]:
    """Means drawn towards a prior: ``(sum + prior * smoothing) / (count + smoothing)``; below ``least``, the prior."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums + prior * smoothing) / (counts + smoothing)
    return np.where(counts >= least, means, prior)


def of_other_folds(by_fold: Numbers) -> Numbers:
    """Sums over all folds but one, for each; added up without it, so that nothing of it is left by rounding."""
    return np.stack([np.delete(by_fold, fold, axis=-1).sum(axis=-1) for fold in range(by_fold.shape[-1])], axis=-1)


def look_alike(counts: npt.NDArray[np.int64]) -> bool:
    """Whether rows of a key share a fold more often than chance has it, as they do if rows are equal.

    Parameters
    ----------
    counts : array
        Rows of each key (first axis) in each fold.

    Notes
    -----
    Of ``n (n - 1)`` pairs of a key's rows, one in ``folds`` shares a fold by chance, pairwise independently.
    More than four standard deviations, and more than one pair for every twenty rows, is too many.
    """
    rows, chance = counts.sum(axis=1).astype(float), 1 / counts.shape[1]
    pairs = (rows * (rows - 1)).sum()
    excess = (counts * (counts - 1.0)).sum() - pairs * chance
    return bool(excess > 4 * np.sqrt(2 * pairs * chance * (1 - chance)) and excess > 0.05 * rows.sum())

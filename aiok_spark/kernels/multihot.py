"""Lists of categories as numbers: one place for each value of a vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import xxhash64
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.lists import list_of, rows_of
from aiok_spark.kernels.program import RowKernel


@dataclass(frozen=True)
class Places:
    """Where the values of a row are counted.

    Attributes
    ----------
    size : int
        Number of values of the vocabulary, each with a place.
    unknown : bool
        Whether a last place is for all others.
    refuse : bool
        Raise ValueError for others instead.
    counts : bool
        Tell how often a value is there, not only that it is.
    label, column : str
        For the error.
    """

    size: int
    unknown: bool
    refuse: bool
    counts: bool
    label: str
    column: str

    @property
    def width(self) -> int:
        """Number of places."""
        return self.size + self.unknown

    def error(self, value: object) -> ValueError:
        """Say which value has no place."""
        return ValueError(
            f"{self.label}: oovPolicy='error' and column '{self.column}' has a value that the fit did not see: found "
            f"{value!r}; clean the column, or set oovPolicy to 'ignore' or 'place'"
        )


def encode_keys(columns: list[pa.Array], index: KeyIndex, null_key: np.int64, places: Places) -> list[pa.Array]:
    """From the keys that the JVM computed; ``null_key`` stands for null among them."""

    def one(column: pa.Array) -> pa.Array:
        rows, values = rows_of(column)
        keys = values.to_numpy(zero_copy_only=False)
        return _encoded(len(column), rows, index.find(keys), keys == null_key, places, lambda i: None)

    return [one(column) for column in columns]


def encode_values(columns: list[pa.Array], index: KeyIndex, seed: int, places: Places) -> list[pa.Array]:
    """From strings or integers, by the same keys."""

    def one(column: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        rows, values = rows_of(column)
        found = index.find(xxhash64(values, seed))
        return _encoded(len(column), rows, found, np.asarray(pc.is_null(values)), places, lambda i: values[i].as_py())

    return [one(column) for column in columns]


def _encoded(
    length: int,
    rows: npt.NDArray[np.int64],
    found: npt.NDArray[np.int32],
    missing: npt.NDArray[np.bool_],
    places: Places,
    show: Callable[[int], object],
) -> pa.Array:
    """One list of ``places.width`` numbers for each row, from the place of each value (below 0: unknown)."""
    there = ~missing
    if places.refuse and (wrong := there & (found < 0)).any():
        raise places.error(show(int(np.argmax(wrong))))
    if places.unknown:
        found = np.where(found < 0, places.size, found)
    there &= found >= 0
    at = rows[there] * places.width + found[there]
    numbers = np.bincount(at, minlength=length * places.width).astype(float)
    return list_of(numbers if places.counts else np.minimum(numbers, 1.0), np.full(length, places.width))


def encode_row(place_of: dict[object, int], kind: type, places: Places) -> RowKernel:
    """Like ``encode_values``, for the values of one row; ``kind`` is what the vocabulary's values are."""

    def cell(value: Any) -> list[float]:
        numbers = [0.0] * places.width
        for x in value if isinstance(value, (list, tuple, np.ndarray)) else [value]:
            if x is None:
                continue
            plain = x.isoformat() if type(x) is date else x
            at = place_of.get(plain)
            if at is None:
                if not isinstance(plain, kind):
                    raise TypeError(f"column '{places.column}' was {kind.__name__} at fit")
                if places.refuse:
                    raise places.error(plain)
                if not places.unknown:
                    continue
                at = places.size
            numbers[at] = numbers[at] + 1.0 if places.counts else 1.0
        return numbers

    return lambda values: [cell(value) for value in values]

"""Values of a table's rows, found by the rows' keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import seed_of, xxhash64
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.program import RowKernel


@dataclass(frozen=True)
class KeyedRows:
    """A table whose rows have unique keys without nulls.

    A row is found by a 64-bit hash of its key, and the key is then compared itself, so matches are exact.

    Attributes
    ----------
    keys, values : tuple of pyarrow.Array
        Columns of the table; the keys are strings or 64-bit integers.
    index : KeyIndex
        Numbers of the rows by hash.
    seed : int
        Of the hashes; one for which those of the keys differ.
    """

    keys: tuple[pa.Array, ...]
    values: tuple[pa.Array, ...]
    index: KeyIndex
    seed: int

    @classmethod
    def build(cls, keys: Sequence[pa.Array], values: Sequence[pa.Array]) -> KeyedRows:
        """From columns of at least one row."""
        for salt in range(100):
            hashes = _hashes(keys, seed_of(salt))
            if len(np.unique(hashes)) == len(hashes):
                index = KeyIndex.build(hashes, np.arange(len(hashes), dtype=np.int32))
                return cls(tuple(keys), tuple(values), index, seed_of(salt))
        raise AssertionError("100 salts in a row collided; the keys cannot be unique")

    def find(self, columns: Sequence[pa.Array]) -> pa.Array:
        """Number of the row of each key; null where there is none, or a part of the key is null."""
        rows = self.index.find(_hashes(columns, self.seed))
        known = rows >= 0
        at = pa.array(np.maximum(rows, 0))
        for asked, keys in zip(columns, self.keys, strict=True):
            same = pc.fill_null(pc.equal(asked, keys.take(at)), False)
            known &= same.to_numpy(zero_copy_only=False)
        return pa.array(rows, mask=~known)


def lookup(columns: list[pa.Array], table: KeyedRows, defaults: Sequence[Any]) -> list[pa.Array]:
    """Values of each key's row; the default of a column, which may be None, where the key is absent."""
    rows = table.find(columns)
    absent = pc.is_null(rows)
    return [
        values.take(rows) if default is None else pc.if_else(absent, pa.scalar(default, values.type), values.take(rows))
        for values, default in zip(table.values, defaults, strict=True)
    ]


def lookup_row(
    rows: dict[tuple[Any, ...], int], values: Sequence[pa.Array], kinds: Sequence[type], defaults: Sequence[Any]
) -> RowKernel:
    """Like ``lookup``, for one key.

    Parameters
    ----------
    rows : dict
        Numbers of the rows by key.
    values : sequence of pyarrow.Array
        Columns of the table.
    kinds : sequence of type
        What the parts of a key are.
    defaults : sequence
        A value for each column.
    """

    def find(key: list[Any]) -> list[Any]:
        plain = tuple(part.isoformat() if type(part) is date else part for part in key)
        row = rows.get(plain)
        if row is not None:
            return [column[row].as_py() for column in values]
        for part, kind in zip(plain, kinds, strict=True):
            if part is not None and not isinstance(part, (kind, np.bool_)):
                raise TypeError(f"a part of the key was {kind.__name__} at fit")
        return list(defaults)

    return find


def _hashes(columns: Sequence[pa.Array], seed: int) -> npt.NDArray[np.int64]:
    """A hash of each row of key columns; meaningless where a part is null."""
    made = xxhash64(columns[0], seed)
    for column in columns[1:]:
        made = xxhash64(column, seed) + xxhash64(pa.array(made), seed)  # wraps; the inner hash makes the order matter
    return made

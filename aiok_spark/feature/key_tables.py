"""Fitted keys: rows aggregated by key, and the table of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.schema import column
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import plain_type
from aiok_spark.kernels.hashing import cross_keys, seed_of, value_keys
from aiok_spark.kernels.keyed import Numbers
from aiok_spark.kernels.keyindex import KeyIndex

_GROUP, _CELL = "__aiok_group", "__aiok_cell"  # which of the keys, and its values


class KeyTables:
    """What a fit found out about the keys, a table for each of ``_keys``.

    In the state, facts ``keys``, ``kinds`` ("string" or "bigint", by column), ``sizes`` and ``salt``; table ``keys``
    with ``group`` (number of the key), ``values`` (of its columns, as text), ``key`` and the numbers.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.kinds: dict[str, str] = state.facts["kinds"]
        self.sizes: list[int] = state.facts["sizes"]
        self.salt: int = state.facts["salt"]

    @property
    def seed(self) -> int:
        """Seed of the keys, for the kernels."""
        return seed_of(self.salt)

    def table(self, group: int) -> pa.Table:
        """Values, keys and numbers, in the order of the keys."""

        def make() -> pa.Table:
            found = self._state.tables["keys"]
            return found.sort_by([("group", "ascending"), ("key", "ascending")]).combine_chunks()

        return self._state.derived("keys", make).slice(sum(self.sizes[:group]), self.sizes[group])

    def keys(self, group: int) -> npt.NDArray[np.int64]:
        """All keys, ascending."""
        return self.table(group)["key"].to_numpy()

    def index(self, group: int) -> KeyIndex:
        """Position in ``table`` by key."""

        def make() -> KeyIndex:
            return KeyIndex.build(self.keys(group), np.arange(self.sizes[group], dtype=np.int32))

        return self._state.derived(f"index {group}", make)


class Aggregated:
    """Rows aggregated by key, all keys in one pass over them.

    Parameters
    ----------
    label : str
        The stage, for messages.
    dataset : DataFrame
        The rows.
    keys : sequence of sequence of str
        Columns of each key.
    by : dict of str to Column
        What the rows are grouped by besides.
    numbers : dict of str to Column
        What to add up for each key.

    Attributes
    ----------
    parts : list of pyarrow.Table
        For each of ``keys``: ``values`` (list of text), ``rows`` (how many), ``by``, and of each of ``numbers``
        ``count_...`` (that are not null) and ``sum_...``.
    keys : list of array
        64-bit key of each row of a part.

    Raises
    ------
    DataError
        No rows, or a column of nothing but null.
    """

    def __init__(
        self,
        label: str,
        dataset: DataFrame,
        keys: Sequence[Sequence[str]],
        by: Mapping[str, Column] | None = None,
        numbers: Mapping[str, Column] | None = None,
    ) -> None:
        types = {f.name: plain_type(f.dataType) for f in dataset.schema.fields}
        self.names = [list(names) for names in keys]
        self.kinds = {n: types[n].simpleString() for names in keys for n in names}
        by, numbers = by or {}, numbers or {}
        others = [value.alias(name) for name, value in {**by, **numbers}.items()]
        texts = [[column(n).cast(types[n]).cast("string") for n in names] for names in keys]
        # Where each key is of one column, its text alone is grouped faster than an array.
        single = all(len(names) == 1 for names in keys)
        cells = [(cell[0] if single else F.array(*cell)).alias(f"{_CELL}{i}") for i, cell in enumerate(texts)]
        rows = dataset.select(*others, *cells).unpivot(
            [column(name) for name in (*by, *numbers)], [F.col(f"{_CELL}{i}") for i in range(len(cells))], _GROUP, _CELL
        )
        sums = [
            made.alias(f"{what}_{name}")
            for name in numbers
            for what, made in (("count", F.count(column(name))), ("sum", F.sum(column(name))))
        ]
        counted = rows.groupBy(_GROUP, _CELL, *[column(name) for name in by])
        found = compat.to_arrow(counted.agg(F.count(F.lit(1)).alias("rows"), *sums))
        values = found[_CELL].combine_chunks()
        if single:
            values = pa.ListArray.from_arrays(np.arange(len(values) + 1, dtype=np.int32), values)
        found = found.append_column("values", values).drop_columns([_CELL])
        self.parts = [found.filter(pc.equal(found[_GROUP], f"{_CELL}{i}")).combine_chunks() for i in range(len(keys))]
        self._refuse_empty(label)
        self.keys, self.salt = self._hashed()

    def _cells(self, group: int) -> dict[str, pa.Array]:
        """The values of a key's columns, as text."""
        values = self.parts[group]["values"].combine_chunks()
        return {name: pc.list_element(values, i) for i, name in enumerate(self.names[group])}

    def _refuse_empty(self, label: str) -> None:
        for group, part in enumerate(self.parts):
            if len(part) == 0:
                raise DataError(f"{label}: inputCols: found no rows, expected at least one; check the DataFrame")
            for name, values in self._cells(group).items():
                if values.null_count == len(values):
                    raise DataError(
                        f"{label}: inputCols: found no value in column '{name}', expected at least one that is not "
                        "null; check the DataFrame, or leave the column out"
                    )

    def _hashed(self) -> tuple[list[npt.NDArray[np.int64]], int]:
        """Keys of all rows, and the first salt for which different values have different ones."""
        cells = [
            [pc.cast(v, pa.int64() if self.kinds[n] == "bigint" else pa.string()) for n, v in self._cells(g).items()]
            for g in range(len(self.parts))
        ]
        distinct = [_distinct(group) for group in cells]
        for salt in range(100):
            seed = seed_of(salt)
            made = [cross_keys([value_keys(cell, seed) for cell in group], seed) for group in cells]
            if all(len(np.unique(keys)) == size for keys, size in zip(made, distinct, strict=True)):
                return made, salt
        raise AssertionError("100 salts in a row collided; their hashes cannot be independent")

    def state(self, numbers: Sequence[Mapping[str, Numbers]], facts: Mapping[str, Any]) -> State:
        """State with the ``numbers`` of the distinct keys of each part, in ascending order of the keys."""
        tables = []
        for group, (part, keys, each) in enumerate(zip(self.parts, self.keys, numbers, strict=True)):
            distinct, first = np.unique(keys, return_index=True)
            values = part["values"].take(pa.array(first))
            tables.append(
                pa.table({"group": np.full(len(distinct), group, np.int32), "values": values, "key": distinct, **each})
            )
        about = {"keys": self.names, "kinds": self.kinds, "sizes": [len(t) for t in tables], "salt": self.salt}
        return State({**about, **facts}, {"keys": pa.concat_tables(tables)})


def _distinct(cells: Sequence[pa.Array]) -> int:
    names = [f"c{i}" for i in range(len(cells))]
    return pa.table(list(cells), names=names).group_by(names).aggregate([]).num_rows

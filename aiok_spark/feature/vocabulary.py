"""Vocabularies: counted by Spark, kept as one table, looked up by 64-bit keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from numbers import Integral
from operator import or_

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, LongType, StringType

from aiok_spark.core import compat
from aiok_spark.core.execution import map_batches
from aiok_spark.core.schema import column, element
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import plain_type
from aiok_spark.kernels.counting import PARTIAL, count, merge, read_counts
from aiok_spark.kernels.hashing import null_key, seed_of, xxhash64
from aiok_spark.kernels.keyindex import KeyIndex

OOV_ID, NULL_ID, FIRST_ID = 0, 1, 2  # the reserved ids, and where the values start
MOST_VALUES = 2**31 - 1 - FIRST_ID  # ids are int


class Vocabularies:
    """Fitted vocabularies, each shared by a group of columns.

    In the state, facts ``groups`` (columns of each), ``sizes``, ``types`` ("string" or "bigint"),
    ``lists`` (the columns that held lists) and ``salt``; table ``vocabulary`` with ``group``, ``id``,
    ``value`` (as text), ``count`` and ``key``.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.groups: list[list[str]] = state.facts["groups"]
        self.sizes: list[int] = state.facts["sizes"]
        self.types: list[str] = state.facts["types"]
        self.lists: list[str] = state.facts["lists"]
        self.salt: int = state.facts["salt"]

    @staticmethod
    def state_of(
        groups: list[list[str]],
        types: list[str],
        lists: list[str],
        counted: Sequence[pa.Table],
        ids: Sequence[npt.NDArray[np.int32]] | None = None,
    ) -> State:
        """State of vocabularies as ``count_values`` gives them, with ids from ``FIRST_ID`` or those given."""
        keys, salt = _keys(counted)
        ids = ids or [np.arange(FIRST_ID, FIRST_ID + len(table), dtype=np.int32) for table in counted]
        tables = [
            pa.table(
                {
                    "group": np.full(len(table), g, np.int32),
                    "id": ids[g],
                    "value": pc.cast(table["value"], pa.string()),
                    "count": table["count"],
                    "key": keys[g],
                }
            )
            for g, table in enumerate(counted)
        ]
        sizes = [len(t) for t in counted]
        facts = {"groups": groups, "sizes": sizes, "types": types, "lists": lists, "salt": salt}
        return State(facts, {"vocabulary": pa.concat_tables(tables)})

    @property
    def null_key(self) -> np.int64:
        """What stands for null among keys."""
        return null_key(self.salt)

    @property
    def seed(self) -> int:
        """Seed of the keys, for the kernels."""
        return seed_of(self.salt)

    def group_of(self, name: str) -> int:
        """Number of the vocabulary that serves a column."""
        return next(g for g, names in enumerate(self.groups) if name in names)

    def table(self, group: int) -> pa.Table:
        """Values of a group in the order of their ids."""

        def make() -> pa.Table:
            found = self._state.tables["vocabulary"]
            return found.sort_by([("group", "ascending"), ("id", "ascending")]).combine_chunks()

        return self._state.derived("vocabulary", make).slice(sum(self.sizes[:group]), self.sizes[group])

    def value_type(self, group: int) -> DataType:
        """In which the values of a group are compared."""
        return LongType() if self.types[group] == "bigint" else StringType()

    def counted(self, group: int) -> pa.Table:
        """Values and counts of a group, as ``count_values`` gives them, in the order of their ids."""
        table, kind = self.table(group), compat.arrow_type(self.value_type(group))
        return pa.table({"value": pc.cast(table["value"], kind), "count": table["count"]})

    def index(self, group: int) -> KeyIndex:
        """Ids by key."""

        def make() -> KeyIndex:
            table = self.table(group)
            return KeyIndex.build(table["key"].to_numpy(), table["id"].to_numpy())

        return self._state.derived(f"index {group}", make)

    def ids(self, group: int) -> dict[object, int]:
        """Ids by value, for single rows."""

        def make() -> dict[object, int]:
            table = self.table(group)
            values = self.counted(group)["value"].to_pylist()
            return dict(zip(values, table["id"].to_pylist(), strict=True))

        return self._state.derived(f"ids {group}", make)

    def python_type(self, group: int) -> type:
        """What the values of a group are in Python."""
        return Integral if self.types[group] == "bigint" else str

    def show(self, spark: SparkSession, groups: Sequence[int]) -> DataFrame:
        """Columns ``columns``, ``id``, ``value`` and ``count`` of some groups."""
        parts = []
        for g in groups:
            table = self.table(g)
            names = pa.array([self.groups[g]], pa.list_(pa.string())).take(pa.array(np.zeros(len(table), np.int32)))
            parts.append(pa.table({"columns": names, **{n: table[n] for n in ("id", "value", "count")}}))
        return compat.from_arrow(spark, pa.concat_tables(parts))


def count_values(dataset: DataFrame, groups: list[list[str]], minFrequency: int) -> list[pa.Table]:
    """Distinct values of each group of columns, most frequent first, of equals the smallest.

    One pass over the rows, as they may be dear to compute.  Each Python worker counts its rows, the
    counts are shuffled as blobs and added up, and the totals come to the driver.

    Returns
    -------
    list of pyarrow.Table
        ``value`` (string or long) and ``count``; values seen less often than ``minFrequency`` are left out.
    """
    kinds = {f.name: plain_type(f.dataType) for f in dataset.schema.fields}
    cells = [(name, g) for g, names in enumerate(groups) for name in names]
    rows = dataset.select(*[column(name).cast(kinds[name]).alias(f"c{i}") for i, (name, _) in enumerate(cells)])
    parts = map_batches(rows, partial(count, groups=[g for _, g in cells]), PARTIAL)
    merged = map_batches(parts.repartition("group", "bucket"), partial(merge, least=minFrequency), PARTIAL)
    found: dict[int, list[pa.Table]] = {}
    for row in compat.to_arrow(merged).to_pylist():
        found.setdefault(row["group"], []).append(read_counts(row["counts"]))
    types = [compat.arrow_type(element(kinds[names[0]])) for names in groups]
    empty = [pa.schema([("value", t), ("count", pa.int64())]).empty_table() for t in types]
    tables = [pa.concat_tables([none, *found.get(g, [])]) for g, none in enumerate(empty)]
    return [t.sort_by([("count", "descending"), ("value", "ascending")]).combine_chunks() for t in tables]


def has_value(dataset: DataFrame, names: list[str]) -> bool:
    """Whether some cell of the columns holds a value."""
    fields = {f.name: f.dataType for f in dataset.schema.fields}
    found = [
        F.exists(column(n), lambda x: x.isNotNull()) if isinstance(fields[n], ArrayType) else column(n).isNotNull()
        for n in names
    ]
    return dataset.where(reduce(or_, found)).limit(1).count() > 0


def _keys(counted: Sequence[pa.Table]) -> tuple[list[np.ndarray], int]:
    """Keys of all values, and the first salt for which no two of a vocabulary have the same one."""
    for salt in range(100):
        keys = [xxhash64(table["value"].combine_chunks(), seed_of(salt)) for table in counted]
        if not any(_repeats(np.append(k, null_key(salt))) for k in keys):
            return keys, salt
    raise AssertionError("100 salts in a row collided; their hashes cannot be independent")


def _repeats(keys: np.ndarray) -> bool:
    keys.sort()
    return bool((keys[1:] == keys[:-1]).any())

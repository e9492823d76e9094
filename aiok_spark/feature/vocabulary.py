"""Vocabularies: counted by Spark, kept as one table, looked up by 64-bit keys."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType

from aiok_spark.core import compat
from aiok_spark.core.schema import column, element
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import value_type
from aiok_spark.kernels.hashing import seed_of, xxhash64
from aiok_spark.kernels.ids import NULL_KEY
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
    def state_of(groups: list[list[str]], types: list[str], lists: list[str], counted: Sequence[pa.Table]) -> State:
        """State of vocabularies as ``count_values`` gives them."""
        keys, salt = _keys(counted)
        tables = [
            pa.table(
                {
                    "group": np.full(len(table), g, np.int32),
                    "id": np.arange(FIRST_ID, FIRST_ID + len(table), dtype=np.int32),
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
            found = table["value"].cast(pa.int64()) if self.types[group] == "bigint" else table["value"]
            return dict(zip(found.to_pylist(), table["id"].to_pylist(), strict=True))

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

    One pass over the rows, as they may be dear to compute; it takes no more time than a job for each
    column that reads just that column.

    Returns
    -------
    list of pyarrow.Table
        ``value`` (string or long) and ``count``; values seen less often than ``minFrequency`` are left out.
    """
    fields = {f.name: f.dataType for f in dataset.schema.fields}
    cells = [_cells(name, fields[name], g) for g, names in enumerate(groups) for name in names]
    rows = dataset.select(F.explode(F.concat(*cells)).alias("cell")).select("cell.group", "cell.value")
    counted = rows.where("value IS NOT NULL").groupBy("group", "value").count()
    if minFrequency > 1:
        counted = counted.where(F.col("count") >= minFrequency)
    table = compat.to_arrow(counted).combine_chunks()
    group = table["group"].to_numpy()
    order = np.argsort(group, kind="stable")
    table, ends = table.select(["value", "count"]).take(order), np.searchsorted(group[order], range(len(groups) + 1))
    parts = []
    for g, names in enumerate(groups):
        part = table.slice(ends[g], ends[g + 1] - ends[g])
        kind = compat.arrow_type(value_type(element(fields[names[0]])))
        part = part.set_column(0, "value", pc.cast(part["value"], kind))
        # Sorted here and not by Spark: a sort there would count twice, once to find its ranges.
        parts.append(part.sort_by([("count", "descending"), ("value", "ascending")]))
    return parts


def has_value(dataset: DataFrame, names: list[str]) -> bool:
    """Whether some cell of the columns holds a value."""
    fields = {f.name: f.dataType for f in dataset.schema.fields}
    rows = dataset.select(F.explode(F.concat(*[_cells(name, fields[name], 0) for name in names])).alias("cell"))
    return rows.where("cell.value IS NOT NULL").limit(1).count() > 0


def _cells(name: str, kind: DataType, group: int) -> Column:
    """The cells of a column as an array of structs of its group's number and the value's text."""

    def cell(value: Column) -> Column:
        return F.struct(F.lit(group).alias("group"), value.alias("value"))

    plain = value_type(element(kind))
    if not isinstance(kind, ArrayType):
        return F.array(cell(column(name).cast(plain).cast("string")))
    texts = column(name).cast(ArrayType(plain)).cast("array<string>")
    return F.transform(F.coalesce(texts, F.array().cast("array<string>")), cell)


def _keys(counted: Sequence[pa.Table]) -> tuple[list[np.ndarray], int]:
    """Keys of all values, and the first salt for which no two of a vocabulary have the same one."""
    for salt in range(100):
        keys = [xxhash64(table["value"].combine_chunks(), seed_of(salt)) for table in counted]
        if all(len(np.unique(np.append(k, NULL_KEY))) == len(k) + 1 for k in keys):
            return keys, salt
    raise AssertionError("100 salts in a row collided; their hashes cannot be independent")

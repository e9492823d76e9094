"""What the stages share that fit a table of values by key, and join it to the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from numbers import Integral
from operator import and_
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegralType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from aiok_spark.core import compat
from aiok_spark.core.errors import ColumnTypeError, ParamError, did_you_mean
from aiok_spark.core.params import at_least, param, to_names, to_scalars
from aiok_spark.core.schema import column, find_fields, nullable, put_columns, require_keys
from aiok_spark.core.stage import RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import value_type
from aiok_spark.kernels.lookup import KeyedRows, lookup, lookup_row
from aiok_spark.kernels.program import Kernel, RowKernel, cast

_TABLE = "rows"  # in the state; its columns are k0, k1 ... (parts of the key) and v0, v1 ... (values)
_PREFIX = "__aiok_"
_KINDS: dict[str, tuple[DataType, type]] = {"string": (StringType(), str), "bigint": (LongType(), Integral)}


class Lookup(Stage):
    """Params and columns of a lookup, before and after the fit."""

    keyCols = param(
        "keyCols",
        "names of the columns that together are the key, of strings, integers, booleans or dates; no default",
        to_names,
    )
    outputCols = param(
        "outputCols",
        "names of the result columns, one for each value that is looked up; a name of an existing column replaces it; "
        "no default",
        to_names,
    )
    defaults = param(
        "defaults",
        "what a row gets whose key is absent or has a null in it, by value: a text, number or bool of the value's "
        "type, or None; default {}, which is null for all",
        to_scalars,
        {},
    )
    broadcastBytes = param(
        "broadcastBytes",
        "size of the fitted table in bytes, as Arrow holds it, up to which Spark sends it to every executor; for a "
        "larger one it shuffles the rows; whole number from 0; default 67108864",
        at_least(0),
        64 << 20,
    )

    _named_by: ClassVar[str]  # the Param that names what is looked up

    def _names(self) -> list[str]:
        """What is looked up, one name for each of ``outputCols``."""
        raise NotImplementedError(f"{type(self).__name__} must name the values that it looks up: _names")

    def _value_fields(self, inputs: list[StructField]) -> list[StructField]:
        """Types and metadata of the values, in the order of ``_names``."""
        raise NotImplementedError(f"{type(self).__name__} must tell the types of its values: _value_fields")

    def _inputs(self) -> list[str]:
        return self.getKeyCols()

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return find_fields(self._label, "keyCols", self.getKeyCols(), schema)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        keys, names, outputs = self.getKeyCols(), self._names(), self.getOutputCols()
        require_keys(self._label, inputs[: len(keys)])
        if len(names) != len(outputs) or not names:
            raise ParamError(
                f"{self._label}: outputCols: found {len(outputs)} names for {len(names)} values, expected one for each "
                "value and at least one; make the lists equally long"
            )
        fields = self._value_fields(inputs)
        self._check_defaults(dict(zip(names, fields, strict=True)))
        return [StructField(o, nullable(f.dataType), True, f.metadata) for o, f in zip(outputs, fields, strict=True)]

    def _check_defaults(self, fields: dict[str, StructField]) -> None:
        for name, value in self.getDefaults().items():
            if name not in fields:
                raise ParamError(
                    f"{self._label}: defaults: found '{name}', expected names of {self._named_by}, not of results; "
                    + did_you_mean(name, fields)
                )
            if value is not None and not _fits(value, kind := fields[name].dataType):
                raise ParamError(
                    f"{self._label}: defaults: found {value!r} for '{name}' of type {kind.simpleString()}, expected a "
                    "value of that type (number, string or boolean); leave it out for null, or cast the column"
                )

    def _check_kinds(self, keys: Sequence[StructField], kinds: Sequence[str], where: str) -> None:
        """Raise unless the rows' key is compared as the table's is."""
        if len(keys) != len(kinds):
            raise ParamError(
                f"{self._label}: keyCols: found {len(keys)} names, expected {len(kinds)} as {where}; "
                "name a column for each part of the key"
            )
        for f, kind in zip(keys, kinds, strict=True):
            found = value_type(f.dataType).simpleString()
            if found != kind and not isinstance(f.dataType, NullType):
                raise ColumnTypeError(
                    f"{self._label}: keyCols: found '{f.name}' to hold {found} values, expected {kind} as {where}; "
                    "cast the column"
                )


class LookupModel(Lookup, RowLocalModel):
    """A fitted table: facts ``kinds`` (how each part of the key is compared) and ``fields`` (values by name)."""

    def fittedTable(self) -> DataFrame:
        """The fitted table, for inspection.

        Returns
        -------
        DataFrame
            The key, under the names of ``keyCols`` (integers and booleans as long, dates as text), and all values.
        """
        spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        names = [*self.getKeyCols(), *self._state.facts["fields"]]
        found = compat.from_arrow(spark, self._table())
        return found.select(*[column(n).alias(name) for n, name in zip(found.columns, names, strict=True)])

    def _kinds(self) -> list[str]:
        return self._state.facts["kinds"]

    def _value_fields(self, inputs: list[StructField]) -> list[StructField]:
        fields = self._state.facts["fields"]
        for name in self._names():
            if name not in fields:
                raise ParamError(
                    f"{self._label}: found the value '{name}', expected one that was fitted; "
                    + did_you_mean(name, fields)
                )
        return [StructField.fromJson(fields[name]) for name in self._names()]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._check_kinds(inputs, self._kinds(), "at fit")
        return super()._output_fields(inputs)

    # The fitted rows

    def _table(self) -> pa.Table:
        """Key and values in the types that Spark gives them, wherever they were loaded from."""

        def make() -> pa.Table:
            types = {f"k{i}": _KINDS[kind][0] for i, kind in enumerate(self._kinds())}
            fields = self._state.facts["fields"].values()
            types.update({f"v{i}": StructField.fromJson(f).dataType for i, f in enumerate(fields)})
            found = self._state.tables[_TABLE]
            return pa.table({name: cast(found[name], compat.arrow_type(kind)) for name, kind in types.items()})

        return self._state.derived("table", make)

    def _columns(self) -> list[str]:
        """Names, in the fitted table, of the values that are asked for."""
        fitted = list(self._state.facts["fields"])
        return [f"v{fitted.index(name)}" for name in self._names()]

    def _arrays(self, names: Sequence[str]) -> list[pa.Array]:
        return [cast(self._table()[name], self._table().schema.field(name).type) for name in names]

    def _keys(self) -> list[pa.Array]:
        return self._arrays([f"k{i}" for i in range(len(self._kinds()))])

    def _defaults(self) -> list[Any]:
        """Of each value, as its column would hold it."""
        given = self.getDefaults()
        types = [self._table().schema.field(name).type for name in self._columns()]
        return [pa.scalar(given.get(name), kind).as_py() for name, kind in zip(self._names(), types, strict=True)]

    # Off Spark

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [_KINDS[kind][0] for kind in self._kinds()]

    def _kernel(self) -> Kernel:
        names = self._columns()
        made = self._state.derived(f"index {names}", lambda: KeyedRows.build(self._keys(), self._arrays(names)))
        return partial(lookup, table=made, defaults=self._defaults())

    def _row_kernel(self) -> RowKernel:
        def make() -> dict[tuple[Any, ...], int]:
            return {key: i for i, key in enumerate(zip(*(k.to_pylist() for k in self._keys()), strict=True))}

        kinds = [_KINDS[kind][1] for kind in self._kinds()]
        return lookup_row(self._state.derived("rows", make), self._arrays(self._columns()), kinds, self._defaults())

    # On Spark, where a join beats a crossing into Python

    def _joined(self, schema: StructType) -> Callable[[DataFrame], DataFrame]:
        return self._join

    def _join(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        keys, wanted = self._input_fields(dataset.schema), self._columns()
        table = self._table().select([*(f"k{i}" for i in range(len(keys))), *dict.fromkeys(wanted)])
        small = table.nbytes <= self.getBroadcastBytes()
        table = table.rename_columns([_PREFIX + name for name in table.column_names])
        right = compat.from_arrow(compat.session_of(dataset), table).hint("broadcast" if small else "merge")
        same = [
            column(f.name).cast(kind) == F.col(f"{_PREFIX}k{i}")
            for i, (f, kind) in enumerate(zip(keys, self._kinds(), strict=True))
        ]
        absent = F.col(f"{_PREFIX}k0").isNull()  # no fitted key has a null

        def value(name: str, default: Any, kind: DataType) -> Column:
            found = F.col(_PREFIX + name).cast(kind)
            return found if default is None else F.when(absent, F.lit(default).cast(kind)).otherwise(found)

        fields = self._output_fields(keys)
        rows = zip(fields, wanted, self._defaults(), strict=True)
        made = [(f, value(name, default, f.dataType)) for f, name, default in rows]
        return put_columns(dataset.join(right, reduce(and_, same), "left"), made, names)


def key_columns(fields: Sequence[StructField]) -> list[Column]:
    """Parts of a key as they are compared, named as the fitted table has them."""
    return [column(f.name).cast(value_type(f.dataType)).alias(f"k{i}") for i, f in enumerate(fields)]


def with_key(rows: DataFrame) -> DataFrame:
    """Those of the rows of ``key_columns`` that have no null in their key; the others match nothing."""
    return rows.dropna(subset=[name for name in rows.columns if name.startswith("k")])


def fitted_state(rows: pa.Table, keys: Sequence[StructField], values: dict[str, StructField]) -> State:
    """State of a fit, from the columns ``k0`` ... and ``v0`` ... of unique keys."""
    facts = {
        "kinds": [value_type(f.dataType).simpleString() for f in keys],
        "fields": {name: f.jsonValue() for name, f in values.items()},
    }
    return State(facts, {_TABLE: rows})


def _fits(value: object, kind: DataType) -> bool:
    """Whether a column of this type can hold the value as it is."""
    if isinstance(kind, BooleanType) or isinstance(value, bool):
        return isinstance(kind, BooleanType) and isinstance(value, bool)
    if isinstance(kind, IntegralType) and isinstance(value, int):
        limits = np.iinfo(compat.arrow_type(kind).to_pandas_dtype())
        return limits.min <= value <= limits.max
    if isinstance(kind, StringType):
        return isinstance(value, str)
    return isinstance(kind, (DoubleType, FloatType)) and isinstance(value, (int, float))

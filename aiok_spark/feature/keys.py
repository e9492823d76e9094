"""Keys, each a column or several crossed: what the stages share that know something of each key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, LongType, NullType, StructField, StructType

from aiok_spark.core import compat
from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.core.params import HasOutputCols, param, to_name_groups, to_names
from aiok_spark.core.schema import column, find_fields, is_categorical, put_columns, require
from aiok_spark.core.stage import RowLocalModel, Stage
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.encoding import key, plain_type
from aiok_spark.feature.key_tables import KeyTables
from aiok_spark.kernels.keyed import Lookup, Numbers, lookup_keys, lookup_row, lookup_values
from aiok_spark.kernels.program import Kernel, RowKernel

_PREFIX = "__aiok_key"
_MOST_JOINS, _MOST_JOINED = 4, 1_000_000  # tables, and keys in them, up to which a join is chosen on Spark


class HasCrosses(Stage, HasOutputCols):
    """Mixin: groups of columns, each of which counts as one."""

    crosses = param(
        "crosses",
        "groups of columns, such as [['country', 'device']], each of which is one key; default none",
        to_name_groups,
        [],
    )

    def _keys(self) -> list[list[str]]:
        """The columns of each key."""
        return [list(group) for group in self.getCrosses()]

    def _inputs(self) -> list[str]:
        return list(dict.fromkeys(name for key in self._keys() for name in key))

    def _positions(self) -> list[list[int]]:
        """The columns of each key, as positions in ``_inputs``."""
        inputs = self._inputs()
        return [[inputs.index(name) for name in key] for key in self._keys()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        find_fields(self._label, "crosses", [name for group in self.getCrosses() for name in group], schema)
        return super()._input_fields(schema)

    def _check_keys(self, inputs: list[StructField]) -> None:
        for group in self.getCrosses():
            if not group or len(set(group)) < len(group):
                raise ParamError(
                    f"{self._label}: crosses: found the group {group}, expected different names, at least one; "
                    "correct the group"
                )
        require(
            self._label,
            "the key",
            inputs,
            is_categorical,
            "string, integer, boolean or date",
            "cast it first (numbers with a fraction make no key), or explode a list",
        )


class HasKeys(HasCrosses):
    """Mixin: the columns of ``inputCols`` and the groups of ``crosses``, each as a key."""

    inputCols = param("inputCols", "columns, each of which is a key; default none", to_names, [])
    crosses = param(
        "crosses",
        "groups of columns, such as [['country', 'device']], each of which is one key; they follow the keys of "
        "inputCols; default none",
        to_name_groups,
        [],
    )

    def _keys(self) -> list[list[str]]:
        return [[name] for name in self.getInputCols()] + super()._keys()

    def _targets(self) -> int:
        """Number of outputs for each key."""
        return 1

    def _output_type(self) -> DataType:
        return DoubleType()

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._check_keys(inputs)
        keys, outputs, each = self._keys(), self.getOutputCols(), self._targets()
        if not keys or len(outputs) != len(keys) * each:
            per_label = f" and each of {each} labelCols" if each > 1 else ""
            raise ParamError(
                f"{self._label}: outputCols: found {len(outputs)} names for {len(keys)} keys (inputCols and crosses), "
                f"expected one output for each key{per_label} and at least one key; make the lists fit"
            )
        return [StructField(name, self._output_type(), True) for name in outputs]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [plain_type(f.dataType) for f in inputs]


class KeyedModel(HasKeys, RowLocalModel):
    """Base of models that look up fitted numbers by key."""

    _with_fold: ClassVar[bool] = False  # whether the last input is the row's fold, on which the numbers depend

    def _numbers(self, group: int) -> tuple[Numbers, ...]:
        """For each output of a key: the numbers in the order of ``KeyTables.table``, that of unknown keys last."""
        raise NotImplementedError(f"{type(self).__name__} must give what is known of a key: _numbers")

    def _tables(self) -> KeyTables:
        return KeyTables(self._state)

    def statistics(self) -> DataFrame:
        """What the fit found out, for inspection.

        Returns
        -------
        DataFrame
            ``columns`` and ``values`` (arrays of string: the columns of a key, and its values as text), and the
            fitted numbers.
        """
        found, parts = self._tables(), []
        for group, names in enumerate(self._state.facts["keys"]):
            table = found.table(group)
            columns = pa.array([names], pa.list_(pa.string())).take(pa.array(np.zeros(len(table), np.int32)))
            numbers = {name: table[name] for name in table.column_names if name not in ("group", "key", "values")}
            parts.append(pa.table({"columns": columns, "values": table["values"], **numbers}))
        session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        return compat.from_arrow(session, pa.concat_tables(parts))

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        for f in inputs:
            fitted, found = self._tables().kinds.get(f.name), plain_type(f.dataType).simpleString()
            if fitted and found != fitted and not isinstance(f.dataType, (NullType, ArrayType)):
                raise ColumnTypeError(
                    f"{self._label}: inputCols: found '{f.name}' to hold {found} values, expected {fitted} as at fit; "
                    "cast the column"
                )
        return super()._output_fields(inputs)

    def _lookups(self) -> list[Lookup]:
        found = self._tables()
        return [Lookup(found.index(group), self._numbers(group)) for group in range(len(found.sizes))]

    def _kernel(self) -> Kernel:
        return partial(
            lookup_values,
            lookups=self._lookups(),
            groups=self._positions(),
            seed=self._tables().seed,
            by_fold=self._with_fold,
        )

    def _prepared(self, inputs: list[StructField]) -> list[Prepared]:
        groups, salt = self._positions(), self._tables().salt
        return [
            Prepared(
                columns=partial(key_columns, groups=groups, salt=salt),
                types=tuple(LongType() for _ in groups),
                kernel=partial(lookup_keys, lookups=self._lookups(), by_fold=self._with_fold),
            )
        ]

    def _joined(self, schema: StructType) -> Callable[[DataFrame], DataFrame] | None:
        sizes = self._tables().sizes
        # Each join costs a task and a broadcast, whatever the rows are.
        return self._join if len(sizes) <= _MOST_JOINS and sum(sizes) <= _MOST_JOINED else None

    def _join(self, dataset: DataFrame) -> DataFrame:
        """By the same 64-bit keys as the kernel, which Spark joins faster than texts."""
        names = self.transformSchema(dataset.schema).names
        inputs, spark = self._input_fields(dataset.schema), compat.session_of(dataset)
        columns = [column(f.name).cast(t) for f, t in zip(inputs, self._kernel_types(inputs), strict=True)]
        keys = key_columns(columns, self._positions(), self._tables().salt)
        joined, values = dataset, []
        for group, wanted in enumerate(keys):
            fitted, name = self._tables().keys(group), f"{_PREFIX}{group}"
            numbers = self._numbers(group)
            arrays = {f"{name}_{i}": _arrow(n[:-1]) for i, n in enumerate(numbers)}
            right = compat.from_arrow(spark, pa.table({name: fitted, **arrays}))
            joined = joined.join(right.hint("broadcast"), wanted == F.col(name), "left")
            for i, n in enumerate(numbers):
                value = F.coalesce(F.col(f"{name}_{i}"), _literal(n[-1]))
                values.append(F.element_at(value, (columns[-1] + 1).cast("int")) if self._with_fold else value)
        return put_columns(joined, list(zip(self._checked_outputs(dataset.schema), values, strict=True)), names)

    def _row_kernel(self) -> RowKernel:
        found, numbers = self._tables(), list(map(self._numbers, range(len(self._keys()))))
        by_key = [
            dict(zip(found.keys(g).tolist(), zip(*[n.tolist() for n in each], strict=True), strict=False))
            for g, each in enumerate(numbers)
        ]
        return lookup_row(
            found=by_key,
            unknown=[tuple(n[-1].item() for n in each) for each in numbers],
            groups=self._positions(),
            columns=[(name, Integral if found.kinds[name] == "bigint" else str) for name in self._inputs()],
            seed=found.seed,
        )


def _arrow(numbers: Numbers) -> pa.Array:
    """A number of each key, or of each key and fold."""
    return pa.array(numbers if numbers.ndim == 1 else list(numbers))


def _literal(number: Any) -> Column:
    return F.lit(number.item()) if number.ndim == 0 else F.array(*[F.lit(n) for n in number.tolist()])


def key_columns(columns: list[Column], groups: Sequence[Sequence[int]], salt: int) -> list[Column]:
    """64-bit keys of groups of columns, never null; ``value_keys`` and ``cross_keys`` off Spark."""
    keys = [key(value, salt) for value in columns]
    return [
        keys[group[0]] if len(group) == 1 else F.xxhash64(F.lit(salt).cast("long"), *[keys[i] for i in group])
        for group in groups
    ]

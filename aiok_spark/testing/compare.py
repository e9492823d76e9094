"""Assertions on rows, for tests of stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.ml import Estimator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, DoubleType, FloatType, LongType, StructField, StructType

from aiok_spark.core import compat
from aiok_spark.core.execution import WAYS, forced
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.equality import collect_all, difference

_ROW = "__row__"

Reference = Callable[[Mapping[str, Sequence[Any]]], Mapping[str, Sequence[Any]]]


def assert_same_rows(found: DataFrame, expected: DataFrame, key: Sequence[str] = (), ulps: int = 0) -> None:
    """Raise AssertionError unless two DataFrames hold the same rows, in any order, columns by name."""
    what = difference(found.collect(), expected.collect(), key, ulps)
    assert what is None, what


def assert_all_executions_agree(
    stage: Any,
    data: Mapping[str, Sequence[Any]],
    schema: StructType | str | None = None,
    spark: SparkSession | None = None,
    reference: Reference | None = None,
    ulps: int = 2,
) -> None:
    """Run a row-local stage in every way on the same few rows; raise AssertionError if any differs.

    The ways are those of ``core.execution.WAYS`` (one Spark job for all) and LocalPipeline on an Arrow
    table and on the dict of each row.

    Parameters
    ----------
    stage : Transformer, Estimator or Model
        Row-local; an estimator is fitted on the rows.
    data : dict of str to list
        Columns of plain Python values; None is null.
    schema : StructType or str, optional
        Types of the columns, such as "x DOUBLE, tags ARRAY<STRING>". Left out, Arrow infers them.
    spark : SparkSession, optional
        The active one if left out.
    reference : callable, optional
        The meaning in plain Python: takes ``data`` and gives a dict of the output columns, each a list or
        pandas Series.
    ulps : int
        How many representable numbers two floats may lie apart; all else must be equal.
    """
    spark = spark or SparkSession.active()
    fields = _fields(data, schema, spark)
    columns = [list(values) for values in data.values()]
    size = len(columns[0])
    numbered = StructType([*fields.fields, StructField(_ROW, LongType(), False)])
    df = spark.createDataFrame(list(zip(*columns, range(size), strict=True)), numbered)
    fitted = stage.fit(df) if isinstance(stage, Estimator) else stage
    outputs = [name for step in fitted._steps(fields) for name in step.writes]

    made = []
    for way in WAYS:
        with forced(way):
            made.append(fitted.transform(df.select("*")))
    results = dict(zip(WAYS, collect_all(made, [*outputs, _ROW]), strict=True))

    local = LocalPipeline([fitted])
    table = pa.table([*columns, range(size)], schema=compat.arrow_schema(numbered))
    results["LocalPipeline on Arrow"] = local.transform(table).select([*outputs, _ROW]).to_pylist()
    rows = [dict(zip(numbered.names, row, strict=True)) for row in zip(*columns, range(size), strict=True)]
    scored = map(local.transform, rows)
    results["LocalPipeline on a row"] = [{n: row[n] for n in [*outputs, _ROW]} for row in scored]

    wanted, source = results[WAYS[0]], WAYS[0]
    if reference is not None:
        wanted, source = _told(reference(data), fitted.transformSchema(fields), outputs), "the reference"
    for way, found in results.items():
        different = difference(found, wanted, [_ROW], ulps)
        assert different is None, f"{fitted.uid}: {way} gives {different} as by {source}"


def _fields(data: Mapping[str, Sequence[Any]], schema: StructType | str | None, spark: SparkSession) -> StructType:
    if schema is None:
        return compat.spark_schema(pa.table({name: list(values) for name, values in data.items()}).schema)
    return schema if isinstance(schema, StructType) else spark.createDataFrame([], schema).schema


def _told(found: Mapping[str, Sequence[Any]], schema: StructType, outputs: list[str]) -> list[dict[str, Any]]:
    """Rows as the reference has them, in the types that Spark gives."""
    typed = [[_typed(value, schema[name].dataType) for value in found[name]] for name in outputs]
    return [{**dict(zip(outputs, row, strict=True)), _ROW: i} for i, row in enumerate(zip(*typed, strict=True))]


def _typed(value: Any, kind: DataType) -> Any:
    if value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return float(value) if isinstance(kind, (DoubleType, FloatType)) and isinstance(value, int) else value

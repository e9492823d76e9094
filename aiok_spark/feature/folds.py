"""Folds: which rows are left out together, the same whatever the order and the partitions of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegralType,
    StringType,
    StructType,
)

from aiok_spark.core.schema import column

_EXACT = (BinaryType, BooleanType, DateType, DecimalType, IntegralType, StringType)


def by_column(name: str, kind: DataType, folds: int, seed: int) -> Column:
    """Fold in [0, folds) by one column: integers modulo ``folds``, other values by their hash."""
    value = column(name)
    if isinstance(kind, IntegralType):
        value = F.coalesce(value.cast("long"), F.lit(0).cast("long"))
        return F.pmod(value, F.lit(folds).cast("long")).cast("int")
    return _fold(_hash(seed, [value.cast("string")]), folds)


def with_fold(
    dataset: DataFrame, name: str, labels: Sequence[str], folds: int, seed: int, number_equals: bool
) -> DataFrame:
    """Add a column with the row's fold in [0, folds), by the hash of the row's content.

    The content is every column but the labels that has a type without fractions: a double that is computed anew may
    differ in its last bit.  Rows of equal content share a fold, unless they are numbered, by label first.

    Parameters
    ----------
    dataset : DataFrame
        The rows.
    name : str
        Name of the new column.
    labels : sequence of str
        Columns that must not decide on the fold.
    folds, seed : int
        How many, and which.
    number_equals : bool
        Whether rows of equal content get folds of their own, at the cost of a shuffle.
    """
    names = dataset.columns
    fields = sorted((f for f in dataset.schema.fields if names.count(f.name) == 1), key=lambda f: f.name)
    content = _hash(seed, [column(f.name) for f in fields if f.name not in labels and _is_exact(f.dataType)])
    if number_equals:
        fractions = [f.name for f in fields if f.name in labels or isinstance(f.dataType, (FloatType, DoubleType))]
        order = sorted(fractions, key=lambda n: n not in labels)
        window = Window.partitionBy(content).orderBy(*[column(n) for n in order])
        content = F.xxhash64(content, F.row_number().over(window))
    return dataset.select("*", _fold(content, folds).alias(name))


def _hash(seed: int, values: Sequence[Column]) -> Column:
    # Value by value, as the hash of several leaves nulls out: (null, 'a') is not ('a', null).
    return F.xxhash64(F.lit(seed).cast("long"), *[F.xxhash64(F.lit(seed).cast("long"), v) for v in values])


def _fold(content: Column, folds: int) -> Column:
    return F.pmod(content, F.lit(folds).cast("long")).cast("int")


def _is_exact(kind: DataType) -> bool:
    if isinstance(kind, ArrayType):
        return _is_exact(kind.elementType)
    if isinstance(kind, StructType):
        return all(_is_exact(f.dataType) for f in kind.fields)
    return isinstance(kind, _EXACT) or kind.typeName() in ("timestamp", "timestamp_ntz")

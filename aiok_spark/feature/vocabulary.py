"""Values, their 64-bit keys, and vocabularies counted by Spark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, DataType, DateType, IntegralType, LongType, StringType

from aiok_spark.core import compat
from aiok_spark.core.schema import column, element
from aiok_spark.kernels.hashing import seed_of, xxhash64
from aiok_spark.kernels.ids import NULL_KEY


def value_type(kind: DataType) -> DataType:
    """The type in which a category is compared and hashed: long for integers and booleans, else string."""
    return LongType() if isinstance(kind, (IntegralType, BooleanType)) else StringType()


def key(value: Column, salt: int) -> Column:
    """64-bit key of a value that is not null; ``kernels.hashing.xxhash64`` off Spark."""
    return F.xxhash64(F.lit(salt).cast("long"), value)


def each(value: Column, kind: DataType, function: Callable[[Column], Column]) -> Column:
    """``function`` of the column, or of each element of an array column; a null array stays null."""
    return F.transform(value, function) if isinstance(kind, ArrayType) else function(value)


def prepared_keys(value: Column, kind: DataType, salt: int) -> Column:
    """Keys with ``NULL_KEY`` for null; a null array stays null."""
    return each(
        value, kind, lambda v: F.when(v.isNull(), F.lit(NULL_KEY).cast("long")).otherwise(key(v, salt))
    )


def count_values(dataset: DataFrame, names: list[str], minFrequency: int) -> pa.Table:
    """Distinct values of some columns taken together, most frequent first, of equals the smallest.

    Returns
    -------
    pyarrow.Table
        ``value`` (string or long) and ``count``; values seen less often than ``minFrequency`` are left out.
    """
    counted = values(dataset, names).where("value IS NOT NULL").groupBy("value").count()
    if minFrequency > 1:
        counted = counted.where(F.col("count") >= minFrequency)
    # Sorted here and not by Spark: a sort there would count twice, once to find its ranges.
    return compat.to_arrow(counted).sort_by([("count", "descending"), ("value", "ascending")])


def values(dataset: DataFrame, names: list[str]) -> DataFrame:
    """One column ``value``: everything in the named columns and in their arrays."""
    fields = {f.name: f for f in dataset.schema.fields}
    kinds = [fields[n].dataType for n in names]
    kind = value_type(element(kinds[0]))
    if len(names) == 1 and not isinstance(kinds[0], ArrayType):
        return dataset.select(column(names[0]).cast(kind).alias("value"))
    lists = [
        F.coalesce(column(n).cast(ArrayType(kind)), F.array().cast(ArrayType(kind)))
        if isinstance(k, ArrayType)
        else F.array(column(n).cast(kind))
        for n, k in zip(names, kinds, strict=True)
    ]
    return dataset.select(F.explode(F.concat(*lists)).alias("value"))


def keyed(vocabularies: list[pa.Table]) -> tuple[list[np.ndarray], int]:
    """Keys of all values, and the first salt for which no two of a vocabulary have the same one."""
    for salt in range(100):
        keys = [xxhash64(table["value"].combine_chunks(), seed_of(salt)) for table in vocabularies]
        if all(len(np.unique(np.append(k, NULL_KEY))) == len(k) + 1 for k in keys):
            return keys, salt
    raise AssertionError("100 salts in a row collided; their hashes cannot be independent")


def as_text(values_: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as saved and shown: text, whatever their type."""
    return pc.cast(values_, pa.string())

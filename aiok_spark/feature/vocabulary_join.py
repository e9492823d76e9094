"""Ids by a join, for vocabularies that are too large to send to every Python worker."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField

from aiok_spark.core import compat
from aiok_spark.core.schema import column
from aiok_spark.feature.encoding import null_expression, prepared_keys
from aiok_spark.feature.vocabulary import Vocabularies
from aiok_spark.kernels.ids import Policy


def with_keys(dataset: DataFrame, inputs: dict[str, DataType], salt: int) -> DataFrame:
    """Add a key column (``key_name``) for each input, which may be replaced afterwards."""
    return dataset.withColumns(
        {key_name(name): prepared_keys(column(name).cast(kind), kind, salt) for name, kind in inputs.items()}
    )


def key_name(name: str) -> str:
    """Name of the key column of an input."""
    return f"__aiok_key_{name}"


def join_ids(
    dataset: DataFrame, name: str, output: StructField, vocabularies: Vocabularies, policy: Policy
) -> DataFrame:
    """Replace the key column of input ``name`` by its ids."""
    table = vocabularies.table(vocabularies.group_of(name)).select(["key", "id"])
    ids = compat.from_arrow(compat.session_of(dataset), table.rename_columns(["__aiok_at", "__aiok_id"]))
    # Spark cannot know how large what comes from Python is, takes it for small, and would broadcast it.
    ids = ids.hint("merge")
    key, found = column(key_name(name)), F.col("__aiok_id")
    is_null = key == int(vocabularies.null_key)
    value = F.when(is_null, null_expression(policy)).when(found.isNull(), _unknown(policy)).otherwise(found)
    joined = dataset.join(ids, key == F.col("__aiok_at"), "left").withColumn(output.name, value)
    return joined.drop(key_name(name), "__aiok_at", "__aiok_id")


def _unknown(policy: Policy) -> Column:
    if policy.refuse_unknown:
        message = policy.error("a value that the fit did not see", "oovPolicy", "a value without an id")
        return F.raise_error(F.lit(str(message))).cast("int")
    return F.lit(policy.unknown).cast("int")

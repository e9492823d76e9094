"""What is known of rows and cluster before anything is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from aiok_spark.core import compat
from aiok_spark.core.schema import column, find_fields
from aiok_spark.training.inputs import cardinality

NAMES = {
    "rows": "rows to learn from",
    "columns": "columns that the model reads",
    "idColumns": "columns of ids",
    "largestTable": "ids of the column that has most",
    "ids": "ids of all columns",
    "slots": "tasks that the cluster runs at a time",
    "rowsPerWorker": "rows to learn from for each worker of a fit",
}


def facts_of(df: DataFrame, columns: Sequence[str], cluster: Mapping[str, Any] | None) -> dict[str, float]:
    """Facts by name, in one job.

    Parameters
    ----------
    df : DataFrame
        The rows.
    columns : list of str
        What the model reads.
    cluster : mapping, optional
        ``slots`` of another cluster than the session's.
    """
    fields = find_fields("advise", "inputs", list(columns), df.schema)
    ids = [field for field in fields if isinstance(field.dataType, IntegralType)]
    unknown = [field for field in ids if cardinality(field) is None]
    counts = [F.approx_count_distinct(column(field.name)).alias(f"n{i}") for i, field in enumerate(unknown)]
    found = df.agg(F.count(F.lit(1)).alias("rows"), *counts).collect()[0]
    sizes = [int(found[f"n{i}"]) for i in range(len(unknown))]
    sizes += [int(size) for size in map(cardinality, ids) if size is not None]
    slots = dict(cluster or {}).get("slots") or compat.slots(compat.session_of(df))
    return {
        "rows": int(found["rows"]),
        "columns": len(fields),
        "idColumns": len(ids),
        "largestTable": max(sizes, default=0),
        "ids": sum(sizes),
        "slots": int(slots),
    }

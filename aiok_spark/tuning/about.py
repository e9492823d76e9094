"""What makes a journal that of one search: what is tuned, how it is measured, on which rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.ml.param import Params
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, AtomicType, DataType, FractionalType, NumericType

from aiok_spark.core.schema import column
from aiok_spark.tuning.binding import named_stages

_HOW = {"verbose", "checkpointDir", "seed"}  # do not change what is searched; the seed of a network may be the search's


def settings_of(stage: Params, searched: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Params that were set on a stage and all within it, but for those that are searched, by name.

    Values that are no JSON are named by their type, and uids by the stages' names, as both differ between processes.
    """
    stages = named_stages(stage)
    found: dict[str, dict[str, Any]] = {}
    for name, one in stages.items():
        kept = {p.name: one.getOrDefault(p) for p in one.params if one.isSet(p) and p.name not in _HOW}
        kept = {key: value for key, value in kept.items() if f"{name}.{key}" not in searched}
        text = json.dumps(kept, default=_named, sort_keys=True)
        for other, part in stages.items():
            text = text.replace(part.uid, other)
        found[name] = json.loads(text)
    return found


def _named(value: Any) -> str:
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def rows_of(df: DataFrame) -> dict[str, Any]:
    """How many rows there are, and what their columns come to, in one job.

    The same for any order and partitioning.  Numbers may differ in their last digits, as means of a fit before do.
    """
    asked = {
        field.name: made for field in df.schema.fields if (made := _digest(field.name, field.dataType)) is not None
    }
    made = [digest.alias(f"c{i}") for i, digest in enumerate(asked.values())]
    count, *found = df.agg(F.count(F.lit(1)), *made).collect()[0]
    return {"count": count, "sums": {name: _rounded(value) for name, value in zip(asked, found, strict=True)}}


def _digest(name: str, kind: DataType) -> Any:
    if isinstance(kind, NumericType):
        return F.sum(F.abs(column(name).cast("double")))
    inner = kind.elementType if isinstance(kind, ArrayType) else kind
    if isinstance(inner, AtomicType) and not isinstance(inner, FractionalType):
        return F.sum(F.xxhash64(column(name)).cast("decimal(38,0)"))
    return None  # what may hold fractions, or cannot be hashed


def _rounded(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else None if value is None else str(value)

"""Which columns a network reads, as what, and how large its tables are."""

from __future__ import annotations

from typing import Any

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    FractionalType,
    IntegralType,
    LongType,
    StructField,
)

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.schema import as_array, column, is_numeric, require
from aiok_spark.training.features import FeatureSpec


def require_dense(label: str, fields: list[StructField], param: str = "denseCols") -> None:
    """Raise ColumnTypeError unless every field is a number, or a vector or array of numbers."""
    require(
        label,
        param,
        fields,
        lambda t: (
            isinstance(t, (VectorUDT, BooleanType)) or is_numeric(t.elementType if isinstance(t, ArrayType) else t)
        ),
        "a numeric type, or a vector or array of numbers",
        "make ids of it (Categorify) and name them in categoricalCols, or cast it",
    )


def require_ids(label: str, fields: list[StructField]) -> None:
    """Raise ColumnTypeError unless every field is whole numbers, or StringIndexer's doubles."""
    indexed = {f.name for f in fields if isinstance(f.dataType, FractionalType) and cardinality(f)}
    require(
        label,
        "categoricalCols",
        [f for f in fields if f.name not in indexed],
        lambda t: isinstance(t, IntegralType),
        "ids as whole numbers",
        "make them by Categorify, HashBuckets or StringIndexer, or name the column in denseCols if it is a measure",
    )


def input_type(field: StructField, dense: bool, double: bool) -> DataType:
    """What an input column is cast to."""
    if not dense:
        return field.dataType if isinstance(field.dataType, IntegralType) else LongType()
    number = DoubleType() if double else FloatType()
    return ArrayType(number) if isinstance(field.dataType, (VectorUDT, ArrayType)) else number


def cardinality(field: StructField) -> int | None:
    """Number of ids of a column, from the metadata that stages leave."""
    metadata = field.metadata or {}
    known = metadata.get("aiok", {}).get("cardinality")
    nominal = metadata.get("ml_attr", {})
    if known is None and nominal.get("type") in ("nominal", "binary"):
        known = nominal.get("num_vals") or len(nominal.get("vals", ())) or None
    return known


def feature_spec(
    label: str, dataset: DataFrame, dense: list[StructField], ids: list[StructField], sizes: dict[str, int]
) -> FeatureSpec:
    """Widths and table sizes of the columns; looks at one row if a vector's metadata has no width."""
    widths = {f.name: _known_width(f) for f in dense}
    if unknown := [name for name, width in widths.items() if width is None]:
        lengths = [F.size(as_array(f)).alias(f"w{i}") for i, f in enumerate(dense) if f.name in unknown]
        present = [column(name).isNotNull() for name in unknown]
        first = dataset.where(_all(present)).select(*lengths).first()
        if first is None:
            raise DataError(
                f"{label}: denseCols: found no row with values in {unknown}, expected at least one, as their length is "
                "not in the metadata; check the DataFrame"
            )
        widths.update(zip(unknown, first, strict=True))
    found = {f.name: sizes.get(f.name) or cardinality(f) for f in ids}
    if without := [name for name, size in found.items() if size is None]:
        raise ParamError(
            f"{label}: categoricalCols: found no number of ids in the metadata of {without}, expected one for each "
            "column; make the ids by Categorify or HashBuckets, or set tableSizes={column: size}"
        )
    return FeatureSpec(
        tuple(widths),
        tuple(int(w or 0) for w in widths.values()),
        tuple(found),
        tuple(int(s or 0) for s in found.values()),
    )


def _known_width(field: StructField) -> int | None:
    if not isinstance(field.dataType, (VectorUDT, ArrayType)):
        return 1
    metadata = field.metadata or {}
    size: Any = metadata.get("ml_attr", {}).get("num_attrs") or metadata.get("numFeatures")
    return int(size) if size else None


def _all(conditions: list[Any]) -> Any:
    made = conditions[0]
    for condition in conditions[1:]:
        made = made & condition
    return made

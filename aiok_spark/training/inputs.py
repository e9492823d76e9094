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
        "make ids of it (Categorify) and name them instead, or cast it",
    )


def require_ids(label: str, fields: list[StructField], lists: bool = False) -> None:
    """Raise ColumnTypeError unless every field is whole numbers, or StringIndexer's doubles; or lists of ids."""
    indexed = {f.name for f in fields if isinstance(f.dataType, FractionalType) and cardinality(f)}
    require(
        label,
        "categoricalCols",
        [f for f in fields if f.name not in indexed],
        lambda t: isinstance(t.elementType if lists and isinstance(t, ArrayType) else t, IntegralType),
        "ids as whole numbers" + (", or arrays of them" if lists else ""),
        "make them by Categorify, HashBuckets or StringIndexer, or name the column in denseCols if it is a measure",
    )


def require_once(label: str, param: str, columns: list[str]) -> None:
    """Raise ParamError if a column is named twice."""
    if again := [column for column in columns if columns.count(column) > 1]:
        raise ParamError(
            f"{label}: {param}: found '{again[0]}' {len(again)} times, expected each column once; leave the others out"
        )


def input_type(field: StructField, dense: bool, double: bool) -> DataType:
    """What an input column is cast to."""
    if not dense:
        if isinstance(field.dataType, ArrayType):
            return ArrayType(LongType())
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
    """Widths and table sizes of the columns; looks at one row for a length that the metadata does not have.

    A size of 0 stands for any whole numbers.
    """
    widths = lengths_of(label, dataset, dense + ids)
    found = {f.name: sizes.get(f.name, cardinality(f)) for f in ids}
    if without := [name for name, size in found.items() if size is None]:
        raise ParamError(
            f"{label}: categoricalCols: found no number of ids in the metadata of {without}, expected one for each "
            "column; make the ids by Categorify or HashBuckets, or set tableSizes={column: size}"
        )
    return FeatureSpec(
        tuple(f.name for f in dense),
        tuple(widths[: len(dense)]),
        tuple(found),
        tuple(int(s or 0) for s in found.values()),
        tuple(widths[len(dense) :]),
    )


def lengths_of(label: str, dataset: DataFrame, fields: list[StructField]) -> list[int]:
    """Values that a row has in each column: 1 for a number, its length for a vector or array."""
    widths = [_known_width(f) for f in fields]
    unknown = [f for f, width in zip(fields, widths, strict=True) if width is None]
    if not unknown:
        return [width or 0 for width in widths]
    lengths = [F.size(as_array(f)).alias(f"w{i}") for i, f in enumerate(unknown)]
    first = dataset.where(_all([column(f.name).isNotNull() for f in unknown])).select(*lengths).first()
    if first is None:
        raise DataError(
            f"{label}: fit: found no row with values in {[f.name for f in unknown]}, expected at least one, as their "
            "length is not in the metadata; check the DataFrame"
        )
    looked = iter(first)
    return [next(looked) if width is None else width for width in widths]


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

"""Schemas: fields by name, what a stage may ask of its columns, and column metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegralType,
    NullType,
    NumericType,
    StringType,
    StructField,
    StructType,
)

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError, did_you_mean


def column(name: str) -> Column:
    """The top-level column of exactly this name, dots and backticks included."""
    return F.col("`" + name.replace("`", "``") + "`")


def find_fields(label: str, param: str, names: Sequence[str], schema: StructType) -> list[StructField]:
    """Fields of the named columns; raises ColumnError for one that is absent or there twice."""
    there = schema.names
    for name in names:
        if there.count(name) == 0:
            raise ColumnError(
                f"{label}: {param} names '{name}', found no such column, expected one of the input's columns; "
                + did_you_mean(name, there)
            )
        if there.count(name) > 1:
            raise ColumnError(
                f"{label}: {param} names '{name}', found {there.count(name)} columns of that name, expected one; "
                "rename or drop the others"
            )
    by_name = {f.name: f for f in schema.fields}
    return [by_name[name] for name in names]


def with_fields(schema: StructType, outputs: Sequence[StructField]) -> StructType:
    """A copy of ``schema`` where each output replaces the column of its name or follows at the end."""
    fields = {f.name: f for f in schema.fields}
    if len(fields) == len(schema.fields):
        fields.update({f.name: f for f in outputs})
        return StructType(list(fields.values()))
    # Columns of equal names that the stage does not use pass through as they are.
    replaced = {f.name: f for f in outputs}
    kept = [replaced.pop(f.name, f) for f in schema.fields]
    return StructType(kept + list(replaced.values()))


def put_columns(
    df: DataFrame, made: Sequence[tuple[StructField, Column]], names: Sequence[str] | None = None
) -> DataFrame:
    """The DataFrame with columns replaced or added, the fields' metadata on them.

    Parameters
    ----------
    df : DataFrame
        Where the other columns come from.
    made : sequence of (StructField, Column)
        What to put in, by the field's name.
    names : sequence of str, optional
        All columns of the result, in order; by default those of ``df``, then the new ones.
    """
    columns = {f.name: value.alias(f.name, metadata=f.metadata) for f, value in made}
    there = df.columns
    names = names if names is not None else [*there, *(name for name in columns if name not in there)]
    if len(set(names)) == len(names):
        return df.select(*[columns[name] if name in columns else column(name) for name in names])
    # Other columns of equal names cannot be selected one by one.
    result = df.withColumns(columns)
    if extra := set(there) - set(names):
        result = result.drop(*extra)
    for f, _ in made:
        if f.metadata:
            result = result.withMetadata(f.name, f.metadata)  # Connect's withColumns drops it
    return result


def is_numeric(kind: DataType) -> bool:
    """Integers, floats and decimals, or a column that holds nothing but null."""
    return isinstance(kind, (NumericType, NullType))


def is_categorical(kind: DataType) -> bool:
    """Types whose values have an exact 64-bit key: plain strings, integers, booleans, dates.

    A string with another collation than UTF8_BINARY has several spellings of one value and is not
    among them.
    """
    exact = isinstance(kind, (IntegralType, BooleanType, DateType, NullType))
    return exact or (isinstance(kind, StringType) and "collate" not in kind.simpleString())


def is_plain(kind: DataType) -> bool:
    """Types whose values Arrow brings to Python and back as they were."""
    if isinstance(kind, ArrayType):
        return is_plain(kind.elementType)
    return isinstance(kind, (NumericType, BooleanType, StringType, BinaryType, DateType, NullType)) or (
        kind.typeName() in ("timestamp", "timestamp_ntz")
    )


def require(
    label: str,
    param: str,
    fields: Sequence[StructField],
    test: Callable[[DataType], bool],
    expected: str,
    remedy: str,
) -> None:
    """Raise ColumnTypeError unless every field's type passes ``test``."""
    for f in fields:
        if not test(f.dataType):
            raise ColumnTypeError(
                f"{label}: {param} names '{f.name}', found type {f.dataType.simpleString()}, "
                f"expected {expected}; {remedy}"
            )


def require_numeric(label: str, fields: Sequence[StructField], param: str = "inputCols") -> None:
    """Raise ColumnTypeError unless every field is a number."""
    require(
        label,
        param,
        fields,
        is_numeric,
        "a numeric type",
        "cast it first, for example with CAST(... AS DOUBLE)",
    )


def require_categorical(label: str, fields: Sequence[StructField], param: str = "inputCols") -> None:
    """Raise ColumnTypeError unless every field is a category or a list of categories."""
    require(
        label,
        param,
        fields,
        lambda t: is_categorical(element(t)),
        "string, integer, boolean or date, or an array of them",
        "cast it to string, or bucketise it first if it is a measure",
    )


def require_keys(label: str, fields: Sequence[StructField], param: str = "keyCols") -> None:
    """Raise unless there is a key, and every field can be part of one: a category, and no list."""
    if not fields:
        raise ParamError(f"{label}: {param}: found no names, expected at least one; name the columns of the key")
    expected, remedy = "string, integer, boolean or date", "cast it to string, or leave it out of the key"
    require(label, param, fields, is_categorical, expected, remedy)


def element(kind: DataType) -> DataType:
    """Type of an array's elements; of anything else, the type itself."""
    return kind.elementType if isinstance(kind, ArrayType) else kind


def same_shape(kind: DataType, value: DataType) -> DataType:
    """``value``, or an array of it where ``kind`` is an array."""
    return ArrayType(value) if isinstance(kind, ArrayType) else value


def nullable(kind: DataType) -> DataType:
    """The type with nulls allowed inside, as a table that was carried through Arrow has it."""
    if isinstance(kind, ArrayType):
        return ArrayType(nullable(kind.elementType))
    if isinstance(kind, StructType):
        return StructType([StructField(f.name, nullable(f.dataType), True, f.metadata) for f in kind.fields])
    return kind


def carrier(kind: DataType) -> DataType:
    """What a type is outside the JVM: a vector is an array of doubles."""
    return ArrayType(DoubleType()) if isinstance(kind, VectorUDT) else kind


def as_array(field: StructField, kind: DataType | None = None) -> Column:
    """A column as an array of numbers, if it is a vector; otherwise as it is."""
    value = column(field.name)
    if not isinstance(field.dataType, VectorUDT):
        return value
    single = isinstance(kind, ArrayType) and isinstance(kind.elementType, FloatType)
    numbers = vector_to_array(value, "float32" if single else "float64")
    return F.when(value.isNotNull(), numbers)  # it refuses nulls by itself


def double_field(name: str) -> StructField:
    """Nullable double column."""
    return StructField(name, DoubleType(), True)


def nominal_metadata(name: str, cardinality: int) -> dict[str, Any]:
    """Metadata of an id column: Spark's own nominal attribute, and ours, which survives lists too.

    ``cardinality`` is the number of ids, so ids lie in [0, cardinality).
    """
    return {
        "ml_attr": {"type": "nominal", "name": name, "num_vals": cardinality},
        "aiok": {"cardinality": cardinality},
    }

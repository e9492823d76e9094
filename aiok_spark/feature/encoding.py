"""What the stages share that make ids of categories."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    IntegerType,
    IntegralType,
    LongType,
    StringType,
    StructField,
)

from aiok_spark.core.params import HasInputCols, HasOutputCols, one_of, param
from aiok_spark.core.schema import element, nominal_metadata, require_categorical, same_shape
from aiok_spark.core.stage import Stage
from aiok_spark.kernels.ids import Policy

POLICY = one_of("id", "null", "error")


class ToIds(Stage, HasInputCols, HasOutputCols):
    """What all stages share that make ids of categories (or lists of ids of lists)."""

    nullPolicy = param(
        "nullPolicy",
        'what a null becomes: "id" (default) a reserved id, "null" a null, or "error" stops',
        POLICY,
        "id",
    )

    def _cardinality(self, i: int) -> int | None:
        """Number of ids of the i-th column, once known."""
        return None

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_categorical(self._label, inputs)
        fields = []
        for i, (name, f) in enumerate(zip(self._paired_outputs(), inputs, strict=True)):
            known = self._cardinality(i)
            metadata = nominal_metadata(name, known) if known is not None else {}
            fields.append(StructField(name, same_shape(f.dataType, IntegerType()), True, metadata))
        return fields

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [plain_type(f.dataType) for f in inputs]


def value_type(kind: DataType) -> DataType:
    """The type in which a category is compared and hashed: long for integers and booleans, else string."""
    return LongType() if isinstance(kind, (IntegralType, BooleanType)) else StringType()


def plain_type(kind: DataType) -> DataType:
    """What a column of categories is cast to: strings stay, dates become their ISO text, the rest long; lists stay."""
    return same_shape(kind, value_type(element(kind)))


def key(value: Column, salt: int) -> Column:
    """64-bit key of a value; ``kernels.hashing.xxhash64`` off Spark."""
    return F.xxhash64(F.lit(salt).cast("long"), value)


def each(value: Column, kind: DataType, function: Callable[[Column], Column]) -> Column:
    """``function`` of the column, or of each element of an array column; a null array stays null."""
    return F.transform(value, function) if isinstance(kind, ArrayType) else function(value)


def prepared_keys(value: Column, kind: DataType, salt: int) -> Column:
    """Keys; of a null, the salt's own, as Spark leaves nulls out of a hash; a null array stays null."""
    return each(value, kind, lambda v: key(v, salt))


def null_expression(policy: Policy) -> Column:
    """What a null becomes, in Catalyst."""
    if policy.refuse_null:
        return F.raise_error(F.lit(str(policy.error("nulls", "nullPolicy", "a null")))).cast("int")
    return F.lit(policy.null).cast("int")

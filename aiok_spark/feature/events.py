"""What the stages of sequences share: whose an event is, when it was, and what is before it.

An event is before another if it has the same key and an earlier time. Events of one key at the same time
are not before each other. An event without a key (a null in any of ``keyCols``) or without a time (null or
NaN) is before none, and none is before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_

from pyspark.ml.param import Params
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegralType,
    MapType,
    NullType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
    UserDefinedType,
)

from aiok_spark.core.errors import DataError
from aiok_spark.core.params import param, to_name, to_names
from aiok_spark.core.schema import column, find_fields, is_numeric, require, require_keys
from aiok_spark.core.stage import SetStage

TIME, TIE, LOOSE = "__aiok_time", "__aiok_tie", "__aiok_loose"  # columns that ``placed`` adds


def is_time(kind: DataType) -> bool:
    """Types that can say when an event was."""
    return is_numeric(kind) or isinstance(kind, (DateType, TimestampType, TimestampNTZType))


def require_time(label: str, field: StructField) -> None:
    """Raise unless the column can say when an event was."""
    require(label, "orderCol", [field], is_time, "a number, date or timestamp", "cast it to timestamp")


class HasTieCols(Params):
    """Mixin for stages to whom the order of events of one time matters."""

    tieCols = param(
        "tieCols",
        "columns by which events of one key and time are put in order, the smallest first; default none, so that a "
        "hash of their values decides",
        to_names,
        [],
    )


class EventStage(SetStage):
    """Mixin: a set stage that looks at all events of a key, in the order of time."""

    keyCols = param("keyCols", "columns that say whose an event is, such as the user; no default", to_names)
    orderCol = param("orderCol", "column that says when it was: a number, date or timestamp; no default", to_name)

    def _side_columns(self) -> list[str]:
        """Other columns that the stage reads."""
        return []

    def _tie_columns(self) -> list[str]:
        return self.getTieCols() if self.hasParam("tieCols") else []

    def _inputs(self) -> list[str]:
        return [*self.getKeyCols(), self.getOrderCol(), *self._tie_columns(), *self._side_columns()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        """Like the base's, but an error names the Param at fault."""
        named = {
            "keyCols": self.getKeyCols(),
            "orderCol": [self.getOrderCol()],
            "tieCols": self._tie_columns(),
            "inputCols": self._side_columns(),
        }
        found = {name: find_fields(self._label, name, columns, schema) for name, columns in named.items()}
        require_keys(self._label, found["keyCols"])
        require_time(self._label, found["orderCol"][0])
        require(
            self._label, "tieCols", found["tieCols"], _is_orderable, "a type that has an order", "name another column"
        )
        return [f for fields in found.values() for f in fields]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        if dataset.isStreaming:
            raise DataError(
                f"{self._label}: dataset: found a stream, expected a batch, because all events of a key are needed; "
                "use it inside foreachBatch"
            )
        return super()._transform(dataset)

    def _placed(self, dataset: DataFrame, tied: Sequence[StructField], time: Column | None = None) -> DataFrame:
        """Add ``TIME``, ``TIE`` and ``LOOSE``, which ``_by_key`` and ``_in_order`` read.

        ``TIE`` is a hash of the columns ``tied``: rows of equal values there are alike for the stage. ``LOOSE`` is
        null, or for an event without key or time a hash that keeps such events apart, as they may be very many.
        """
        if time is None:
            time = time_of(dataset.schema[self.getOrderCol()])
        keys = [column(n) for n in self.getKeyCols()]
        whole = reduce(and_, [k.isNotNull() for k in keys], time.isNotNull())
        return dataset.withColumns(
            {
                TIME: time,
                TIE: F.xxhash64(*[column(f.name) for f in tied]) if tied else F.lit(0).cast("long"),
                LOOSE: F.when(~whole, F.xxhash64(*keys, time)),
            }
        )

    def _by_key(self) -> list[Column]:
        """What windows are partitioned by."""
        return [*map(column, self.getKeyCols()), column(LOOSE)]

    def _in_order(self) -> list[Column]:
        """What events of a key are ordered by, ties broken."""
        return [column(TIME), *map(column, self._tie_columns()), column(TIE)]


def is_event() -> Column:
    """Whether a placed row has key and time."""
    return column(LOOSE).isNull()


def time_of(field: StructField) -> Column:
    """What events are ordered by; NaN counts as null, and -0.0 as 0.0."""
    value = column(field.name)
    if isinstance(field.dataType, (FloatType, DoubleType)):
        return F.when(~F.isnan(value), value + F.lit(0.0))
    return value


def hashable(schema: StructType) -> list[StructField]:
    """The columns that can be hashed, by name; a map cannot, nor what is there twice."""
    names = schema.names
    found = [f for f in schema.fields if names.count(f.name) == 1 and is_hashable(f.dataType)]
    return sorted(found, key=lambda f: f.name)


def is_hashable(kind: DataType) -> bool:
    """Whether the type has a hash; what is or holds a map has none."""
    return not _holds(kind, _UNHASHABLE)


_UNHASHABLE = ("map", "variant")


def _holds(kind: DataType, names: tuple[str, ...]) -> bool:
    """Whether a type is one of these, or has one inside."""
    if isinstance(kind, UserDefinedType):
        return _holds(kind.sqlType(), names)
    if isinstance(kind, ArrayType):
        return _holds(kind.elementType, names)
    if isinstance(kind, StructType):
        return any(_holds(f.dataType, names) for f in kind.fields)
    return isinstance(kind, MapType) or kind.typeName() in names


def _is_orderable(kind: DataType) -> bool:
    return not _holds(kind, (*_UNHASHABLE, "interval"))


def micros(value: Column, kind: DataType) -> Column:
    """Microseconds since 1970 of a timestamp; one without time zone counts as UTC, whatever the session's zone is."""
    if not isinstance(kind, TimestampNTZType):
        return F.unix_micros(value)
    seconds = F.unix_date(value.cast("date")).cast("long") * 86400 + F.hour(value) * 3600 + F.minute(value) * 60
    return seconds * 1_000_000 + (F.date_part(F.lit("SECOND"), value) * 1_000_000).cast("long")


MOST_TICKS = 2**61  # so that neither differences nor the ends of windows overflow


def ticks_per_second(kind: DataType) -> int:
    """Units of ``ticks_of`` in a second: 1 for dates and whole numbers, else they are microseconds."""
    return 1 if isinstance(kind, (DateType, IntegralType, NullType)) else 1_000_000


def ticks_of(field: StructField) -> Column:
    """Time as a whole number of ticks; null beyond +-2^61."""
    value, kind = time_of(field), field.dataType
    if isinstance(kind, (TimestampType, TimestampNTZType)):
        return micros(value, kind)
    if isinstance(kind, DateType):
        return F.unix_date(value).cast("long") * 86400
    if ticks_per_second(kind) == 1:
        value = value.cast("long")
        return F.when(value.between(-MOST_TICKS, MOST_TICKS), value)
    value = value.cast("double") * 1e6
    return F.when(F.abs(value) <= float(MOST_TICKS), F.round(value)).cast("long")

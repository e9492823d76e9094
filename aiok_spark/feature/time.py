"""Parts of dates and times."""

from __future__ import annotations

from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    NullType,
    StructField,
    TimestampNTZType,
    TimestampType,
)

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.core.params import HasInputCols, param, some_of, to_time_zone
from aiok_spark.core.schema import require
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.naming import NamesOutputs
from aiok_spark.kernels import time as kernels
from aiok_spark.kernels.program import Kernel, RowKernel
from aiok_spark.kernels.time import CYCLIC, DAY, NO_MOMENT, OF_THE_DAY, RANGES, UTC


class DateTimeParts(NamesOutputs, RowLocalTransformer, HasInputCols):
    """Year, month, hour and other parts of dates and timestamps.

    ================  ==========================================  ========================
    part              meaning                                     values
    ================  ==========================================  ========================
    ``year``          of the proleptic Gregorian calendar         such as 2024
    ``quarter``       of the year                                 1 to 4
    ``month``         of the year                                 1 to 12
    ``dayOfMonth``                                                1 to 31
    ``dayOfYear``                                                 1 to 366
    ``weekOfYear``    ISO 8601: the first has the year's first    1 to 53
                      Thursday, and weeks start on Monday
    ``dayOfWeek``     ISO 8601                                    1, Monday, to 7, Sunday
    ``hour``          of the day                                  0 to 23
    ``minute``        of the hour                                 0 to 59
    ``second``        of the minute, fractions cut off            0 to 59
    ``isWeekend``     Saturday or Sunday                          0 or 1
    ================  ==========================================  ========================

    Parameters
    ----------
    inputCols : list of str
        Columns of timestamps, timestamps without time zone, or dates.
    outputCols : list of str, optional
        Names of the results: for each input its ``parts``, then a sine and a cosine for each of ``cyclical``. Left
        out, they are ``<input>_<part>``, ``<input>_<part>_sin`` and ``<input>_<part>_cos``.
    parts : list of str
        Parts that become columns of int.
    cyclical : list of str
        Parts (not ``year`` and ``isWeekend``) that become two columns of double, so that 23 o'clock is as near to
        0 o'clock as 1 o'clock is.
    timeZone : str
        Name in the IANA time zone database of where instants are read off a clock. The session's time zone does not
        matter. Timestamps without time zone, and dates, are taken as they are.

    Raises
    ------
    ParamError
        If neither parts nor cyclical are given.
    ColumnTypeError
        If a part of the day is asked of a date.

    Notes
    -----
    Nulls stay null. The sine and cosine are those of ``2 pi (value - first) / n``, where n is the number of values in
    the table. Parts other than the year carry their number of values as metadata, so they may be the
    ``categoricalCols`` of a network.

    In UTC, and for columns without time zone, Spark needs no Python. Elsewhere the clock is read in Python on Spark
    too, as Java's and the system's time zone databases differ for old dates and new laws.

    Off Spark, a Python datetime with a time zone is an instant, and one without is not.

    Examples
    --------
    >>> DateTimeParts(inputCols=["seen"], parts=["month", "isWeekend"], cyclical=["hour"],
    ...               timeZone="Europe/Berlin").transform(df)  # doctest: +SKIP
    """

    parts = param(
        "parts",
        f"parts that become columns of int, any of {', '.join(RANGES)}; default none",
        some_of(*RANGES),
        [],
    )
    cyclical = param(
        "cyclical",
        f"parts that become a sine and a cosine each, any of {', '.join(CYCLIC)}; default none",
        some_of(*CYCLIC),
        [],
    )
    timeZone = param(
        "timeZone",
        'where instants are read off a clock, a name of the time zone database such as "Europe/Berlin"; default "UTC"',
        to_time_zone,
        "UTC",
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        parts=[],  # noqa: B006, only shown: the Param's default is what counts
        cyclical=[],  # noqa: B006
        timeZone="UTC",
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _asked(self) -> dict[str, list[str]]:
        return {"parts": self.getParts(), "cyclical": self.getCyclical()}

    def _default_outputs(self) -> list[str]:
        endings = [*self.getParts(), *(f"{name}_{of}" for name in self.getCyclical() for of in ("sin", "cos"))]
        return [f"{name}_{ending}" for name in self.getInputCols() for ending in endings]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        asked = [*self.getParts(), *self.getCyclical()]
        if not asked or not inputs:
            raise ParamError(
                f"{self._label}: parts, cyclical: found {len(asked)} parts of {len(inputs)} inputCols, expected at "
                "least one of one; set parts=['month', 'dayOfWeek']"
            )
        require(
            self._label,
            "inputCols",
            inputs,
            lambda t: isinstance(t, (TimestampType, TimestampNTZType, DateType, NullType)),
            "timestamp, timestamp_ntz or date",
            "convert it first, for example with to_timestamp",
        )
        of_the_day = [name for name in asked if name in OF_THE_DAY]
        for f in inputs:
            if of_the_day and isinstance(f.dataType, DateType):
                raise ColumnTypeError(
                    f"{self._label}: inputCols names '{f.name}', found type date, expected a timestamp for the parts "
                    f"{of_the_day}; leave these parts out for dates (another DateTimeParts)"
                )
        each = [(IntegerType(), _metadata(name)) for name in self.getParts()]
        each += [(DoubleType(), {})] * (2 * len(self.getCyclical()))
        names = self._outputs()
        return [StructField(n, t, True, m) for n, (t, m) in zip(names, each * len(inputs), strict=True)]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DateType() if isinstance(f.dataType, NullType) else f.dataType for f in inputs]

    def _kernel(self) -> Kernel:
        return partial(kernels.date_time_parts, zone=self.getTimeZone(), **self._asked())

    def _row_kernel(self) -> RowKernel:
        return partial(kernels.parts_row, zone=self.getTimeZone(), **self._asked())

    def _prepared(self, inputs: list[StructField]) -> list[Prepared]:
        kinds = self._kernel_types(inputs)
        zones = [self.getTimeZone() if isinstance(kind, TimestampType) else "UTC" for kind in kinds]
        return [
            Prepared(
                columns=partial(_prepared_seconds, kinds=kinds),
                types=(LongType(),) * len(kinds),
                kernel=partial(kernels.parts_of_seconds, zones=zones, **self._asked()),
            )
        ]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column] | None:
        if self.getTimeZone() not in UTC and any(isinstance(t, TimestampType) for t in types):
            return None
        made = []
        for value, kind in zip(columns, types, strict=True):
            seconds = _seconds(value, kind)
            day = value if isinstance(kind, DateType) else F.date_from_unix_date(F.floor(seconds / DAY).cast("int"))
            second = F.pmod(seconds, F.lit(DAY)).cast("int")
            made += [_part(name, day, second) for name in self.getParts()]
            for name in self.getCyclical():
                angle = (_part(name, day, second) - RANGES[name][0]) * F.lit(kernels.step_of(name))
                made += [F.sin(angle), F.cos(angle)]
        return made


def _metadata(name: str) -> dict:
    """How many ids there are from 0, not for Spark's trees, which would take days for unordered categories."""
    first, size = RANGES[name]
    return {"aiok": {"cardinality": first + size}} if size else {}


def _seconds(value: Column, kind: DataType) -> Column:
    """Seconds since 1970, as long; the session's time zone has no part in it."""
    if isinstance(kind, TimestampType):
        return F.unix_seconds(value)
    days = F.unix_date(value.cast("date")).cast("long") * DAY
    if isinstance(kind, DateType):
        return days
    return days + F.hour(value) * 3600 + F.minute(value) * 60 + F.second(value)


def _prepared_seconds(columns: list[Column], kinds: list[DataType]) -> list[Column]:
    pairs = zip(columns, kinds, strict=True)
    return [F.coalesce(_seconds(value, kind), F.lit(NO_MOMENT)) for value, kind in pairs]


def _part(name: str, day: Column, second: Column) -> Column:
    """``kernels.time`` in Catalyst, of a date and the second of its day."""
    made = {
        "year": F.year,
        "quarter": F.quarter,
        "month": F.month,
        "dayOfMonth": F.dayofmonth,
        "dayOfYear": F.dayofyear,
        "weekOfYear": F.weekofyear,
    }
    if name in made:
        return made[name](day)
    if name in OF_THE_DAY:
        return F.floor(second / {"hour": 3600, "minute": 60, "second": 1}[name]).cast("int") % 60
    iso_day = F.weekday(day) + 1
    return (iso_day >= 6).cast("int") if name == "isWeekend" else iso_day

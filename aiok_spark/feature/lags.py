"""What happened before an event: the values of the last events, and counts, sums and means over time windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType, LongType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import HasInputCols, at_least, param, to_names, to_positive
from aiok_spark.core.schema import column, double_field, put_columns, require, require_numeric
from aiok_spark.core.stage import SetTransformer
from aiok_spark.feature.events import (
    MOST_TICKS,
    TIME,
    EventStage,
    HasTieCols,
    is_event,
    is_hashable,
    ticks_of,
    ticks_per_second,
)
from aiok_spark.feature.history import HISTORY, with_history

STATISTICS = ["count", "sum", "mean"]
_EXACT_NAME = "__aiok_exact_"
_LARGEST = 1e17  # of a value that is added up, and ...
_EXACT = DecimalType(27, 9)  # ... what it is added up as: sums have 37 digits, their differences 38


def to_windows(value: Any) -> list[float]:
    """List of positive numbers."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r}, expected a list of seconds, such as [3600, 86400]")
    return [to_positive(x) for x in value]


def to_statistics(value: Any) -> list[str]:
    """List of some of STATISTICS."""
    if set(names := to_names(value)) - set(STATISTICS):
        raise ValueError(f"found {names}, expected some of {STATISTICS}")
    return names


@dataclass(frozen=True)
class _Made:
    """One result: a lag (``number`` events back) or a statistic of a window (``number`` seconds)."""

    what: str
    number: float
    value: StructField | None = None

    @property
    def name(self) -> str:
        """What it is called by default."""
        of = f"{self.value.name}_" if self.value else ""
        return f"{of}lag{self.number}" if self.what == "lag" else f"{of}{self.what}_{_number(self.number)}s"


def _number(seconds: float) -> str:
    """As part of a name, where Spark takes a point for that of a field."""
    return f"{seconds:.15g}".replace(".", "_")


class LagFeatures(EventStage, HasTieCols, HasInputCols, SetTransformer):
    """Values of the last events of a key, and statistics of its events over time windows, all strictly before.

    An event at the same time is not before another, so neither it nor its label is ever in these features.

    Parameters
    ----------
    keyCols : list of str
        Whose an event is, such as the card: strings, integers, booleans or dates.
    orderCol : str
        When it was: a timestamp, a date, or a number, which counts seconds (or the unit that ``windows`` is in).
    tieCols : list of str
        Columns that put events of one key and time in order.
    inputCols : list of str
        Columns of any type but maps; numbers, if there are sums or means.
    lags : int
        Values of so many events before, each column's newest first.
    windows : list of float
        Lengths in seconds: an event at t sees [t - length, t).
    statistics : list of {"count", "sum", "mean"}
        What to make for each window: the number of events, and sum and mean of each column.
    outputCols : list of str
        Names of the results: for each column its lags; then for each window the count, then each column's sum and
        mean. Empty: "price_lag1", "count_3600s", "price_sum_3600s", "price_mean_3600s".

    Raises
    ------
    ParamError
        If there is nothing to make, a window is too long, or ``outputCols`` does not fit.

    Notes
    -----
    A lag has its column's type, and is null if there were fewer events. Counts are long; sums and means double. Null
    and NaN do not count in a sum or mean; the sum of nothing is 0 and its mean null. Lags of events of one time come
    in the order of ``tieCols``, then of a hash of ``inputCols``. An event without key or time has none before it.

    Fractions of a second count to the microsecond. Doubles are limited to +-1e17 and added up exactly, as decimals
    with 9 places behind the point, so sums do not depend on the order of rows; scale a column of smaller values first.

    The rows are shuffled by key and sorted once. A window costs two running totals, however many events it holds, so
    time is linear in the events, also for a key with millions of them.

    Examples
    --------
    >>> LagFeatures(  # doctest: +SKIP
    ...     keyCols=["card"], orderCol="time", inputCols=["amount"], lags=2, windows=[3600, 7 * 86400]
    ... ).transform(df)
    """

    lags = param("lags", "how many events back, whole number from 0; default 1", at_least(0), 1)
    windows = param(
        "windows", "lengths of time windows in seconds, each above 0; default none", to_windows, []
    )  # fmt: skip
    statistics = param(
        "statistics", "what to make for each window; default ['count', 'sum', 'mean']", to_statistics, STATISTICS
    )
    outputCols = param("outputCols", "names of all results, in order; default none, they are derived", to_names, [])

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        orderCol=None,
        tieCols=[],  # noqa: B006, only shown: the Param's default is what counts
        inputCols=None,
        lags=1,
        windows=[],  # noqa: B006
        statistics=STATISTICS,
        outputCols=[],  # noqa: B006
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _side_columns(self) -> list[str]:
        return self.getInputCols()

    def _made(self, sides: list[StructField]) -> Iterator[_Made]:
        """All results, in order."""
        for f, i in product(sides, range(1, self.getLags() + 1)):
            yield _Made("lag", i, f)
        statistics = self.getStatistics()
        for seconds in self.getWindows():
            if "count" in statistics:
                yield _Made("count", seconds)
            for f, what in product(sides, ("sum", "mean")):
                if what in statistics:
                    yield _Made(what, seconds, f)

    def _sides(self, inputs: list[StructField]) -> list[StructField]:
        return inputs[len(inputs) - len(self.getInputCols()) :]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        sides = self._sides(inputs)
        require(
            self._label, "inputCols", sides, is_hashable, "a type that is and holds no map", "take its entries as array"
        )
        if self.getWindows() and set(self.getStatistics()) - {"count"}:
            require_numeric(self._label, sides)
        order = next(f for f in inputs if f.name == self.getOrderCol())
        longest = MOST_TICKS / ticks_per_second(order.dataType)
        if any(seconds > longest for seconds in self.getWindows()):
            raise ParamError(
                f"{self._label}: windows: found {self.getWindows()}, expected at most {longest:.3g} s; shorten them"
            )
        made = list(self._made(sides))
        names = self.getOutputCols() or [m.name for m in made]
        if not made or len(names) != len(made):
            raise ParamError(
                f"{self._label}: outputCols: found {len(names)} names, expected one for each of "
                f"{[m.name for m in made]}, and at least one; correct them, or inputCols, lags and windows"
            )
        return [_field(name, m) for name, m in zip(names, made, strict=True)]

    def _transform_set(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        inputs = self._input_fields(dataset.schema)
        sides, order = self._sides(inputs), dataset.schema[self.getOrderCol()]
        made = list(self._made(sides))
        df = self._placed(dataset, sides, ticks_of(order))
        if any(m.what == "lag" for m in made):
            event = F.struct(*[column(f.name).alias(f"c{i}") for i, f in enumerate(sides)])
            df = with_history(df, self._by_key(), self._in_order(), event, self.getLags(), gaps=False)
        exact = {m.value.name: _exact(m.value) for m in made if m.value and m.what != "lag"}
        df = df.withColumns({_EXACT_NAME + name: value for name, value in exact.items()}) if exact else df
        totals = _Totals(self._by_key(), ticks_per_second(order.dataType))
        values = [_lag(m, sides) if m.what == "lag" else totals.statistic(m) for m in made]
        df = df.withColumns(totals.columns) if totals.columns else df
        return put_columns(df, list(zip(self._output_fields(inputs), values, strict=True)), names)


class _Totals:
    """Running totals of a key, each once, and the statistics of windows that follow from them.

    What is in [t - length, t) is what is before t, less what is before t - length.
    """

    def __init__(self, by: Sequence[Column], ticks: int) -> None:
        self._in_time = Window.partitionBy(*by).orderBy(column(TIME))
        self._ticks = ticks
        self.columns: dict[str, Column] = {}

    def statistic(self, made: _Made) -> Column:
        """A statistic of a window, by names of ``columns``."""
        span = int(round(made.number * self._ticks, 3))  # 0.29 s are 290000 microseconds, not 289999
        if made.value is None:
            return F.when(is_event(), self._within("count", None, span)).otherwise(F.lit(0).cast("long"))
        value = _EXACT_NAME + made.value.name
        total = F.when(is_event(), self._within("sum", value, span).cast("double")).otherwise(F.lit(0.0))
        if made.what == "sum":
            return total
        number = self._within("count", value, span)
        return F.when(is_event() & (number > 0), total / number)

    def _within(self, what: str, value: str | None, span: int) -> Column:
        before, gone = (F.coalesce(self._until(what, value, end), F.lit(0)) for end in (-1, -span - 1))
        return before - gone

    def _until(self, what: str, value: str | None, end: int) -> Column:
        of = F.lit(1) if value is None else column(value)
        total = F.sum(of) if what == "sum" else F.count(of)
        name = f"__aiok_{what}_{end}_{value}"
        self.columns[name] = total.over(self._in_time.rangeBetween(Window.unboundedPreceding, end))
        return column(name)


def _lag(made: _Made, sides: list[StructField]) -> Column:
    assert made.value is not None
    at = F.size(column(HISTORY)) - F.lit(int(made.number))
    values = column(HISTORY).getField(f"c{sides.index(made.value)}")
    return F.when(is_event() & (at >= 0), F.get(values, at))


def _field(name: str, made: _Made) -> StructField:
    if made.what == "count":
        return StructField(name, LongType(), True)
    if made.value is None or made.what != "lag":
        return double_field(name)
    return StructField(name, made.value.dataType, True, made.value.metadata or {})


def _exact(field: StructField) -> Column:
    """A number in a type whose sums are exact; null for NaN."""
    value = column(field.name)
    if isinstance(field.dataType, (FloatType, DoubleType)) or not _is_short(field.dataType):
        value = value.cast("double")
        limited = F.greatest(F.least(value, F.lit(_LARGEST)), F.lit(-_LARGEST))
        # Least and greatest pass over nulls, so these must not get there.
        return F.when(value.isNotNull() & ~F.isnan(value), limited.cast(_EXACT))
    return value if isinstance(field.dataType, DecimalType) else value.cast("decimal(20,0)")


def _is_short(kind: DataType) -> bool:
    """Whether the differences of sums fit into the 38 digits of a decimal."""
    return not isinstance(kind, DecimalType) or kind.precision <= _EXACT.precision

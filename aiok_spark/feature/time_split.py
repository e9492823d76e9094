"""Splits by time."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import partial
from math import ceil
from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    DoubleType,
    NullType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.core.params import param, to_finite, to_name
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, find_fields
from aiok_spark.core.stage import Estimator, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.feature.events import micros, require_time
from aiok_spark.feature.split import FRACTIONS, PARTS, ByFractions, part_of
from aiok_spark.kernels import splits as kernels
from aiok_spark.kernels.program import Kernel, RowKernel


def to_cuts(value: Any) -> list[float | str]:
    """List of numbers, or of ISO dates or times as text."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r}, expected a list, such as [20240101] or ['2024-01-01']")
    return [x.isoformat() if isinstance(x, date) else x if isinstance(x, str) else to_finite(x) for x in value]


class _TimeSplitParams(ByFractions):
    orderCol = param("orderCol", "column by which rows are split: a number, date or timestamp; no default", to_name)
    cutPoints = param(
        "cutPoints",
        "where each part but the first starts, in order: numbers, or ISO dates or times as text (UTC unless they say "
        "otherwise); default none, so that fractions decide",
        to_cuts,
        [],
    )

    def _inputs(self) -> list[str]:
        return [self.getOrderCol()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return find_fields(self._label, "orderCol", self._inputs(), schema)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_time(self._label, inputs[0])
        if self.getCutPoints():
            self._require_one_each("cutPoints", self.getCutPoints(), len(self.getSplitNames()) - 1)
            self._given(inputs[0].dataType)
        else:
            self._require_one_each("fractions", self.getFractions(), len(self.getSplitNames()))
        return [self._split_field()]

    def _given(self, kind: DataType) -> list[float]:
        """``cutPoints`` as numbers in the column's unit."""
        wanted = {"date": "ISO dates", "timestamp": "ISO times"}.get(_unit(kind), "numbers")
        try:
            cuts = [_cut(value, _unit(kind)) for value in self.getCutPoints()]
        except (TypeError, ValueError):
            cuts = []
        if not cuts or cuts != sorted(set(cuts)):
            raise ParamError(
                f"{self._label}: cutPoints: found {self.getCutPoints()}, expected rising {wanted}, as "
                f"'{self.getOrderCol()}' is {kind.simpleString()}; correct them"
            )
        return cuts


class TimeSplitModel(_TimeSplitParams, RowLocalModel):
    """Fitted cut points; the part of any row follows from its own time."""

    @property
    def cuts(self) -> list[Any]:
        """Where each part but the first starts: numbers, dates, or times in UTC."""
        return [_shown(cut, self._state.facts["unit"]) for cut in self._state.facts["cuts"]]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        found, fitted = inputs[0].dataType, self._state.facts["unit"]
        if _unit(found) != fitted and not isinstance(found, NullType):
            raise ColumnTypeError(
                f"{self._label}: orderCol: found '{inputs[0].name}' of type {found.simpleString()}, expected a "
                f"{fitted} as at fit; cast the column"
            )
        return super()._output_fields(inputs)

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType() if _unit(f.dataType) == "number" else f.dataType for f in inputs]

    def _kernel(self) -> Kernel:
        return partial(kernels.cut_split, cuts=self._state.facts["cuts"], names=self.getSplitNames())

    def _row_kernel(self) -> RowKernel | None:
        if self._state.facts["unit"] == "timestamp":
            return None  # only Arrow knows what a time without a zone means here
        return kernels.cut_split_row(self._state.facts["cuts"], self.getSplitNames())

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        number = _number(columns[0], types[0])
        known = number.isNotNull() & ~F.isnan(number)
        return [F.when(known, part_of(number, self._state.facts["cuts"], self.getSplitNames()))]


class TimeSplit(_TimeSplitParams, Estimator):
    """Split by time: each part is later than the one before it.

    Rows of the same time are in the same part.

    Parameters
    ----------
    orderCol : str
        Column of numbers, dates or timestamps.
    outputCol : str
        Name of the result: string; null where the time is null or NaN.
    splitNames : list of str
        Names of the parts, the earliest first.
    fractions : list of float
        Share of the fitted rows that each part gets.
    cutPoints : list of float or str
        Where the parts start instead, each with the rows of that very time; the fit then reads no rows.
    verbose : bool
        Show progress.

    Raises
    ------
    ParamError
        If the Params do not fit each other, or the cut points do not rise or are not of the column's type.
    DataError
        At fit: no time in any row, or infinite quantiles.

    Notes
    -----
    A part ends below the exact quantile (linear interpolation) of its share. One job; its memory follows the number
    of different times, so round the column first if there are many millions.

    Examples
    --------
    >>> model = TimeSplit(orderCol="time", fractions=[0.8, 0.1, 0.1]).fit(df)  # doctest: +SKIP
    >>> model.cuts  # doctest: +SKIP
    >>> train = model.transform(df).where("split = 'train'")  # doctest: +SKIP
    """

    _model = TimeSplitModel

    @keyword_only
    def __init__(
        self,
        *,
        orderCol=None,
        outputCol="split",
        splitNames=PARTS,
        fractions=FRACTIONS,
        cutPoints=[],  # noqa: B006, only shown: the Param's default is what counts
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        kind = dataset.schema[self.getOrderCol()].dataType
        if self.getCutPoints():
            return State({"unit": _unit(kind), "cuts": self._given(kind)})
        number = _number(column(self.getOrderCol()), kind)
        shares = self._shares_before() or [0.5]
        with working(f"{self._label}: measuring", self.getVerbose()):
            (found,) = dataset.agg(F.percentile(F.when(~F.isnan(number), number), shares)).first()
        if found is None:
            raise DataError(
                f"{self._label}: orderCol: found no value in column '{self.getOrderCol()}', expected at least one that "
                "is not missing; check the DataFrame"
            )
        if not all(abs(cut) < float("inf") for cut in found):  # NaN comes of two infinities
            raise DataError(
                f"{self._label}: orderCol: found the quantiles {found} of column '{self.getOrderCol()}', expected "
                "finite numbers; clip the column, or give cutPoints"
            )
        return State({"unit": _unit(kind), "cuts": found[: len(self._shares_before())]})


def _unit(kind: DataType) -> str:
    if isinstance(kind, DateType):
        return "date"
    return "timestamp" if isinstance(kind, (TimestampType, TimestampNTZType)) else "number"


def _number(value: Column, kind: DataType) -> Column:
    """A time as the kernel sees it."""
    if _unit(kind) == "date":
        value = F.unix_date(value)
    elif _unit(kind) == "timestamp":
        value = micros(value, kind)
    return value.cast("double")


def _cut(value: float | str, unit: str) -> float:
    if unit == "number":
        return to_finite(value)
    if not isinstance(value, str):
        raise TypeError("expected a text")
    if unit == "date":
        return float((date.fromisoformat(value) - date(1970, 1, 1)).days)
    moment = datetime.fromisoformat(value)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) - datetime.fromtimestamp(0, timezone.utc)
    return float(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds)


def _shown(cut: float, unit: str) -> Any:
    if unit == "date":
        return date.fromordinal(date(1970, 1, 1).toordinal() + ceil(cut))
    if unit == "timestamp":
        return datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=ceil(cut))
    return cut

"""Missing values."""

from __future__ import annotations

import math
from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    FractionalType,
    IntegralType,
    NullType,
    StringType,
    StructField,
)

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.params import HasInputCols, HasOutputCols, one_of, param, to_bool, to_finite, to_scalar
from aiok_spark.core.progress import progress
from aiok_spark.core.schema import column, require, require_numeric
from aiok_spark.core.stage import Estimator, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.kernels import numeric as kernels
from aiok_spark.kernels.program import Kernel, RowKernel

_NUMERIC_ONLY = ("mean", "median")
_LARGEST = {"byte": 2**7, "short": 2**15, "integer": 2**31, "long": 2**63}


def _to_relative_error(value: object) -> float:
    if not 0 <= (number := to_finite(value)) < 1:
        raise ValueError(f"found {number}, expected a number in [0, 1)")
    return number


class _FillMissingParams(Stage, HasInputCols, HasOutputCols):
    strategy = param(
        "strategy",
        'what stands in for a missing value: "constant", "mean", "median" or "mode" (the most frequent, of equals '
        'the smallest); default "mean"',
        one_of("constant", "mean", "median", "mode"),
        "mean",
    )
    value = param(
        "value",
        'the constant, for strategy "constant", any text, number or bool; no default',
        to_scalar,
        None,
    )
    nanIsMissing = param(
        "nanIsMissing",
        "whether NaN counts as missing too, in float and double columns; default True",
        to_bool,
        True,
    )
    relativeError = param(
        "relativeError",
        "how far, as a share of the rows in [0, 1), the median may be from the exact one; 0 (default) is exact and "
        "keeps each column's distinct values in memory",
        _to_relative_error,
        0.0,
    )

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        strategy, value = self.getStrategy(), self.getValue()
        if strategy in _NUMERIC_ONLY:
            require_numeric(self._label, inputs)
        else:
            require(
                self._label,
                "inputCols",
                inputs,
                lambda t: isinstance(t, (IntegralType, FractionalType, BooleanType, StringType, NullType)),
                "a number, string or boolean",
                "leave the column out or convert it",
            )
        if strategy == "constant":
            self._check_constant(value, inputs)
        names = self._paired_outputs()
        return [StructField(n, self._filled_type(f.dataType), True) for n, f in zip(names, inputs, strict=True)]

    def _check_constant(self, value: object, inputs: list[StructField]) -> None:
        if value is None:
            raise ParamError(f"{self._label}: value: found nothing, expected the constant to fill with; set value=...")
        for f in inputs:
            kind = str if isinstance(f.dataType, StringType) else bool if isinstance(f.dataType, BooleanType) else None
            fits = isinstance(value, kind) if kind else isinstance(value, (int, float)) and not isinstance(value, bool)
            if kind is None and isinstance(f.dataType, IntegralType) and isinstance(value, int):
                fits = fits and -_LARGEST[f.dataType.typeName()] <= value < _LARGEST[f.dataType.typeName()]
            if not fits and not isinstance(f.dataType, NullType):
                raise ParamError(
                    f"{self._label}: value: found {value!r} for column '{f.name}' of type "
                    f"{f.dataType.simpleString()}, expected a value of that type; use one stage for each type"
                )

    def _filled_type(self, kind: DataType) -> DataType:
        """The column's own type where the filling fits in, else double."""
        if isinstance(kind, (DecimalType, NullType)):
            return DoubleType()
        fractional = self.getStrategy() in _NUMERIC_ONLY or (
            self.getStrategy() == "constant" and isinstance(self.getValue(), float)
        )
        return DoubleType() if isinstance(kind, IntegralType) and fractional else kind


class FillMissingModel(RowLocalModel, _FillMissingParams):
    """Puts the fitted value in the place of nulls (and of NaN, if ``nanIsMissing``)."""

    @property
    def fillValues(self) -> dict[str, object]:
        """Fitted value of each input column."""
        return dict(zip(self.getInputCols(), self._state.facts["values"], strict=True))

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [self._filled_type(f.dataType) for f in inputs]

    def _values(self) -> list:
        return self._state.facts["values"]

    def _kernel(self) -> list[Kernel]:
        return [partial(kernels.fill, value=v, nan=self.getNanIsMissing()) for v in self._values()]

    def _row_kernel(self) -> list[RowKernel]:
        return [kernels.fill_row(v, self.getNanIsMissing()) for v in self._values()]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        return [
            F.coalesce(present(c, v, self.getNanIsMissing()), F.lit(v))
            for c, v in zip(columns, self._values(), strict=True)
        ]


class FillMissing(Estimator, _FillMissingParams):
    """Fill missing values with a constant or a statistic of the column.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns and the names of the results (may be equal).
    strategy : {"mean", "median", "mode", "constant"}
        mean and median take numeric columns; integer columns become double. mode and constant take
        strings and booleans too and keep the type (an integer column filled with a fraction becomes
        double). Decimals become double.
    value : str, float, int or bool, optional
        The constant.
    nanIsMissing : bool
        Whether NaN counts as missing.
    relativeError : float
        Precision of the median; 0 is exact.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, a column without a value, or a mean that is not finite.

    Examples
    --------
    >>> FillMissing(inputCols=["age"], outputCols=["age"], strategy="median").fit(df)  # doctest: +SKIP
    """

    _model = FillMissingModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        strategy="mean",
        value=None,
        nanIsMissing=True,
        relativeError=0.0,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        strategy, names = self.getStrategy(), self.getInputCols()
        fields = {f.name: f for f in dataset.schema.fields}
        kinds = [self._filled_type(fields[name].dataType) for name in names]
        if strategy == "constant":
            return State(
                {
                    "values": [
                        float(self.getValue()) if isinstance(k, FractionalType) else self.getValue() for k in kinds
                    ]
                }
            )
        columns = [
            present(column(n).cast(k), 0.0 if isinstance(k, FractionalType) else "", self.getNanIsMissing())
            for n, k in zip(names, kinds, strict=True)
        ]
        if strategy == "mode":
            values = [
                self._mode(dataset, c)
                for c in progress(columns, len(columns), f"{self._label}: counting", self.getVerbose())
            ]
        else:
            values = self._statistics(dataset, columns)
        self._check(dataset, values)
        return State({"values": values})

    def _statistics(self, dataset: DataFrame, columns: list[Column]) -> list:
        """Mean or median of all columns, in one job."""
        if self.getStrategy() == "mean":
            made = [F.avg(c) for c in columns]
        elif error := self.getRelativeError():
            made = [F.percentile_approx(c, F.lit(0.5), F.lit(math.ceil(1 / error))) for c in columns]
        else:
            made = [F.percentile(c, 0.5) for c in columns]
        aliased = [c.cast("double").alias(f"c{i}") for i, c in enumerate(made)]
        return list(compat.to_arrow(dataset.agg(*aliased)).to_pylist()[0].values())

    def _mode(self, dataset: DataFrame, value: Column) -> object:
        counted = dataset.select(value.alias("value")).where("value IS NOT NULL").groupBy("value").count()
        top = counted.orderBy(F.desc("count"), F.asc("value")).limit(1).collect()
        return top[0][0] if top else None

    def _check(self, dataset: DataFrame, values: list) -> None:
        empty = None
        for name, value in zip(self.getInputCols(), values, strict=True):
            if value is None:
                empty = dataset.limit(1).count() == 0 if empty is None else empty
                found = "no rows" if empty else f"no value in column '{name}'"
                raise DataError(
                    f"{self._label}: inputCols: found {found}, expected at least one value that is not missing; "
                    + ("check the DataFrame" if empty else "leave the column out or use strategy='constant'")
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise DataError(
                    f"{self._label}: inputCols: found the {self.getStrategy()} of column '{name}' to be {value}, "
                    "expected a finite number; clip the column first, or set nanIsMissing=True if it holds NaN"
                )


def present(value: Column, like: object, nan: bool) -> Column:
    """A column with NaN as null, if it can hold NaN and that counts as missing."""
    return F.when(~F.isnan(value), value) if nan and isinstance(like, float) else value

"""Numeric stages that need no fit."""

from __future__ import annotations

from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import HasInputCols, HasOutputCols, one_of, param, to_finite
from aiok_spark.core.schema import double_field, require_numeric
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.kernels import numeric as kernels
from aiok_spark.kernels.program import Kernel, RowKernel


class _DoubleToDouble(RowLocalTransformer, HasInputCols, HasOutputCols):
    """Base of the stages that make one double of one number, column by column."""

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_numeric(self._label, inputs)
        return [double_field(name) for name in self._paired_outputs()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _each(self, function: object) -> list:
        """One copy for each column, so that Spark may leave out what nobody reads."""
        return [function] * len(self.getInputCols())


class Clip(_DoubleToDouble):
    """Limit numeric columns to a range.

    Nulls stay null and NaN stays NaN. Columns of any numeric type become double.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Numeric columns and the names of the results (may be equal).
    lower, upper : float, optional
        Inclusive limits in the columns' own unit; None leaves that side open.

    Raises
    ------
    ParamError
        If both limits are None, or lower > upper.

    Examples
    --------
    >>> Clip(inputCols=["price"], outputCols=["price"], lower=0.0).transform(df)  # doctest: +SKIP
    """

    lower = param(
        "lower",
        "inclusive lower limit, in the columns' unit, any finite number; None (default) leaves it open",
        to_finite,
        None,
    )
    upper = param(
        "upper",
        "inclusive upper limit, in the columns' unit, any finite number; None (default) leaves it open",
        to_finite,
        None,
    )

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, lower=None, upper=None):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        lower, upper = self.getLower(), self.getUpper()
        if lower is None and upper is None:
            raise ParamError(f"{self._label}: lower and upper: found neither, expected at least one; set lower=...")
        if lower is not None and upper is not None and lower > upper:
            raise ParamError(f"{self._label}: lower ({lower}) is above upper ({upper}); swap them")
        return super()._output_fields(inputs)

    def _kernel(self) -> list[Kernel]:
        return self._each(partial(kernels.clip, lower=self.getLower(), upper=self.getUpper()))

    def _row_kernel(self) -> list[RowKernel]:
        return self._each(kernels.clip_row(self.getLower(), self.getUpper()))

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        return [clip_expression(c, self.getLower(), self.getUpper()) for c in columns]


class LogTransform(_DoubleToDouble):
    """Natural logarithm of numeric columns.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Numeric columns and the names of the results (may be equal).
    method : {"log1p", "log", "signedLog1p"}
        log1p: ln(1 + x), for counts. log: ln(x). signedLog1p: sign(x) ln(1 + abs(x)), for amounts of
        either sign.

    Notes
    -----
    Nulls stay null and NaN stays NaN. A value outside the domain (x <= -1 for log1p, x <= 0 for log)
    gives null: put ``Clip(lower=0.0)`` before, or ``FillMissing`` behind, if that can happen. Results
    on and off Spark agree within 2 ulp, as Java's and C's logarithms do.

    Examples
    --------
    >>> LogTransform(inputCols=["clicks"], outputCols=["clicks"]).transform(df)  # doctest: +SKIP
    """

    method = param(
        "method",
        'which logarithm: "log1p" (default), "log" or "signedLog1p"',
        one_of("log1p", "log", "signedLog1p"),
        "log1p",
    )

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, method="log1p"):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _kernel(self) -> list[Kernel]:
        return self._each(partial(kernels.log, method=self.getMethod()))

    def _row_kernel(self) -> list[RowKernel]:
        return self._each(kernels.log_row(self.getMethod()))

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        return [log_expression(c, self.getMethod()) for c in columns]


def clip_expression(value: Column, lower: float | None, upper: float | None) -> Column:
    """``kernels.numeric.clip`` in Catalyst, where NaN is above all numbers and must be let through."""
    result = value
    if upper is not None:
        result = F.when((result > F.lit(upper)) & ~F.isnan(result), F.lit(upper)).otherwise(result)
    if lower is not None:
        result = F.when(result < F.lit(lower), F.lit(lower)).otherwise(result)
    return result


def log_expression(value: Column, method: str) -> Column:
    """``kernels.numeric.log`` in Catalyst."""
    if method == "signedLog1p":
        # -0.0 keeps its sign as in C, where Java's signum would too, but 0 * -1 would not.
        return F.when(value < 0, -F.log1p(-value)).otherwise(F.when(value == 0, value).otherwise(F.log1p(value)))
    return F.when(value > F.lit(0.0 if method == "log" else -1.0), (F.log if method == "log" else F.log1p)(value))

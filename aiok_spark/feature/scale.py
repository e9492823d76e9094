"""Numbers brought to one scale."""

from __future__ import annotations

import math
from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.params import HasInputCols, HasOutputCols, one_of, param
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, double_field, require_numeric
from aiok_spark.core.stage import Estimator, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.feature.missing import present
from aiok_spark.kernels import numeric as kernels
from aiok_spark.kernels.program import Kernel, RowKernel


class _ScaleParams(Stage, HasInputCols, HasOutputCols):
    method = param(
        "method",
        'how: "standard" (default; less the mean, by the standard deviation of a sample), "minMax" (to [0, 1]) or '
        '"robust" (less the median, by the distance of the quartiles)',
        one_of("standard", "minMax", "robust"),
        "standard",
    )

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_numeric(self._label, inputs)
        return [double_field(name) for name in self._paired_outputs()]


class ScaleModel(RowLocalModel, _ScaleParams):
    """Takes the fitted center from a value, and divides by the fitted width."""

    @property
    def centers(self) -> dict[str, float]:
        """What is taken from the values of each input column."""
        return dict(zip(self.getInputCols(), self._state.facts["centers"], strict=True))

    @property
    def widths(self) -> dict[str, float]:
        """What they are divided by; 1 for a column whose values are all the same."""
        return dict(zip(self.getInputCols(), self._state.facts["widths"], strict=True))

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _pairs(self) -> list[tuple[float, float]]:
        return list(zip(self._state.facts["centers"], self._state.facts["widths"], strict=True))

    def _kernel(self) -> list[Kernel]:
        return [partial(kernels.scale, center=center, width=width) for center, width in self._pairs()]

    def _row_kernel(self) -> list[RowKernel]:
        return [kernels.scale_row(center, width) for center, width in self._pairs()]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        pairs = zip(columns, self._pairs(), strict=True)
        return [(value - F.lit(center)) / F.lit(width) for value, (center, width) in pairs]


class Scale(Estimator, _ScaleParams):
    """Bring numeric columns to one scale, as networks and linear models want it.

    The fit leaves out nulls and NaN; the model leaves them as they are. All results are double.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Numeric columns and the names of the results (may be equal).
    method : {"standard", "minMax", "robust"}
        standard: mean 0 and standard deviation 1 (of a sample, as Spark's StandardScaler). minMax: to [0, 1]; values
        beyond those of the fit go beyond it. robust: median 0 and distance of the quartiles 1; both exact.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, a column without a value, or an infinite one.

    Examples
    --------
    >>> Scale(inputCols=["price"], outputCols=["price"]).fit(df)  # doctest: +SKIP
    """

    _model = ScaleModel

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, method="standard", verbose=True):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        statistics = _STATISTICS[self.getMethod()]
        values = [present(column(name).cast("double"), 0.0, True) for name in self.getInputCols()]
        asked = [c.alias(f"{i}_{j}") for i, value in enumerate(values) for j, c in enumerate(statistics(value))]
        with working(f"{self._label}: measuring", self.getVerbose()):
            found = list(compat.to_arrow(dataset.agg(*asked)).to_pylist()[0].values())
        centers, ends = found[::2], found[1::2]
        for name, center, width in zip(self.getInputCols(), centers, ends, strict=True):
            self._check(name, center, width)
        # A column of one value, or of one row, has no width.
        return State({"centers": centers, "widths": [w if w and w == w else 1.0 for w in ends]})

    def _check(self, name: str, center: float | None, width: float | None) -> None:
        if center is None:
            raise DataError(
                f"{self._label}: inputCols: found no value in column '{name}', expected at least one that is not "
                "missing; check the DataFrame, or leave the column out"
            )
        if not math.isfinite(center) or math.isinf(width or 0.0):
            raise DataError(
                f"{self._label}: inputCols: found infinite values, or ones that add up to it, in column '{name}', "
                "expected finite numbers; clip the column first"
            )


def _standard(value: Column) -> tuple[Column, Column]:
    return F.avg(value), F.stddev_samp(value)


def _min_max(value: Column) -> tuple[Column, Column]:
    return F.min(value), F.max(value) - F.min(value)


def _robust(value: Column) -> tuple[Column, Column]:
    return F.percentile(value, 0.5), F.percentile(value, 0.75) - F.percentile(value, 0.25)


_STATISTICS = {"standard": _standard, "minMax": _min_max, "robust": _robust}  # each gives center and width

"""Numbers brought to one scale."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.params import HasInputCols, HasOutputCols, at_least, one_of, param
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, double_field, require_numeric
from aiok_spark.core.stage import Estimator, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.feature.missing import present
from aiok_spark.kernels import normal
from aiok_spark.kernels import numeric as kernels
from aiok_spark.kernels.program import Kernel, RowKernel


class _ScaleParams(Stage, HasInputCols, HasOutputCols):
    method = param(
        "method",
        'how: "standard" (default; less the mean, by the standard deviation of a sample), "minMax" (to [0, 1]), '
        '"robust" (less the median, by the distance of the quartiles) or "quantileNormal" (to a normal distribution)',
        one_of("standard", "minMax", "robust", "quantileNormal"),
        "standard",
    )
    numQuantiles = param(
        "numQuantiles",
        'how many quantiles method "quantileNormal" fits; whole number from 2; default 1000',
        at_least(2),
        1000,
    )

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_numeric(self._label, inputs)
        return [double_field(name) for name in self._paired_outputs()]


class ScaleModel(RowLocalModel, _ScaleParams):
    """Takes the fitted center from a value and divides by the fitted width, or goes by the fitted quantiles."""

    @property
    def centers(self) -> dict[str, float]:
        """What is taken from the values of each input column; empty for "quantileNormal"."""
        return {name: center for name, (center, _) in zip(self.getInputCols(), self._pairs(), strict=False)}

    @property
    def widths(self) -> dict[str, float]:
        """What they are divided by; 1 for a column whose values are all the same; empty for "quantileNormal"."""
        return {name: width for name, (_, width) in zip(self.getInputCols(), self._pairs(), strict=False)}

    @property
    def quantiles(self) -> dict[str, list[float]]:
        """The fitted quantiles of each input column, from the smallest value to the largest; else empty."""
        return {n: q.tolist() for n, q in zip(self.getInputCols(), self._quantiles(), strict=False)}

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _pairs(self) -> list[tuple[float, float]]:
        facts = self._state.facts
        return list(zip(facts.get("centers", []), facts.get("widths", []), strict=True))

    def _quantiles(self) -> list[np.ndarray]:
        def make() -> list[np.ndarray]:
            table = self._state.tables["quantiles"].sort_by([("column", "ascending"), ("at", "ascending")])
            return np.split(table["value"].to_numpy(), self._state.facts["columns"])

        return self._state.derived("quantiles", make) if "quantiles" in self._state.tables else []

    def _kernel(self) -> list[Kernel]:
        if quantiles := self._quantiles():
            return [partial(normal.to_normal, quantiles=each) for each in quantiles]
        return [partial(kernels.scale, center=center, width=width) for center, width in self._pairs()]

    def _row_kernel(self) -> list[RowKernel]:
        if quantiles := self._quantiles():
            return [normal.to_normal_row(each) for each in quantiles]
        return [kernels.scale_row(center, width) for center, width in self._pairs()]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column] | None:
        if self._quantiles():
            return None
        pairs = zip(columns, self._pairs(), strict=True)
        return [(value - F.lit(center)) / F.lit(width) for value, (center, width) in pairs]


class Scale(Estimator, _ScaleParams):
    """Bring numeric columns to one scale, as networks and linear models want it.

    The fit leaves out nulls and NaN; the model leaves them as they are. All results are double.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Numeric columns and the names of the results (may be equal).
    method : {"standard", "minMax", "robust", "quantileNormal"}
        standard: mean 0 and standard deviation 1 (of a sample, as Spark's StandardScaler). minMax: to [0, 1]; values
        beyond those of the fit go beyond it. robust: median 0 and distance of the quartiles 1; both exact.
        quantileNormal: by rank to a normal distribution, whatever the distribution was.
    numQuantiles : int
        Number of quantiles for quantileNormal.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, a column without a value, or an infinite one.

    Notes
    -----
    quantileNormal is that of scikit-learn's QuantileTransformer: exact quantiles at ``numQuantiles`` equal steps,
    shares between them by linear interpolation, their normal points limited to about [-5.2, 5.2], where the smallest
    and largest value of the fit are, too. Where quantiles are equal, the share is the middle of theirs. A column of one
    value becomes 0. Executions agree within a few ulp. The fit keeps each column's distinct values in memory, as that
    of "robust" does.

    Examples
    --------
    >>> Scale(inputCols=["price"], outputCols=["price"]).fit(df)  # doctest: +SKIP
    """

    _model = ScaleModel

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, method="standard", numQuantiles=1000, verbose=True):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        values = [present(column(name).cast("double"), 0.0, True) for name in self.getInputCols()]
        if self.getMethod() == "quantileNormal":
            return self._fit_quantiles(dataset, values)
        statistics = _STATISTICS[self.getMethod()]
        found = self._measured(dataset, [measure for value in values for measure in statistics(value)])
        centers, ends = found[::2], found[1::2]
        for name, center, width in zip(self.getInputCols(), centers, ends, strict=True):
            self._check(name, center, width)
        # A column of one value, or of one row, has no width.
        return State({"centers": centers, "widths": [w if w and w == w else 1.0 for w in ends]})

    def _fit_quantiles(self, dataset: DataFrame, values: list[Column]) -> State:
        number = self.getNumQuantiles()
        shares = np.linspace(0.0, 1.0, number).tolist()
        found = self._measured(dataset, [F.percentile(value, shares) for value in values])
        for name, quantiles in zip(self.getInputCols(), found, strict=True):
            self._check(name, *((quantiles[0], quantiles[-1] - quantiles[0]) if quantiles else (None, None)))
        # Interpolation between equal values may lose a last bit.
        rising = np.concatenate([np.maximum.accumulate(np.array(quantiles)) for quantiles in found])
        numbers = [np.repeat(np.arange(len(found)), number), np.tile(np.arange(number), len(found))]
        table = pa.table([*numbers, rising], names=["column", "at", "value"])
        return State({"columns": len(found)}, {"quantiles": table})

    def _measured(self, dataset: DataFrame, measures: list[Column]) -> list:
        """What aggregates of all rows find, by one job."""
        with working(f"{self._label}: measuring", self.getVerbose()):
            asked = [measure.alias(f"m{i}") for i, measure in enumerate(measures)]
            return list(compat.to_arrow(dataset.agg(*asked)).to_pylist()[0].values())

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

"""Numbers as ids of intervals."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, IntegerType, StructField

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.params import HasInputCols, HasOutputCols, at_least, one_of, param
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, nominal_metadata, require_numeric
from aiok_spark.core.stage import Estimator, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import POLICY
from aiok_spark.feature.missing import present
from aiok_spark.kernels import buckets as kernels
from aiok_spark.kernels.ids import Policy
from aiok_spark.kernels.program import Kernel, RowKernel

MISSING = 0  # the id of null and NaN
_MOST_BRANCHES = 64  # of a CASE; with more edges a binary search in Python is faster


class _BucketizeParams(Stage, HasInputCols, HasOutputCols):
    numBuckets = param(
        "numBuckets",
        "number of intervals, fewer where quantiles are equal; whole number from 2; default 10",
        at_least(2),
        10,
    )
    method = param(
        "method",
        'where the edges are: "quantile" (default), so that intervals hold equally many rows, or "width", so that they '
        "are equally wide",
        one_of("quantile", "width"),
        "quantile",
    )
    nullPolicy = param(
        "nullPolicy",
        'what null and NaN become: "id" (default) the reserved id 0, "null" a null, or "error" stops',
        POLICY,
        "id",
    )

    def _cardinality(self, i: int) -> int | None:
        """Number of ids of the i-th column, once known."""
        return None

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_numeric(self._label, inputs)
        names = self._paired_outputs()
        known = [self._cardinality(i) for i in range(len(names))]
        return [
            StructField(name, IntegerType(), True, nominal_metadata(name, size) if size else {})
            for name, size in zip(names, known, strict=True)
        ]


class BucketizeModel(_BucketizeParams, RowLocalModel):
    """Fitted edges of intervals."""

    @property
    def edges(self) -> dict[str, list[float]]:
        """Where each input column's intervals but the first begin, ascending."""
        return dict(zip(self.getInputCols(), self._state.facts["edges"], strict=True))

    def _cardinality(self, i: int) -> int:
        return len(self._state.facts["edges"][i]) + 2

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _each(self) -> list[tuple[list[float], Policy]]:
        null, refuse = {"id": MISSING}.get(self.getNullPolicy()), self.getNullPolicy() == "error"
        pairs = zip(self._state.facts["edges"], self.getInputCols(), strict=True)
        return [(edges, Policy(None, null, False, refuse, self._label, name)) for edges, name in pairs]

    def _kernel(self) -> list[Kernel]:
        return [partial(kernels.bucketize, edges=edges, policy=policy) for edges, policy in self._each()]

    def _row_kernel(self) -> list[RowKernel]:
        return [kernels.bucketize_row(edges, policy) for edges, policy in self._each()]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column] | None:
        each = self._each()
        if any(len(edges) > _MOST_BRANCHES for edges, _ in each):
            return None
        return [_bucket(value, edges, policy) for value, (edges, policy) in zip(columns, each, strict=True)]


class Bucketize(Estimator, _BucketizeParams):
    """Numbers as ids of intervals, whose edges are fitted.

    Id 0 stands for null and NaN, whatever the policy, so ids never shift; the lowest interval has 1. An interval has
    its lower edge, not its upper one; the outermost are open, so every number is in one. The output's metadata has the
    cardinality (number of intervals + 1).

    Parameters
    ----------
    inputCols, outputCols : list of str
        Numeric columns and the names of the results, which are int.
    numBuckets : int
        Number of intervals.
    method : {"quantile", "width"}
        quantile: edges at the exact quantiles, with linear interpolation; equal ones count once, so a column of few
        values has fewer intervals. width: equally wide intervals from the smallest to the largest value.
    nullPolicy : {"id", "null", "error"}
        What null and NaN become.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, a column without a value, or edges that are not finite.

    Notes
    -----
    Where you know the edges, and score on Spark alone, use Spark's own Bucketizer. Its QuantileDiscretizer has
    approximate quantiles, which depend on the partitions, and doubles as ids. The fit keeps each column's distinct
    values in memory for quantiles.

    Examples
    --------
    >>> Bucketize(inputCols=["age"], outputCols=["age_id"], numBuckets=20).fit(df)  # doctest: +SKIP
    """

    _model = BucketizeModel

    @keyword_only
    def __init__(
        self, *, inputCols=None, outputCols=None, numBuckets=10, method="quantile", nullPolicy="id", verbose=True
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        number = self.getNumBuckets()
        values = [present(column(name).cast("double"), 0.0, True) for name in self.getInputCols()]
        if self.getMethod() == "quantile":
            asked = [F.percentile(value, [i / number for i in range(1, number)]) for value in values]
        else:
            asked = [F.array(F.min(value), F.max(value)) for value in values]
        with working(f"{self._label}: measuring", self.getVerbose()):
            row = compat.to_arrow(dataset.agg(*[a.alias(f"m{i}") for i, a in enumerate(asked)])).to_pylist()[0]
        return State({"edges": [self._edges(*pair) for pair in zip(self.getInputCols(), row.values(), strict=True)]})

    def _edges(self, name: str, found: list[float | None] | None) -> list[float]:
        if not found or found[0] is None:
            raise DataError(
                f"{self._label}: inputCols: found no value in column '{name}', expected at least one that is not "
                "missing; check the DataFrame, or leave the column out"
            )
        edges = np.array(found, float)
        if self.getMethod() == "width":
            edges = np.linspace(edges[0], edges[-1], self.getNumBuckets() + 1)[1:-1]
        if not all(map(math.isfinite, edges)):
            raise DataError(
                f"{self._label}: inputCols: found infinite values in column '{name}', expected finite numbers; clip "
                "the column first"
            )
        return np.unique(edges).tolist()


def _bucket(value: Column, edges: list[float], policy: Policy) -> Column:
    """``kernels.buckets.bucketize`` in Catalyst, where NaN is above all numbers."""
    made = F.lit(policy.null).cast("int")
    if policy.refuse_null:
        message = str(policy.error("nulls or NaN", "nullPolicy", "one"))
        made = F.raise_error(F.lit(message)).cast("int")
    made = F.when(value.isNull() | F.isnan(value), made)
    for i in reversed(range(len(edges))):
        made = made.when(value >= F.lit(edges[i]), F.lit(i + 2))
    return made.otherwise(F.lit(1))

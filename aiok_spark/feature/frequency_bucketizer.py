"""Categories as how frequent they are, in a few buckets."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt
from pyspark import keyword_only
from pyspark.sql import DataFrame

from aiok_spark.core.params import at_least, one_of, param
from aiok_spark.core.progress import working
from aiok_spark.core.stage import Estimator
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import POLICY, ToIds
from aiok_spark.feature.vocabulary import Vocabularies, count_values
from aiok_spark.feature.vocabulary_model import VocabularyModel, explain_empty, types_of
from aiok_spark.kernels import ids

UNSEEN = 0  # the bucket of values without a frequency
_MOST = 1000

Counts = npt.NDArray[np.int64]


def _to_buckets(value: object) -> int:
    if (number := at_least(1)(value)) > _MOST:
        raise ValueError(f"found {number}, expected at most {_MOST}")
    return number


class _FrequencyBucketizerParams(ToIds):
    numBuckets = param("numBuckets", "number of buckets, in [1, 1000]; default 10", _to_buckets, 10)
    method = param(
        "method",
        'how the counts are cut: "quantile" (default), equally many values in each bucket as far as ties allow, or '
        '"logarithmic", equal widths of the logarithm between the smallest and the largest count',
        one_of("quantile", "logarithmic"),
        "quantile",
    )
    nullPolicy = param(
        "nullPolicy",
        'what a null becomes: "id" (default) 0, as a value that the fit did not see; "null" a null; "error" stops',
        POLICY,
        "id",
    )


class FrequencyBucketizerModel(_FrequencyBucketizerParams, VocabularyModel):
    """Fitted buckets: 0 is unseen, 1 the rarest, the largest the most frequent."""

    def _cardinality(self, i: int) -> int:
        return self.getNumBuckets() + 1

    def _policies(self) -> list[ids.Policy]:
        null, refuse = {"id": UNSEEN}.get(self.getNullPolicy()), self.getNullPolicy() == "error"
        return [ids.Policy(UNSEEN, null, False, refuse, self._label, name) for name in self.getInputCols()]


class FrequencyBucketizer(Estimator, _FrequencyBucketizerParams):
    """Ids of how frequent a value is: from 1 for the rarest to ``numBuckets`` for the most frequent, 0 for unseen.

    The output's metadata has the cardinality, numBuckets + 1.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns of strings, integers, booleans or dates, or arrays of them, and the names of the
        results: int, or array of int in the same order.
    numBuckets : int
        Number of buckets.
    method : {"quantile", "logarithmic"}
        How the counts are cut.
    nullPolicy : {"id", "null", "error"}
        What a null becomes.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, or a column without a value.

    Notes
    -----
    quantile: ``1 + floor(numBuckets * smaller / values)``, where ``smaller`` is the number of values with a smaller
    count. logarithmic: bucket b holds the counts above ``low * (high / low) ** ((b - 1) / numBuckets)``, up to the
    same of b; ``low`` and ``high`` are the smallest and the largest count, and ``low`` is in bucket 1. Values of
    equal counts are in one bucket, so some may be empty. Nulls are not counted. One pass over the rows counts all
    columns, each by itself.

    Examples
    --------
    >>> FrequencyBucketizer(inputCols=["user"], outputCols=["activity"]).fit(df)  # doctest: +SKIP
    """

    _model = FrequencyBucketizerModel

    @keyword_only
    def __init__(
        self, *, inputCols=None, outputCols=None, numBuckets=10, method="quantile", nullPolicy="id", verbose=True
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _cardinality(self, i: int) -> int:
        return self.getNumBuckets() + 1

    def _fit_state(self, dataset: DataFrame) -> State:
        groups = [[name] for name in dict.fromkeys(self.getInputCols())]
        with working(f"{self._label}: counting values, columns: {len(groups)}", self.getVerbose()):
            counted = count_values(dataset, groups, 1)
        for group, table in zip(groups, counted, strict=True):
            if len(table) == 0:
                explain_empty(self._label, dataset, group)
        cut = {"quantile": quantile_buckets, "logarithmic": logarithmic_buckets}[self.getMethod()]
        buckets = [cut(table["count"].to_numpy(), self.getNumBuckets()).astype(np.int32) for table in counted]
        return Vocabularies.state_of(groups, *types_of(dataset, groups), counted, buckets)


def quantile_buckets(counts: Counts, number: int) -> Counts:
    """Bucket of each count, from 1, by the share of smaller ones."""
    return 1 + np.searchsorted(np.sort(counts), counts) * number // len(counts)


def logarithmic_buckets(counts: Counts, number: int) -> Counts:
    """Bucket of each count, from 1, by its logarithm; in whole numbers, so that no rounding moves an edge."""
    distinct, at = np.unique(counts, return_inverse=True)
    low, high = int(distinct[0]), int(distinct[-1])
    edges = [high**b * low ** (number - b) for b in range(1, number)]
    return np.array([1 + bisect_left(edges, int(count) ** number) for count in distinct])[at]

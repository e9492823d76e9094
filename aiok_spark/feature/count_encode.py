"""Categories as how often they occur."""

from __future__ import annotations

import numpy as np
from pyspark import keyword_only
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType, LongType

from aiok_spark.core.progress import working
from aiok_spark.core.stage import Estimator
from aiok_spark.core.state import State
from aiok_spark.feature.key_tables import Aggregated
from aiok_spark.feature.keys import HasKeys, KeyedModel
from aiok_spark.kernels.keyed import Numbers


class _Counting(HasKeys, Estimator):
    """Base of the estimators that count the rows of each key."""

    def _fit_state(self, dataset: DataFrame) -> State:
        with working(f"{self._label}: counting", self.getVerbose()):
            found = Aggregated(self._label, dataset, self._keys())
        numbers = [
            {"rows": part["rows"].to_numpy()[np.argsort(keys)]}
            for part, keys in zip(found.parts, found.keys, strict=True)
        ]
        return found.state(numbers, {"rows": int(numbers[0]["rows"].sum())})


class _CountEncodeParams(HasKeys):
    def _output_type(self) -> DataType:
        return LongType()


class CountEncodeModel(_CountEncodeParams, KeyedModel):
    """Fitted counts of the keys; 0 for unknown ones."""

    def _numbers(self, group: int) -> tuple[Numbers, ...]:
        return (np.append(self._tables().table(group)["rows"].to_numpy(), 0),)


class CountEncode(_CountEncodeParams, _Counting):
    """Replace categories by the number of rows of the fit that have them.

    Parameters
    ----------
    inputCols : list of str
        Columns of strings, integers, booleans or dates, each of which is a key.
    crosses : list of list of str
        Groups of such columns, each of which is one key; their keys follow those of ``inputCols``.
    outputCols : list of str
        Names of the results, bigint, one for each key.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, or a key column of nothing but null.

    Notes
    -----
    Null is a key of its own; unknown keys become 0. The rows of the fit get the counts of all rows, their own
    among them: there is no label that could leak, so nothing is left out. So no training row has a 0.

    Examples
    --------
    >>> CountEncode(inputCols=["ip"], crosses=[["ip", "day"]], outputCols=["n", "n_day"]).fit(df)  # doctest: +SKIP
    """

    _model = CountEncodeModel

    @keyword_only
    def __init__(self, *, inputCols=[], crosses=[], outputCols=None, verbose=True):  # noqa: B006, only shown
        super().__init__()
        self.setParams(**self._input_kwargs)


class FrequencyEncodeModel(KeyedModel):
    """Fitted shares of the keys; 0 for unknown ones."""

    def _numbers(self, group: int) -> tuple[Numbers, ...]:
        return (np.append(self._tables().table(group)["rows"].to_numpy() / self._state.facts["rows"], 0.0),)


class FrequencyEncode(_Counting):
    """Replace categories by the share, in [0, 1], of the rows of the fit that have them.

    Parameters
    ----------
    inputCols : list of str
        Columns of strings, integers, booleans or dates, each of which is a key.
    crosses : list of list of str
        Groups of such columns, each of which is one key; their keys follow those of ``inputCols``.
    outputCols : list of str
        Names of the results, double, one for each key.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, or a key column of nothing but null.

    Notes
    -----
    The rows of a key by the number of all rows. Null is a key of its own; unknown keys become 0. As in
    ``CountEncode``, the rows of the fit are treated as all others.

    Examples
    --------
    >>> FrequencyEncode(inputCols=["city"], outputCols=["city_share"]).fit(df)  # doctest: +SKIP
    """

    _model = FrequencyEncodeModel

    @keyword_only
    def __init__(self, *, inputCols=[], crosses=[], outputCols=None, verbose=True):  # noqa: B006, only shown
        super().__init__()
        self.setParams(**self._input_kwargs)

"""An evaluator that costs nothing, to try stages in a CrossValidator."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml.evaluation import Evaluator
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame

from aiok_spark.core.params import param, to_names


class HasColumns(Evaluator, DefaultParamsReadable, DefaultParamsWritable):
    """1.0 if the DataFrame has certain columns, else 0.0; runs no job.

    Parameters
    ----------
    columns : list of str
        Names of the columns.
    """

    columns = param("columns", "names of the columns that must be there; no default", to_names)

    @keyword_only
    def __init__(self, *, columns: Any = None) -> None:
        super().__init__()
        if columns is not None:
            self._set(columns=columns)

    def _evaluate(self, dataset: DataFrame) -> float:
        return float(set(self.getOrDefault(self.columns)) <= set(dataset.columns))

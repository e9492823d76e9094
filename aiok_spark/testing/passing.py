"""An estimator that learns nothing, to stand behind a stage in a Pipeline."""

from __future__ import annotations

from pyspark.ml import Estimator, Model
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame


class PassThroughModel(Model, DefaultParamsReadable, DefaultParamsWritable):
    """Gives the rows as they are."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset


class PassThrough(Estimator, DefaultParamsReadable, DefaultParamsWritable):
    """Runs no job.

    As the last estimator it makes ``Pipeline.fit`` feed it what the stages before give for training,
    which is when a fit-time stage shows its training form.
    """

    def _fit(self, dataset: DataFrame) -> PassThroughModel:
        return PassThroughModel()

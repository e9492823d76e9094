"""The stages of a Pipeline that no tuned Param touches: fitted once for all trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.ml import Estimator, Pipeline, Transformer
from pyspark.sql import DataFrame

from aiok_spark.core.stage import FitTimeModel
from aiok_spark.data import PetastormConverter
from aiok_spark.tuning.binding import BoundSpace, stages_of


def split(estimator: Any, space: BoundSpace) -> tuple[list[Any], Any]:
    """The leading stages that all trials share, and the estimator of what is left."""
    if not isinstance(estimator, Pipeline):
        return [], estimator
    tuned = {param.parent for param in space.params.values()}
    stages = estimator.getStages()
    shared = 0
    if estimator.uid not in tuned:  # a search over whole lists of stages shares none
        while shared < len(stages) - 1 and not any(stage.uid in tuned for stage in stages_of(stages[shared])):
            shared += 1
    return stages[:shared], Pipeline(stages=stages[shared:]) if shared else estimator


@dataclass
class Prepared:
    """Rows of a fold behind the shared stages.

    Attributes
    ----------
    training, validation : DataFrame
        To learn from, and to measure on.
    kept : list
        What to let go when the search is over.
    """

    training: DataFrame
    validation: DataFrame
    kept: list[Any]

    def release(self) -> None:
        """Let go of what was kept."""
        for one in self.kept:
            one.delete() if hasattr(one, "delete") else one.unpersist()


def prepare(stages: list[Any], training: DataFrame, validation: DataFrame, materialize: str) -> Prepared:
    """Fit the shared stages, as a Pipeline does, and keep what comes out of them.

    Parameters
    ----------
    stages : list
        The shared ones.
    training, validation : DataFrame
        Of a fold.
    materialize : {"memory", "files", "none"}
        Where the rows are kept: cached by Spark, as a dataset of ``PetastormConverter``, or not at all.
    """
    for stage in stages:
        if isinstance(stage, Estimator):
            model = stage.fit(training)
            training, validation = model.transform(training), model.transform(validation)
        else:
            assert isinstance(stage, Transformer)
            training, validation = stage.transform(training), stage.transform(validation)
    if materialize == "memory":
        kept = [training.persist(), validation.persist()]
        return Prepared(training, validation, kept)
    if materialize == "files":
        model, training = PetastormConverter(verbose=False).fitTransform(training)
        assert isinstance(model, FitTimeModel)
        return Prepared(training, validation.persist(), [model, validation])
    return Prepared(training, validation, [])

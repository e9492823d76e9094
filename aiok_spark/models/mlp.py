"""Multilayer perceptrons for classes and for numbers."""

from __future__ import annotations

from typing import Any

from aiok_spark.core.params import at_least, param
from aiok_spark.training.estimator import GroupedStage, NetworkModel, SteppedEstimator
from aiok_spark.training.params import HasNumClasses, HasOptimizer, to_share, to_widths
from aiok_spark.training.task import CLASSIFICATION, REGRESSION


class _MLPParams(GroupedStage, HasOptimizer):
    hiddenLayers = param(
        "hiddenLayers", "widths of the hidden layers, each from 1; default [64, 32]", to_widths, [64, 32]
    )
    embeddingDim = param("embeddingDim", "length of an id's vector, from 1; default 8", at_least(1), 8)
    dropout = param(
        "dropout", "share of hidden values that a training step leaves out, in [0, 1); default 0", to_share, 0.0
    )

    def _network(self) -> Any:
        return "aiok_spark.models.networks.mlp:MLP"

    def _arguments(self) -> dict[str, Any]:
        return {name: self.getOrDefault(name) for name in ("hiddenLayers", "embeddingDim", "dropout")}


class _MLPClassifierParams(_MLPParams, HasNumClasses):
    def _kind(self) -> str:
        return CLASSIFICATION


class _MLPRegressorParams(_MLPParams):
    def _kind(self) -> str:
        return REGRESSION


class MLPClassificationModel(_MLPClassifierParams, NetworkModel):
    """A trained multilayer perceptron for classes."""


class MLPRegressionModel(_MLPRegressorParams, NetworkModel):
    """A trained multilayer perceptron for numbers."""


class MLPClassifier(_MLPClassifierParams, SteppedEstimator):
    """Classify by a multilayer perceptron over numbers and embedded ids, trained on the executors.

    Parameters
    ----------
    denseCols, categoricalCols, featuresCol : list of str, list of str, str
        Numbers (or vectors), ids, or one vector column.
    hiddenLayers : list of int
        Widths of the hidden layers.
    embeddingDim : int
        Length of an id's vector.
    dropout : float
        Share of hidden values that a training step leaves out.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    Examples
    --------
    >>> from aiok_spark.models import MLPClassifier
    >>> mlp = MLPClassifier(featuresCol="features", labelCol="label", hiddenLayers=[32], epochs=5, numWorkers=2)
    >>> model = mlp.fit(df)  # doctest: +SKIP
    """

    _model = MLPClassificationModel


class MLPRegressor(_MLPRegressorParams, SteppedEstimator):
    """Predict a number by a multilayer perceptron over numbers and embedded ids, trained on the executors.

    Parameters are those of ``MLPClassifier``, but for those on classes.

    Examples
    --------
    >>> from aiok_spark.models import MLPRegressor
    >>> mlp = MLPRegressor(denseCols=["age", "rooms"], labelCol="price", hiddenLayers=[32], epochs=5)
    >>> model = mlp.fit(df)  # doctest: +SKIP
    """

    _model = MLPRegressionModel

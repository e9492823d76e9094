"""A linear support vector machine."""

from __future__ import annotations

from typing import Any

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param, to_positive
from aiok_spark.training.estimator import GroupedStage, NetworkEstimator, NetworkModel
from aiok_spark.training.params import HasAveraging, HasRawPredictionCol
from aiok_spark.training.task import BINARY, Group


class _LinearSVMParams(GroupedStage, HasRawPredictionCol, HasAveraging):
    regParam = param(
        "regParam", "weight of the squared norm in the objective, above 0; default 1e-4", to_positive, 1e-4
    )
    learningRate = param(
        "learningRate",
        "first step size, above 0, from where it falls as 1 / (regParam * step); default 0.5",
        to_positive,
        0.5,
    )

    def _network(self) -> Any:
        return "aiok_spark.models.networks.linear:Linear"

    def _kind(self) -> str:
        return BINARY


class LinearSVMModel(_LinearSVMParams, NetworkModel):
    """A trained linear support vector machine; ``rawPrediction`` has the margins, there are no probabilities."""


class LinearSVM(_LinearSVMParams, NetworkEstimator):
    """Separate two classes by a hyperplane, by Pegasos steps on the executors.

    Minimises ``regParam / 2 |w|^2 + mean(max(0, 1 - y (w x + b)))`` by stochastic subgradient steps of size
    ``learningRate / (1 + learningRate regParam t)``, which is Pegasos' ``1 / (regParam (t + t0))``.

    Parameters
    ----------
    featuresCol, denseCols : str, list of str
        One vector column, or numeric columns.
    regParam : float
        Weight of the squared norm.
    learningRate : float
        First step size.
    averageEvery : int
        0: workers exchange subgradients at every step. From 1: each steps by itself, and the weights are averaged
        after so many steps, which sends less.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    References
    ----------
    Shalev-Shwartz, Singer, Srebro, Cotter: Pegasos, Mathematical Programming 127 (2011).

    Examples
    --------
    >>> from aiok_spark.models import LinearSVM
    >>> svm = LinearSVM(featuresCol="features", labelCol="label", epochs=10, numWorkers=2, averageEvery=20)
    >>> model = svm.fit(df)  # doctest: +SKIP
    """

    _model = LinearSVMModel

    def _loss(self) -> Any:
        return "hinge"

    def _check_params(self) -> None:
        super()._check_params()
        if self.getCategoricalCols():
            raise ParamError(
                f"{self._label}: categoricalCols: found {self.getCategoricalCols()}, expected none, as a linear "
                "function has no tables; encode them by OneHotEncoder and name them in denseCols"
            )

    def _settings(self) -> dict[str, Any]:
        rate = self.getLearningRate()
        groups = (Group("bias", "sgd", rate), Group("", "sgd", rate, self.getRegParam()))
        return {"groups": groups, "schedule": "pegasos", "averageEvery": self.getAverageEvery()}

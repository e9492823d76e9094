"""Any torch module as a Spark ML estimator."""

from __future__ import annotations

from typing import Any

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param
from aiok_spark.training.estimator import GroupedStage, SteppedEstimator
from aiok_spark.training.params import (
    HasAveraging,
    HasNumClasses,
    HasOptimizer,
    HasProblemType,
    to_arguments,
    to_code,
    to_groups,
    to_loss,
)
from aiok_spark.training.task import Group
from aiok_spark.training.user_code import CodeModel, HasCode


class _TorchParams(HasCode, HasProblemType, GroupedStage, HasNumClasses, HasOptimizer, HasAveraging):
    _code_params = ("module", "loss")
    _id_lists = True
    module = param(
        "module",
        "the network: a torch.nn.Module class, a function that makes one, or 'package.module:Name'; no default",
        to_code,
    )
    moduleArgs = param("moduleArgs", "keyword arguments of module, as JSON has them; default none", to_arguments, {})
    loss = param(
        "loss",
        "'auto' (default: the first of its kind), 'logLoss' or 'hinge' (binary), 'logLoss' (multiclass), 'squared', "
        "'absolute' or 'huber' (regression), or a function of outputs and labels that gives a value for each row",
        to_loss,
        "auto",
    )
    parameterGroups = param(
        "parameterGroups",
        "optimizers by parameter name, each a dict of match (regular expression), optimizer, learningRate, "
        "weightDecay, momentum, sparse; what none matches goes by the other Params; default none",
        to_groups,
        [],
    )

    def _network(self) -> Any:
        return self.getModule()

    def _arguments(self) -> dict[str, Any]:
        return self.getModuleArgs()


class TorchModel(_TorchParams, CodeModel):
    """A trained torch module; ``transform`` adds raw scores, probabilities and predictions.

    One of a notebook is saved as ONNX, if the extra ``onnx`` is installed, and scored by onnxruntime once loaded.
    """


class TorchEstimator(_TorchParams, SteppedEstimator):
    """Train a torch module on the executors, rows fed by Arrow.

    The module's ``forward`` gets a tensor for each group of columns, by name: ``dense`` (float, [rows, numbers])
    and ``categorical`` (integers, [rows, ids]: one for each column, or as many as its arrays have).  It returns one
    logit a row (binary), a score for each class, [rows, classes] (multiclass), or one number a row (regression).  If
    its constructor has an argument ``features``, that is the ``FeatureSpec`` of the columns: their widths and table
    sizes.

    Tables made with ``sparse=True`` are exchanged by the rows that a step touched, and have an optimizer of their own.

    Parameters
    ----------
    module : class, function or str
        The network.  A class of a notebook fits and transforms at once; to be saved, it must be in a module, or the
        extra ``onnx`` installed.
    moduleArgs : dict
        Its arguments.
    problemType : {"binary", "multiclass", "regression"}
        What the label is.
    denseCols, categoricalCols, featuresCol : list of str, list of str, str
        What the network reads.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    Raises
    ------
    DataError
        At fit: labels, weights, numbers or ids that cannot be used; says which column and how many.
    ClusterError
        At fit: too few slots, dynamic allocation, or another version on an executor.
    TrainingError
        At fit: a worker raised, hung or was lost too often.

    Examples
    --------
    >>> import torch
    >>> net = lambda features: torch.nn.Sequential(torch.nn.Linear(features.width, 8), torch.nn.ReLU(),
    ...                                            torch.nn.Linear(8, 1))
    >>> estimator = TorchEstimator(module=net, denseCols=["age", "price"], numWorkers=2, epochs=3)
    >>> model = estimator.fit(df)  # doctest: +SKIP
    >>> model.summary.history[-1]["auc"]  # doctest: +SKIP
    """

    _model = TorchModel

    def _loss(self) -> Any:
        return self.getLoss()

    def _groups(self) -> list[Group]:
        rate = {"learningRate": self.getLearningRate()}
        return [Group(**{**rate, **group}) for group in self.getParameterGroups()] + super()._groups()

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "averageEvery": self.getAverageEvery()}

    def _check_params(self) -> None:
        super()._check_params()
        plain = self.getOptimizer() == "sgd" and self.getEmbeddingOptimizer() in ("auto", "sgd")
        if self.getAverageEvery() and (not plain or self.getMomentum() or self.getParameterGroups()):
            raise ParamError(
                f"{self._label}: averageEvery: found {self.getAverageEvery()} with optimizer '{self.getOptimizer()}', "
                f"momentum {self.getMomentum()} and {len(self.getParameterGroups())} parameterGroups, expected 'sgd' "
                "alone, as moments are not averaged; change one of them"
            )

"""The deep learning recommendation model, for clicks and other yes-or-no labels."""

from __future__ import annotations

from typing import Any

from pyspark.sql.types import StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import at_least, param
from aiok_spark.training.estimator import GroupedStage, NetworkModel, SteppedEstimator
from aiok_spark.training.params import HasOptimizer, HasProbabilityCol, to_widths
from aiok_spark.training.task import BINARY


class _DLRMParams(GroupedStage, HasProbabilityCol, HasOptimizer):
    embeddingDim = param("embeddingDim", "length of an id's vector, from 1; default 16", at_least(1), 16)
    bottomLayers = param(
        "bottomLayers",
        "widths of the hidden layers that the numbers go through, each from 1; default [512, 256, 64]",
        to_widths,
        [512, 256, 64],
    )
    topLayers = param(
        "topLayers",
        "widths of the hidden layers that the dot products go through, each from 1; default [512, 256]",
        to_widths,
        [512, 256],
    )

    def _network(self) -> Any:
        return "aiok_spark.models.networks.dlrm:DLRM"

    def _kind(self) -> str:
        return BINARY

    def _arguments(self) -> dict[str, Any]:
        return {name: self.getOrDefault(name) for name in ("embeddingDim", "bottomLayers", "topLayers")}

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if not self.getCategoricalCols():
            raise ParamError(
                f"{self._label}: categoricalCols: found none, expected at least one column of ids, as a DLRM is "
                "made of their vectors; set it, or use MLPClassifier"
            )
        if len(inputs) < 2:
            raise ParamError(
                f"{self._label}: categoricalCols: found a single column, expected two or more, or denseCols beside it, "
                "as a DLRM learns from products of vectors; add columns, or use MLPClassifier"
            )
        return super()._output_fields(inputs)


class DLRMClassificationModel(_DLRMParams, NetworkModel):
    """A trained DLRM; ``transform`` adds raw scores, probabilities and predictions."""


class DLRMClassifier(_DLRMParams, SteppedEstimator):
    """Classify rows of numbers and many ids by a DLRM, trained on the executors.

    Ids become vectors, numbers another one through the bottom layers; the dot products of all pairs, beside the
    numbers' vector, go through the top layers.

    Parameters
    ----------
    denseCols, categoricalCols : list of str
        Numbers, and ids with their metadata (as ``Categorify`` makes them).
    embeddingDim : int
        Length of a vector.
    bottomLayers, topLayers : list of int
        Widths of the hidden layers.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    References
    ----------
    Naumov et al.: Deep Learning Recommendation Model for Personalization and Recommendation Systems,
    arXiv:1906.00091.

    Examples
    --------
    >>> from aiok_spark.models import DLRMClassifier
    >>> dlrm = DLRMClassifier(denseCols=["age", "price"], categoricalCols=["country_id", "device_id"], numWorkers=2)
    >>> model = dlrm.fit(df)  # doctest: +SKIP
    """

    _model = DLRMClassificationModel

"""Training of networks on a Spark cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiok_spark._lazy import importer

if TYPE_CHECKING:
    from aiok_spark.training.orca_estimator import OrcaEstimator, OrcaModel
    from aiok_spark.training.summary import TrainingSummary
    from aiok_spark.training.torch_estimator import TorchEstimator, TorchModel

_HOMES = {
    "OrcaEstimator": "orca_estimator",
    "OrcaModel": "orca_estimator",
    "TorchEstimator": "torch_estimator",
    "TorchModel": "torch_estimator",
    "TrainingSummary": "summary",
}

__all__ = [
    "OrcaEstimator",
    "OrcaModel",
    "TorchEstimator",
    "TorchModel",
    "TrainingSummary",
]

__getattr__ = importer("aiok_spark.training", _HOMES)

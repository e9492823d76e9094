"""Training of networks on a Spark cluster."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Import what is asked for: a worker needs this package, but no stage (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aiok_spark.training' has no attribute {name!r}")
    return getattr(import_module(f"aiok_spark.training.{_HOMES[name]}"), name)

"""Networks as Spark ML estimators."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiok_spark.models.dlrm import DLRMClassificationModel, DLRMClassifier
    from aiok_spark.models.linear_svm import LinearSVM, LinearSVMModel
    from aiok_spark.models.mlp import MLPClassificationModel, MLPClassifier, MLPRegressionModel, MLPRegressor

_HOMES = {
    "DLRMClassificationModel": "dlrm",
    "DLRMClassifier": "dlrm",
    "LinearSVM": "linear_svm",
    "LinearSVMModel": "linear_svm",
    "MLPClassificationModel": "mlp",
    "MLPClassifier": "mlp",
    "MLPRegressionModel": "mlp",
    "MLPRegressor": "mlp",
}

__all__ = [
    "DLRMClassificationModel",
    "DLRMClassifier",
    "LinearSVM",
    "LinearSVMModel",
    "MLPClassificationModel",
    "MLPClassifier",
    "MLPRegressionModel",
    "MLPRegressor",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a worker needs the networks, but no stage (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aiok_spark.models' has no attribute {name!r}")
    return getattr(import_module(f"aiok_spark.models.{_HOMES[name]}"), name)

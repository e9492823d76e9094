"""Networks as Spark ML estimators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiok_spark._lazy import importer

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

__getattr__ = importer("aiok_spark.models", _HOMES)

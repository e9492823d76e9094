"""Scripts of BigDL Orca on this package's engine: change the import line, keep the script.

``from bigdl.orca import init_orca_context, stop_orca_context``, ``from bigdl.orca.learn.pytorch import Estimator`` and
``from bigdl.orca.learn.metrics import Accuracy`` become ``from aiok_spark.training.orca_compat import ...``. What is
different then is in the guide "From BigDL Orca".
"""

from typing import Any

from aiok_spark.training.orca_compat.context import OrcaContext, init_orca_context, stop_orca_context
from aiok_spark.training.orca_compat.estimator import Estimator, PyTorchEstimator
from aiok_spark.training.orca_compat.metrics import (
    AUC,
    MAE,
    MSE,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    Top5Accuracy,
)

__all__ = [
    "AUC",
    "MAE",
    "MSE",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Estimator",
    "OrcaContext",
    "PyTorchEstimator",
    "SparseCategoricalAccuracy",
    "Top5Accuracy",
    "init_orca_context",
    "stop_orca_context",
]


def __getattr__(name: str) -> Any:
    """Say what there is, for a name of Orca's that is not."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"aiok_spark.training.orca_compat: found no {name}, expected one of {__all__}; a metric may be any function of "
        "outputs and labels"
    )

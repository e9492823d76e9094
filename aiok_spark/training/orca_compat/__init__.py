"""Scripts of BigDL Orca on this package's engine: change the import line, keep the script.

``from bigdl.orca import init_orca_context, stop_orca_context``, ``from bigdl.orca.learn.pytorch import Estimator`` and
``from bigdl.orca.learn.metrics import Accuracy`` become ``from aiok_spark.training.orca_compat import ...``. What is
different then is in the guide "From BigDL Orca".
"""

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

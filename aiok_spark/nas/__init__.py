"""Architecture search without training (DE-NAS): spaces, scores, engines, and the estimator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiok_spark.nas.denas_estimator import DENASEstimator, DENASModel
    from aiok_spark.nas.search import DENASSearch
    from aiok_spark.nas.space import ArchitectureSpace
    from aiok_spark.nas.spaces.bert import BertSpace
    from aiok_spark.nas.spaces.cnn import CnnSpace
    from aiok_spark.nas.spaces.ctr import CtrSpace
    from aiok_spark.nas.spaces.nasbench201 import NasBench201
    from aiok_spark.nas.spaces.vit import VitSpace

_HOMES = {
    "ArchitectureSpace": "space",
    "BertSpace": "spaces.bert",
    "CnnSpace": "spaces.cnn",
    "CtrSpace": "spaces.ctr",
    "DENASEstimator": "denas_estimator",
    "DENASModel": "denas_estimator",
    "DENASSearch": "search",
    "NasBench201": "spaces.nasbench201",
    "VitSpace": "spaces.vit",
}

__all__ = [
    "ArchitectureSpace",
    "BertSpace",
    "CnnSpace",
    "CtrSpace",
    "DENASEstimator",
    "DENASModel",
    "DENASSearch",
    "NasBench201",
    "VitSpace",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a worker needs the networks, but no stage (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aiok_spark.nas' has no attribute {name!r}")
    return getattr(import_module(f"aiok_spark.nas.{_HOMES[name]}"), name)

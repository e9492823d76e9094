"""Architecture search without training (DE-NAS): spaces, scores, engines, and the estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiok_spark._lazy import importer

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

__getattr__ = importer("aiok_spark.nas", _HOMES)

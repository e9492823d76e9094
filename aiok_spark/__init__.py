"""Every step of an AI flow as a Spark ML Transformer or Estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiok_spark._lazy import importer
from aiok_spark._version import __version__

if TYPE_CHECKING:
    from aiok_spark.core.allow import register
    from aiok_spark.core.persistence import load
    from aiok_spark.core.ship import ship

__all__ = ["__version__", "load", "register", "ship"]

_HOMES = {"load": "core.persistence", "register": "core.allow", "ship": "core.ship"}

__getattr__ = importer("aiok_spark", _HOMES)

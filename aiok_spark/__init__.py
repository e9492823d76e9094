"""Every step of an AI flow as a Spark ML Transformer or Estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiok_spark._version import __version__

if TYPE_CHECKING:
    from aiok_spark.core.allow import register
    from aiok_spark.core.persistence import load
    from aiok_spark.core.ship import ship

__all__ = ["__version__", "load", "register", "ship"]

_HOMES = {"load": "persistence", "register": "allow", "ship": "ship"}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that ``import aiok_spark`` costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aiok_spark' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"aiok_spark.core.{_HOMES[name]}"), name)

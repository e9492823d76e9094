"""Spaces of architectures, one module for each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from aiok_spark.core import allow
from aiok_spark.core.errors import UnsafeClassError
from aiok_spark.nas.space import ArchitectureSpace


def space_of(told: Mapping[str, Any]) -> ArchitectureSpace:
    """The space that ``to_json`` told of; its class must be ours, or registered (``aiok_spark.register``)."""
    fields = dict(told)
    name = str(fields.pop("class"))
    module, _, cls = name.partition(":")
    allow.check(name.replace(":", "."), "searchSpace")
    found = getattr(import_module(module), cls, None)
    if not (isinstance(found, type) and issubclass(found, ArchitectureSpace)):
        raise UnsafeClassError(f"searchSpace: found {name!r}, expected a class derived from ArchitectureSpace")
    return found.from_fields(fields)

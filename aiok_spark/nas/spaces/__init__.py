"""Spaces of architectures, one module for each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from aiok_spark.core import allow
from aiok_spark.core.errors import UnsafeClassError
from aiok_spark.nas.space import ArchitectureSpace

NAMED = {
    "bert": "BertSpace",
    "cnn": "CnnSpace",
    "ctr": "CtrSpace",
    "nasbench201": "NasBench201",
    "vit": "VitSpace",
}


def to_space(value: Any) -> ArchitectureSpace:
    """A space as it is, by its name with its own defaults, or as ``to_json`` told of it."""
    if isinstance(value, ArchitectureSpace):
        return value
    if isinstance(value, str):
        if value not in NAMED:
            raise ValueError(f"found '{value}', expected an ArchitectureSpace or one of {list(NAMED)}")
        found: ArchitectureSpace = getattr(import_module(f"{__name__}.{value}"), NAMED[value])()
        return found
    if isinstance(value, Mapping) and "class" in value:
        return space_of(value)
    raise TypeError(
        f"found {value!r} ({type(value).__name__}), expected an ArchitectureSpace such as CtrSpace(), or one of "
        f"{list(NAMED)}"
    )


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

"""Which classes a saved directory may name: importing a class runs its module's code."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from pyspark.ml.param import Params

from aiok_spark.core.errors import UnsafeClassError

_PACKAGES = ("aiok_spark.", "pyspark.ml.", "org.apache.spark.ml.")

_registered: dict[str, Any] = {}

C = TypeVar("C", bound=Callable[..., Any])


def register(cls: C) -> C:
    """Allow saved directories to name this class or function; a decorator for stages and networks of your own.

    Examples
    --------
    >>> from aiok_spark import register
    >>> from pyspark.ml import Transformer
    >>> @register
    ... class MyStage(Transformer): ...
    """
    _registered[_name(cls)] = cls
    return cls


def check(name: Any, path: str) -> None:
    """Raise UnsafeClassError unless the class is allowed."""
    if not isinstance(name, str) or not (name.startswith(_PACKAGES) or name in _registered):
        raise UnsafeClassError(
            f"{path}: the metadata names {name!r}, expected a class of aiok_spark or pyspark.ml, or a registered class "
            "or function; if you trust it, import its module and call aiok_spark.register(it)"
        )


def resolve(name: str, path: str) -> type[Params]:
    """The allowed class of this name, imported."""
    check(name, path)
    if name in _registered:
        return _registered[name]
    module, _, cls = name.replace("org.apache.spark", "pyspark").rpartition(".")
    try:
        found = getattr(import_module(module), cls)
    except (ImportError, AttributeError):
        raise UnsafeClassError(
            f"{path}: the metadata names class '{name}', found no such class in this installation, expected one "
            "that can be imported; install the version that saved it"
        ) from None
    if not (isinstance(found, type) and issubclass(found, Params)):
        raise UnsafeClassError(f"{path}: the metadata names '{name}', found {found!r}, expected a Spark ML stage class")
    return found


def _name(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__name__}"  # as Spark's metadata has it

"""Code that a task names: a class or function by where it is, or live from a notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_LIVE = "live:"


def reference(code: Any) -> tuple[str, dict[str, Any]]:
    """The name of a class or function, and itself under that name where nobody else can import it.

    Parameters
    ----------
    code : str, class or function
        ``package.module:Name``, or the thing itself.

    Returns
    -------
    tuple of str and dict
        The dict is empty if the name is enough.
    """
    if isinstance(code, str):
        return code, {}
    module, name = getattr(code, "__module__", None), getattr(code, "__qualname__", None)
    if module and name and module != "__main__" and "<" not in name:
        return f"{module}:{name}", {}
    from pyspark import cloudpickle

    digest = hashlib.sha256(cloudpickle.dumps(code)).hexdigest()[:16]
    label = f"{_LIVE}{name or type(code).__name__}:{digest}"
    return label, {label: code}


def is_live(name: str) -> bool:
    """Whether a name stands for code of a notebook, which no file holds."""
    return name.startswith(_LIVE)


def resolve(name: str, live: Mapping[str, Any]) -> Any:
    """The class or function of a name."""
    if name in live:
        return live[name]
    if is_live(name):
        raise ImportError(
            f"{name.split(':')[1]}: found only its name, expected the code, which was in a notebook; "
            "move it into a module that can be imported"
        )
    module, _, path = name.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as e:
        raise ImportError(
            f"{name}: found no module '{e.name}' here, expected it on every executor; "
            "ship it (spark-submit --py-files, or spark.addArtifacts(..., pyfile=True)) or install it there"
        ) from e
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ImportError(f"{name}: found no '{part}' in {module}, expected a class or function") from None
    return found

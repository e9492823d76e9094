"""Which saved stages a directory holds, found as Spark's own loaders find them.

Those import whatever class a nested stage names.  So before they are called, this walks the same
places: the stages of a Pipeline, and the parts of a CrossValidator, a TrainValidationSplit and a
OneVsRest.  Places are named by the metadata itself, and a name that would lead elsewhere is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from aiok_spark.core.errors import NothingSavedError, UnsafeClassError

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # no slash, no leading dot or underscore

# Parts of Spark's composite stages; a `*` stands for 0, 1, 2 ... as long as there is such a place.
_PARTS = {
    "CrossValidator": ("estimator", "evaluator"),
    "CrossValidatorModel": ("estimator", "evaluator", "bestModel", "subModels/fold*/*"),
    "TrainValidationSplit": ("estimator", "evaluator"),
    "TrainValidationSplitModel": ("estimator", "evaluator", "bestModel", "subModels/*"),
    "OneVsRest": ("classifier",),
    "OneVsRestModel": ("classifier", "model_*"),
    "TunedEstimator": ("estimator", "evaluator"),
    "TunedModel": ("estimator", "evaluator", "bestModel"),
}

ReadMetadata = Callable[[str], dict[str, Any]]


def is_python(name: str) -> bool:
    """Whether a saved class is Python's to load, not the JVM's."""
    return not name.startswith("org.apache.spark.")


def saved_stages(read: ReadMetadata, path: str) -> Iterator[tuple[str, str]]:
    """Path and class name of the stage at ``path`` and of all within it.

    Parameters
    ----------
    read : callable
        Path of a saved stage to its metadata; raises NothingSavedError where there is nothing.
    path : str
        Where to start.
    """
    metadata = read(path)
    name = metadata["class"]
    yield path, name
    kind = str(name).rpartition(".")[2]
    if not str(name).startswith(("pyspark.ml.", "aiok_spark.")):
        return  # registered classes load their own parts; the JVM's hold no Python class
    if kind in ("Pipeline", "PipelineModel"):
        uids = metadata.get("stageUids") or metadata["paramMap"]["stageUids"]
        width = len(str(len(uids)))
        for i, uid in enumerate(uids):
            yield from saved_stages(read, f"{path}/stages/{i:0{width}d}_{_plain(uid, path)}")
    for part in _PARTS.get(kind, ()):
        yield from _expand(read, path, part.split("/"))
    for grid in metadata["paramMap"].get("estimatorParamMaps") or []:
        for value in grid:  # a stage among the values of a grid is saved beside it
            if value.get("isJson") in ("false", False):
                yield from saved_stages(read, f"{path}/{_plain(value['value'], path)}")


def _expand(read: ReadMetadata, path: str, parts: list[str]) -> Iterator[tuple[str, str]]:
    """Stages at ``path`` with ``parts`` below it."""
    if not parts:
        yield from saved_stages(read, path)
        return
    if "*" not in parts[0]:
        yield from _expand(read, f"{path}/{parts[0]}", parts[1:])
        return
    for i in count():
        try:
            found = list(_expand(read, f"{path}/{parts[0].replace('*', str(i))}", parts[1:]))
        except NothingSavedError:
            return  # the count ends here
        if not found:
            return
        yield from found


def _plain(name: Any, path: str) -> str:
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
        raise UnsafeClassError(
            f"{path}: the metadata names a place {name!r}, expected a plain name; do not load this directory"
        )
    return name

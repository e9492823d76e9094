"""A look through a saved directory: what it holds, whether that is whole, and what does not belong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyarrow import fs
from safetensors.numpy import load as tensors_of

from aiok_spark.core import allow, nested
from aiok_spark.core.errors import AiokError
from aiok_spark.core.files import open_system
from aiok_spark.core.persistence import restore
from aiok_spark.core.stage import Stage
from aiok_spark.inference.saved import metadata_at, table_at

_OURS = "aiok_spark."
_DATA = (".parquet", ".crc", "_SUCCESS", ".txt")  # how names end of what Spark and we write
_PARTS = ("metadata", "data")


@dataclass(frozen=True)
class Checked:
    """What was found: a line for each stage, and one for each thing that is wrong."""

    stages: list[dict[str, Any]]
    problems: list[str]


def check(path: str) -> Checked:
    """Look through the model saved at a path or URI, with no Spark session; imports allowed classes only.

    Checks that each class is allowed, each table and blob is there in the size and with the digest that
    the save noted, all weights are finite numbers, and no file is of another kind than a save writes.
    """
    system, root = open_system(path)
    root = root.rstrip("/")
    problems: list[str] = []
    try:
        saved = list(nested.saved_stages(lambda place: metadata_at(system, place), root))
    except AiokError as e:
        return Checked([], [str(e)])
    stages = []
    for place, name in saved:
        try:
            stages.append({"class": name, "place": place.removeprefix(root).lstrip("/"), **_stage(system, place, name)})
        except AiokError as e:
            problems.append(str(e))
    return Checked(stages, problems + _strangers(system, root))


def _stage(system: Any, place: str, name: str) -> dict[str, Any]:
    allow.check(name, place)
    if not name.startswith(_OURS):
        return {"about": "not of this package: its own loader checks it"}
    cls, metadata = allow.resolve(name, place), metadata_at(system, place)
    stage = restore(cls, metadata, place, lambda table: table_at(system, f"{place}/data/{table}"))
    state = getattr(stage, "_state", None) if isinstance(stage, Stage) else None
    about = {"saved by": f"aiok_spark {metadata['aiokVersion']}", "format": metadata["formatVersion"]}
    if state is not None:
        about |= {f"{name} rows": table.num_rows for name, table in state.tables.items()}
        about |= {f"{name} bytes": len(blob) for name, blob in state.blobs.items()}
        if "weights" in state.blobs:
            about |= _weights(state.blobs["weights"], place)
    return {"about": ", ".join(f"{name} {value}" for name, value in about.items())}


def _weights(blob: bytes, place: str) -> dict[str, int]:
    tensors = tensors_of(blob)
    bad = {name: int((~np.isfinite(t)).sum()) for name, t in tensors.items() if t.dtype.kind == "f"}
    if wrong := {name: count for name, count in bad.items() if count}:
        raise AiokError(f"{place}: data/weights: found {wrong} values that are not finite, expected none; train again")
    return {"numbers": sum(t.size for t in tensors.values())}


def _strangers(system: Any, root: str) -> list[str]:
    """Files that no save writes."""
    found = system.get_file_info(fs.FileSelector(root, recursive=True))
    made = []
    for info in found:
        where = info.path.removeprefix(root).lstrip("/")
        if info.type != fs.FileType.File:
            continue
        plain = info.base_name.startswith("part-") or info.base_name.endswith(_DATA)
        if not plain or not any(part in where.split("/") for part in _PARTS):
            made.append(f"{root}: found the file {where}, which no save writes, expected none; do not load it")
    return made

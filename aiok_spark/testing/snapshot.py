"""What a stage remembers, to see whether something changed it."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param import Params

from aiok_spark.nas.space import ArchitectureSpace
from aiok_spark.tuning.space import SearchSpace

_VALUES = (str, int, float, bool, dict, set, tuple, SearchSpace, ArchitectureSpace)


def params_of(stage: Params) -> dict[str, Any]:
    """Values of all Params that have one, by name."""
    return {p.name: stage.getOrDefault(p) for p in stage.params if stage.isDefined(p)}


def snapshot(stage: Params) -> dict[str, Any]:
    """Everything that a stage remembers; containers copied, as they may be changed in place."""
    kept = {k: v for k, v in vars(stage).items() if k not in ("_paramMap", "_defaultParamMap", "_params")}
    copied = {k: v.copy() if isinstance(v, (list, dict, set)) else v for k, v in kept.items()}
    return {**copied, **params_of(stage)}


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two snapshots, in words."""
    return [
        f"{name}: {after.get(name)!r:.80} instead of {before.get(name)!r:.80}"
        for name in {**before, **after}
        if not _equal(before.get(name), after.get(name))
    ]


def _equal(a: Any, b: Any) -> bool:
    if a is b or (a != a and b != b):
        return True
    if isinstance(a, Params) and type(a) is type(b):
        return a.uid == b.uid and not changes(params_of(a), params_of(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    # Only what prints and compares as a plain value does; of anything else, the object itself counts.
    return type(a) is type(b) and isinstance(a, _VALUES) and bool(a == b)

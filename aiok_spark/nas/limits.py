"""What a candidate may have at least and at most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMITED = {"params": "", "flops": "", "latency": " ms"}  # and their units

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Limits:
    """Least and most of ``params`` (numbers that train), ``flops`` (of a row) and ``latency`` (milliseconds)."""

    bounds: Mapping[str, Bounds]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Limits:
        """Of numbers, which are the most, or pairs of the least and the most, None for no such limit."""
        return cls({name: _bounds(name, value) for name, value in told.items()})

    def broken(self, facts: Mapping[str, Any]) -> str:
        """Which of the limits facts break; empty if none that is known."""
        for name, (low, high) in self.bounds.items():
            value = facts.get(name)
            if value is not None and not low <= value <= high:
                near = f"at most {_shown(high)}" if value > high else f"at least {_shown(low)}"
                return f"{name}: found {_shown(value)}{LIMITED[name]}, expected {near}"
        return ""

    def to_json(self) -> dict[str, list[float | None]]:
        """As pairs."""
        return {name: [low, high if math.isfinite(high) else None] for name, (low, high) in self.bounds.items()}


def _bounds(name: str, value: Any) -> Bounds:
    if name not in LIMITED:
        raise ValueError(f"found '{name}', expected names of {list(LIMITED)}")
    pair = value if isinstance(value, (list, tuple)) else (0, value)
    if len(pair) != 2 or not all(v is None or _is_size(v) for v in pair) or value is None:
        raise ValueError(
            f"found {name} {value!r}, expected a number for the most, or two for the least and the most (None for any)"
        )
    low, high = float(pair[0] or 0), math.inf if pair[1] is None else float(pair[1])
    if low > high:
        raise ValueError(
            f"found {name} of at least {_shown(low)} and at most {_shown(high)}, expected limits that leave "
            "something; swap them"
        )
    return low, high


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

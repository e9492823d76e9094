"""What a candidate may have at least and at most."""

from __future__ import annotations

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
        """Of numbers, which are the most, or pairs of the least and the most."""
        return cls({name: _bounds(name, value) for name, value in told.items()})

    def broken(self, facts: Mapping[str, Any]) -> str:
        """Which of the limits facts break; empty if none that is known."""
        for name, (low, high) in self.bounds.items():
            value = facts.get(name)
            if value is not None and not low <= value <= high:
                near = f"at most {_shown(high)}" if value > high else f"at least {_shown(low)}"
                return f"{name}: found {_shown(value)}{LIMITED[name]}, expected {near}"
        return ""

    def to_json(self) -> dict[str, list[float]]:
        """As pairs."""
        return {name: list(pair) for name, pair in self.bounds.items()}


def _bounds(name: str, value: Any) -> Bounds:
    if name not in LIMITED:
        raise ValueError(f"found '{name}', expected names of {list(LIMITED)}")
    pair = value if isinstance(value, (list, tuple)) else (0, value)
    if len(pair) != 2 or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and v >= 0 for v in pair):
        raise ValueError(f"found {name} {value!r}, expected a number for the most, or two for the least and the most")
    low, high = (float(v) for v in pair)
    if low > high:
        raise ValueError(
            f"found {name} of at least {_shown(low)} and at most {_shown(high)}, expected limits that leave "
            "something; swap them"
        )
    return low, high


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

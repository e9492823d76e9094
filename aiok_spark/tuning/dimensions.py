"""What one Param of a search may be, and the plain axis that a service sees of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Axis:
    """What services search along: a real number, a whole number, or one of a few words.

    Attributes
    ----------
    kind : {"real", "whole", "word"}
        What a point on it is.
    low, high : float
        Inclusive limits of a number.
    log : bool
        Whether a real number is searched by its logarithm.
    words : tuple of str
        All there are.
    """

    kind: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    words: tuple[str, ...] = ()

    def at(self, share: float) -> Any:
        """The point that has this share, in [0, 1), of the axis before it."""
        if self.kind == "word":
            return self.words[int(share * len(self.words))]
        if self.kind == "whole":
            return int(self.low) + int(share * (self.high - self.low + 1))
        if self.log:
            return min(self.high, max(self.low, math.exp(_between(math.log(self.low), math.log(self.high), share))))
        return _between(self.low, self.high, share)

    def has(self, point: Any) -> bool:
        """Whether the point lies on it."""
        if self.kind == "word":
            return point in self.words
        if isinstance(point, bool) or not isinstance(point, (int, float)) or not self.low <= point <= self.high:
            return False
        return self.kind == "real" or float(point).is_integer()


@dataclass(frozen=True)
class Dimension:
    """One Param and its values.

    Attributes
    ----------
    name : str
        Stage and Param, such as "DLRMClassifier.learningRate".
    kind : {"float", "int", "grid", "categorical"}
        A grid is of numbers in their order; what is categorical has none.
    low, high : float
        Inclusive limits of a float or int.
    log : bool
        Whether equal ratios, not equal differences, are equally far.
    values : tuple
        Those of a grid or of categories.
    labels : tuple of str
        How categories are called: in the journal, the report and the services.
    when : mapping
        Names of other dimensions, each with the labels or numbers of which one must be chosen for this to count.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    values: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def axis(self) -> Axis:
        """What a service searches along."""
        if self.kind == "categorical":
            return Axis("word", words=self.labels)
        if self.kind == "grid":
            return Axis("whole", 0, len(self.values) - 1)
        if self.kind == "int" and not self.log:
            return Axis("whole", self.low, self.high)
        # Half a step beyond the ends, so that these are as likely as the numbers between.
        low, high = (self.low - 0.49, self.high + 0.49) if self.kind == "int" else (self.low, self.high)
        return Axis("real", low, high, self.log)

    def value(self, point: Any) -> Any:
        """What the journal has of a point of the axis: a number, or a label."""
        if self.kind == "grid":
            return self.values[int(point)]
        if self.kind == "int":
            return round(point)
        return float(point) if self.kind == "float" else point

    def point(self, value: Any) -> Any:
        """Where on the axis a value of the journal lies."""
        return self.values.index(value) if self.kind == "grid" else value

    def setting(self, value: Any) -> Any:
        """What the Param is set to."""
        return self.values[self.labels.index(value)] if self.kind == "categorical" else value

    def nearest(self, setting: Any) -> Any:
        """What the journal has of a Param's setting, or of what comes nearest to it; of none, the middle."""
        if self.kind == "categorical":
            pairs = zip(self.labels, self.values, strict=True)
            return next((label for label, value in pairs if value is setting or value == setting), self.labels[0])
        if not isinstance(setting, (int, float)) or not math.isfinite(setting):
            return self.value(self.axis.at(0.5))
        if self.kind == "grid":
            return min(self.values, key=lambda value: abs(value - setting))
        return self.value(min(max(setting, self.low), self.high))

    def to_json(self) -> dict[str, Any]:
        """As JSON has it; raises TypeError for categories that are no JSON."""
        told: dict[str, Any] = {"param": self.name, "kind": self.kind}
        if self.kind in ("float", "int"):
            told |= {"low": self.low, "high": self.high, **({"log": True} if self.log else {})}
        else:
            json.dumps(self.values, allow_nan=False)
            told["values"] = list(self.values)
        if self.kind == "categorical" and self.labels != labels_of(self.values):
            told["labels"] = list(self.labels)
        if self.when:
            told["when"] = {name: list(values) for name, values in self.when.items()}
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Dimension:
        """What ``to_json`` gave."""
        values = tuple(told.get("values", ()))
        labels = told.get("labels") or (labels_of(values) if told["kind"] == "categorical" else ())
        when = {name: tuple(chosen) for name, chosen in told.get("when", {}).items()}
        limits = {"low": told.get("low", 0.0), "high": told.get("high", 0.0), "log": told.get("log", False)}
        return cls(told["param"], told["kind"], **limits, values=values, labels=tuple(labels), when=when)


def labels_of(values: tuple[Any, ...]) -> tuple[str, ...]:
    """How categories without names of their own are called: a text as it is, other values as JSON."""
    return tuple(value if isinstance(value, str) else json.dumps(value) for value in values)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share

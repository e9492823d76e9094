"""What a search wants: metrics to make better, limits to keep, and which trial is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SECONDS = ("fitSeconds", "transformSeconds", "slotSeconds")  # metrics of any trial, measured by the search itself


@dataclass(frozen=True)
class Metric:
    """One number of a trial.

    Attributes
    ----------
    name : str
        Of an evaluator's metric, or one of ``SECONDS``.
    larger : bool
        Whether more of it is better.
    optimized : bool
        Whether the search makes it better; otherwise it only has its limit.
    threshold : float, optional
        What it must reach at least, or keep at most where less is better.
    """

    name: str
    larger: bool
    optimized: bool = True
    threshold: float | None = None

    def cost(self, value: float) -> float:
        """Less is better."""
        return -value if self.larger else value

    def reached(self, value: float) -> bool:
        """Whether the value keeps the limit."""
        return self.threshold is None or self.cost(value) <= self.cost(self.threshold)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        told: dict[str, Any] = {"name": self.name, "goal": "maximize" if self.larger else "minimize"}
        told |= {} if self.optimized else {"optimized": False}
        return told | ({} if self.threshold is None else {"threshold": self.threshold})


@dataclass(frozen=True)
class Trial:
    """One choice of values, and what came of it.

    Attributes
    ----------
    number : int
        From 1, in the order in which they were chosen.
    values : dict
        Numbers and labels of the dimensions that count.
    state : {"open", "done", "failed", "pruned"}
        How it stands.
    metrics : dict
        Mean over the parts of the validation; of a pruned one as far as it came.
    chosen : str
        Who has chosen the values: a service's name, "random" where its choice could not be used, "estimator" where it
        had them already.
    token : str
        What the service calls it.
    facts : dict
        Seconds, worker layout, the error, values by fold.
    """

    number: int
    values: Mapping[str, Any]
    state: str = "open"
    metrics: Mapping[str, float] = field(default_factory=dict)
    chosen: str = ""
    token: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state != "open"


@dataclass(frozen=True)
class Objective:
    """All metrics of a search, the optimized ones first: one or two."""

    metrics: tuple[Metric, ...]

    @property
    def optimized(self) -> tuple[Metric, ...]:
        """Those that the search makes better."""
        return tuple(metric for metric in self.metrics if metric.optimized)

    def costs(self, trial: Trial) -> tuple[float, ...]:
        """Of the optimized metrics; less is better."""
        return tuple(metric.cost(trial.metrics[metric.name]) for metric in self.optimized)

    def missed(self, trial: Trial) -> float:
        """By how much a trial misses its limits, relative to these; 0 for none."""
        missed = 0.0
        for metric in self.metrics:
            if not metric.reached(trial.metrics[metric.name]):
                limit = metric.threshold or 0.0
                missed += abs(trial.metrics[metric.name] - limit) / max(abs(limit), 1e-12)
        return missed

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """The best of those that are done.

        Those that keep all limits come first, then the least miss; among them the best by the first optimized
        metric, then by the second, then the earliest.
        """
        done = [trial for trial in trials if trial.state == "done"]
        return min(done, key=lambda trial: (self.missed(trial), self.costs(trial), trial.number), default=None)

    def front(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials within the limits that no other such trial beats in all optimized metrics, by the first one."""
        able = [trial for trial in trials if trial.state == "done" and not self.missed(trial)]
        costs = {trial.number: self.costs(trial) for trial in able}
        kept = [t for t in able if not any(_beats(costs[other.number], costs[t.number]) for other in able)]
        return sorted(kept, key=lambda trial: (costs[trial.number], trial.number))


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def usable(value: Any) -> bool:
    """Whether a metric's value can be compared."""
    return isinstance(value, (int, float)) and math.isfinite(value)

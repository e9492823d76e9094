"""Which trials are ended early, by what their trainings tell after each epoch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

KINDS = ("none", "median", "halving")
_BEFORE = 4  # trials that come to their end before the median says anything
_ETA = 3  # of successive halving: one in three goes on, for three times as many epochs


class Pruned(Exception):  # noqa: N818 - a decision, not an error
    """A trial was worse than others as far as it came."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(f"ended after epoch {facts.get('epochs', [[0]])[-1][0]}")
        self.facts = dict(facts)


class Pruner:
    """Compares the trials of a search, epoch by epoch.

    Parameters
    ----------
    kind : {"none", "median", "halving"}
        Ends a trial that is worse than the median of the others at the same epoch [1]_, or one that is not among
        the best third at epochs 1, 3, 9, ... [2]_, or at the first one after these that is told.

    Notes
    -----
    Of a training with short epochs only some are told while it runs.  What lies between two of them is taken to be on
    a line.

    References
    ----------
    .. [1] Golovin et al., "Google Vizier", KDD 2017, section 3.5.1.
    .. [2] Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020 (asynchronous halving).
    """

    def __init__(self, kind: str) -> None:
        self._kind, self._lock = kind, threading.Lock()
        self._told: dict[int, dict[int, float]] = {}  # of each trial the cost after each epoch

    def learn(self, number: int, epochs: Sequence[Sequence[float]]) -> None:
        """Take over all epochs of a trial that is over."""
        with self._lock:
            self._told[number] = {int(epoch): cost for epoch, cost in epochs}

    def told(self, number: int) -> list[list[float]]:
        """What a trial told so far: epochs and costs."""
        with self._lock:
            return [[epoch, cost] for epoch, cost in sorted(self._told.get(number, {}).items())]

    def tell(self, number: int, epoch: int, cost: float) -> None:
        """Hear of an epoch of a trial; raises Pruned if it was the last one."""
        with self._lock:
            mine = self._told.setdefault(number, {})
            if epoch < 1 or epoch in mine:
                return
            mine[epoch] = cost
            last = max((told for told in mine if told < epoch), default=0)
            others = [_at(seen, epoch) for other, seen in self._told.items() if other != number]
        if self._ends(cost, [seen for seen in others if seen is not None], _has_rung(last, epoch)):
            raise Pruned({"epochs": self.told(number)})

    def _ends(self, cost: float, others: list[float], at_rung: bool) -> bool:
        if self._kind == "median":
            return len(others) >= _BEFORE and cost > median(others)
        if self._kind == "halving" and at_rung:
            everyone = sorted([*others, cost])
            return len(everyone) >= _ETA and cost > everyone[len(everyone) // _ETA - 1]
        return False


def _at(seen: Mapping[int, float], epoch: int) -> float | None:
    """The cost after an epoch, if the trial came as far."""
    if not seen or not min(seen) <= epoch <= max(seen):
        return None
    return float(np.interp(epoch, sorted(seen), [seen[told] for told in sorted(seen)]))


def _has_rung(last: int, epoch: int) -> bool:
    """Whether 1, 3, 9, ... has one of the epochs since the last one that was told."""
    rung = 1
    while rung <= last:
        rung *= _ETA
    return rung <= epoch

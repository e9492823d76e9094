"""Which trials are ended early, by what their trainings tell after each epoch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

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
        the best third at epochs 1, 3, 9, ... [2]_.

    References
    ----------
    .. [1] Golovin et al., "Google Vizier", KDD 2017, section 3.5.1.
    .. [2] Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020 (asynchronous halving).
    """

    def __init__(self, kind: str) -> None:
        self._kind, self._lock = kind, threading.Lock()
        self._told: dict[int, dict[int, float]] = {}  # of each trial the cost after each epoch

    def learn(self, number: int, epochs: Sequence[Sequence[float]]) -> None:
        """Take over what a trial of an earlier process told."""
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
            others = [seen[epoch] for other, seen in self._told.items() if other != number and epoch in seen]
        if self._ends(epoch, cost, others):
            raise Pruned({"epochs": self.told(number)})

    def _ends(self, epoch: int, cost: float, others: list[float]) -> bool:
        if self._kind == "median":
            return len(others) >= _BEFORE and cost > median(others)
        if self._kind == "halving" and _is_rung(epoch):
            everyone = sorted([*others, cost])
            return len(everyone) >= _ETA and cost > everyone[len(everyone) // _ETA - 1]
        return False


def _is_rung(epoch: int) -> bool:
    while epoch % _ETA == 0:
        epoch //= _ETA
    return epoch == 1

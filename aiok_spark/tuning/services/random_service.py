"""Values at random: what every other service has to beat."""

from __future__ import annotations

import random
from collections.abc import Sequence

from aiok_spark.tuning.binding import Values
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Trial
from aiok_spark.tuning.services import Search, Service


class RandomService:
    """Draws each trial's values by seed and number alone, so a search that goes on draws what it would have."""

    def __init__(self, search: Search) -> None:
        self._search, self._refused = search, 0

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial."""
        rng = random.Random(f"{self._search.seed} {number} {self._refused}")
        return self._search.space.draw(rng), ""

    def observe(self, trial: Trial) -> None:
        """Nothing is learned."""

    def refuse(self, values: Values, token: str) -> None:
        """Draw others."""
        self._refused += 1

    def close(self) -> None:
        """Nothing is open."""


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service."""
    return RandomService(search)

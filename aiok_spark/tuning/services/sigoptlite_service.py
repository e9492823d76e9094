"""Values by sigoptlite, SigOpt's engine within this process.

What it lacks is added here: several trials at a time (each that runs counts as one that gave what the middle one of
those that ended gave, a "constant liar"), what earlier processes learned (from the journal), and checks of bounds.
"""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
from sigoptlite.broker import Broker
from sigoptlite.builders import LocalExperimentBuilder

from aiok_spark.tuning.binding import Values
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Trial
from aiok_spark.tuning.services import Search, Service
from aiok_spark.tuning.services.sigopt_terms import assignments, evaluations, experiment

_global = threading.Lock()  # the engine draws from numpy's and Python's global generators


class SigoptliteService:
    """Has the engine's broker choose from all that has been observed."""

    def __init__(self, search: Search, journal: Journal) -> None:
        self._search = search
        self._experiment = LocalExperimentBuilder(experiment(search, "sigoptlite"))
        self._seen: list[dict[str, Any]] = []
        self._hyperparameters: Any = None
        self._refused = 0
        for trial in journal.trials.values():
            if trial.ended:
                self.observe(trial)

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial."""
        with self._seeded(number), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            broker = Broker(self._experiment)
            broker.hyperparameters = self._hyperparameters
            for seen in [*self._seen, *self._lies(running)]:
                broker.create_observation(**seen)
            points = broker.create_suggestion().assignments
            self._hyperparameters = broker.hyperparameters
        return self._search.space.counting(lambda dimension: _clipped(points[dimension.name], dimension.axis)), ""

    def observe(self, trial: Trial) -> None:
        """Keep it, for the next choice."""
        told: dict[str, Any] = {"assignments": assignments(self._search, trial.values)}
        if trial.state == "done":
            told["values"] = evaluations(self._search, trial)
        else:
            told["failed"] = True
        self._seen.append(told)

    def refuse(self, values: Values, token: str) -> None:
        """Count it as a failure."""
        self._refused += 1
        self._seen.append({"assignments": assignments(self._search, values), "failed": True})

    def close(self) -> None:
        """Nothing is open."""

    def _lies(self, running: Sequence[Trial]) -> list[dict[str, Any]]:
        done = [seen["values"] for seen in self._seen if "values" in seen]
        if not done:
            return []
        middle = [
            {"name": one["name"], "value": median(values[i]["value"] for values in done)}
            for i, one in enumerate(done[0])
        ]
        return [{"assignments": assignments(self._search, t.values), "values": list(middle)} for t in running]

    @contextmanager
    def _seeded(self, number: int) -> Iterator[None]:
        with _global:
            before, numpy_before = random.getstate(), np.random.get_state()
            seed = random.Random(f"{self._search.seed} {number} {self._refused}").getrandbits(32)
            random.seed(seed)
            np.random.seed(seed)
            try:
                yield
            finally:
                random.setstate(before)
                np.random.set_state(numpy_before)


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service."""
    return SigoptliteService(search, journal)


def _clipped(point: Any, axis: Any) -> Any:
    """A point within the axis: powers of logarithms may end a bit beyond."""
    return point if axis.kind == "word" else type(point)(min(axis.high, max(axis.low, point)))

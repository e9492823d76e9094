"""Values by sigoptlite, SigOpt's engine within this process.

What it lacks is added here: several trials at a time (each that runs counts as one that gave what the model expects of
it, a "kriging believer": a constant in its place drives the next ones away from the best), what earlier processes
learned (from the journal), and checks of bounds.
"""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from libsigopt.aux.adapter_info_containers import PointsContainer
from libsigopt.views.rest.gp_next_points_categorical import GpNextPointsCategorical
from sigoptlite.broker import Broker
from sigoptlite.builders import LocalExperimentBuilder
from sigoptlite.sources import BaseOptimizationSource, GPSource, RandomSearchSource, SPESource

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
        self._broker = Broker(LocalExperimentBuilder(experiment(search, "sigoptlite")))
        self._refused = 0
        for trial in journal.trials.values():
            if trial.ended:
                self.observe(trial)

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial."""
        with self._seeded(number), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            points = self._source(running).get_suggestion(self._broker.observations).assignments
        return self._search.space.counting(lambda dimension: _clipped(points[dimension.name], dimension.axis)), ""

    def _source(self, running: Sequence[Trial]) -> BaseOptimizationSource:
        """What the broker would ask, told of the trials that run."""
        broker = self._broker
        if broker.use_random:
            return RandomSearchSource(broker.experiment)
        beside = [assignments(self._search, trial.values) for trial in running]
        if broker.use_spe:
            return _Parzen(broker.experiment, beside)
        source = _Gaussian(broker.experiment, beside)
        broker.hyperparameters = source.update_hyperparameters(broker.observations, broker.hyperparameters)
        return source

    def observe(self, trial: Trial) -> None:
        """Keep it, for the next choice."""
        told = {"values": evaluations(self._search, trial)} if trial.state == "done" else {"failed": True}
        self._broker.create_observation(assignments=assignments(self._search, trial.values), **told)

    def refuse(self, values: Values, token: str) -> None:
        """Count it as a failure."""
        self._refused += 1
        self._broker.create_observation(assignments=assignments(self._search, values), failed=True)

    def close(self) -> None:
        """Nothing is open."""

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


class _Beside(BaseOptimizationSource):
    """A source that tells the engine of the trials that run."""

    def __init__(self, experiment: Any, running: Sequence[dict[str, Any]]) -> None:
        super().__init__(experiment)
        self._running = running

    def call_libsigopt_views(self, view_endpoint: Any, view_input: dict[str, Any]) -> Any:
        if self._running and "points_being_sampled" in view_input:
            points = [self.get_point_from_assignments(self.experiment, each) for each in self._running]
            view_input = {**view_input, "points_being_sampled": PointsContainer(points=np.array(points))}
            if view_endpoint is GpNextPointsCategorical:
                view_endpoint, view_input = _Believing, {**view_input, "parallelism": "kriging believer"}
        return super().call_libsigopt_views(view_endpoint, view_input)


class _Gaussian(_Beside, GPSource):
    """By a Gaussian process."""


class _Parzen(_Beside, SPESource):
    """By SigOpt's Parzen estimators, for many dimensions or trials."""


class _Believing(GpNextPointsCategorical):
    """Trials that run have what the process expects of them (Ginsbourger et al., 2010, section 4.1)."""

    def form_single_gaussian_process(
        self, points: Any, values: Any, variances: Any, lie: Any, hyperparameters: Any
    ) -> Any:
        known = super().form_single_gaussian_process(points, values, variances, lie, hyperparameters)
        running = self.one_hot_points_being_sampled_points
        believed = known.compute_mean_of_points(running)
        return super().form_single_gaussian_process(
            np.vstack([points, running]),
            np.append(values, believed),
            np.append(variances, np.zeros(len(running))),
            lie,
            hyperparameters,
        )


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service."""
    return SigoptliteService(search, journal)


def _clipped(point: Any, axis: Any) -> Any:
    """A point within the axis: powers of logarithms may end a bit beyond."""
    return point if axis.kind == "word" else type(point)(min(axis.high, max(axis.low, point)))

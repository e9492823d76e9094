"""Runs trials, several at a time: asks a service, notes in the journal, tells the service."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import SparkSession

from aiok_spark.core import compat, jobs, progress
from aiok_spark.core.errors import TrainingError, cause
from aiok_spark.tuning.binding import Values
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Trial, usable
from aiok_spark.tuning.pruning import Pruned
from aiok_spark.tuning.services import Search, Service

_TRIES = 3  # of a service to choose what can be used, before chance does
_DRAWS = 200  # by chance, for a point that was not tried, before the space counts as used up
_HOPELESS = 5  # trials that fail before any succeeds

Evaluate = Callable[[Trial], tuple[Mapping[str, float], Mapping[str, Any]]]  # gives metrics and facts


class Stopped(Exception):  # noqa: N818 - not an error
    """The search has ended while a trial was running."""


@dataclass
class Budget:
    """How long a search goes on.

    Attributes
    ----------
    trials : int
        At most, those of the journal included.
    seconds : float
        After which no trial begins and those that run are ended; of this call alone.
    """

    trials: int
    seconds: float = math.inf


class Runner:
    """A search while it runs."""

    def __init__(
        self,
        spark: SparkSession,
        search: Search,
        service: Service,
        name: str,
        journal: Journal,
        evaluate: Evaluate,
        budget: Budget,
        label: str,
        verbose: bool,
    ) -> None:
        self._spark, self._search, self._service, self._name = spark, search, service, name
        self._journal, self._evaluate, self._budget = journal, evaluate, budget
        self._label, self._verbose = label, verbose
        self._lock, self._over = threading.Lock(), threading.Event()
        self._waiting = [trial for trial in journal.trials.values() if not trial.ended]  # of an earlier process
        self._running: dict[int, Trial] = {}
        self._error: BaseException | None = None
        self._first_failure: Exception | None = None
        self._used_up = False

    def run(self) -> list[Trial]:
        """All trials that have ended, by number.

        Raises
        ------
        TrainingError
            If none of the first ones, or none at all, could be done; the first error is in it.
        """
        begun = time.monotonic()
        self._end = begun + self._budget.seconds
        there = sum(trial.ended for trial in self._journal.trials.values())
        self._say(
            f"up to {self._budget.trials} trials, {self._search.parallel} at a time, chosen by {self._name}"
            + (f"; {there} of them are in the journal" if there else "")
        )
        threads = [compat.thread(self._spark, self._work) for _ in range(self._search.parallel)]
        try:
            for thread in threads:
                thread.daemon = True
                thread.start()
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.1)
        finally:  # an interrupt, too, ends the jobs of all trials
            self._over.set()
            for thread in threads:
                thread.join(20)
            self._service.close()
        if self._error is not None:
            raise self._error
        trials = [self._journal.trials[number] for number in sorted(self._journal.trials)]
        self._require_one(trials)
        self._say_end(trials, time.monotonic() - begun)
        return [trial for trial in trials if trial.ended]

    def _say_end(self, trials: list[Trial], seconds: float) -> None:
        ended = sum(trial.ended for trial in trials)
        why = "" if ended >= self._budget.trials else ", as the seconds were over"
        why = ", as no other point of the space was found" if self._used_up else why
        self._say(f"{ended} trials after {seconds:.0f} s{why}")
        best = self._search.objective.best(trials)
        if best is not None and self._search.objective.missed(best):
            self._say(f"no trial is within all thresholds; {best.number} misses them by the least")

    def _require_one(self, trials: list[Trial]) -> None:
        if any(trial.state == "done" for trial in trials):
            return
        failed = [trial for trial in trials if trial.state == "failed"]
        why = failed[0].facts["error"] if failed else "no trial came to its end within the budget"
        raise TrainingError(
            f"{self._label}: found no trial that succeeded among {len(trials)}, expected at least one; the first one "
            f"({_shown(failed[0].values if failed else {})}) ended by: {why}"
        ) from self._first_failure

    def _work(self) -> None:
        try:
            while (trial := self._next()) is not None:
                self._ended(self._tried(trial))
        except Stopped:
            pass
        except BaseException as e:
            self._error = self._error or e
            self._over.set()

    def _next(self) -> Trial | None:
        with self._lock:
            ended = [trial for trial in self._journal.trials.values() if trial.ended]
            hopeless = len(ended) >= _HOPELESS and all(trial.state == "failed" for trial in ended)
            if self._over.is_set() or hopeless or time.monotonic() > self._end:
                return None
            if self._waiting:
                trial = self._waiting.pop(0)
            else:
                number = len(self._journal.trials) + 1
                if number > self._budget.trials:
                    return None
                chosen = self._chosen(number)
                if chosen is None:
                    self._used_up = True
                    return None
                trial = chosen
                self._journal.begin(trial)
            self._running[trial.number] = trial
            return trial

    def _chosen(self, number: int) -> Trial | None:
        """The estimator's own Params; then what is within all limits and not there yet, or None if all was."""
        if number == 1 and self._search.first is not None:
            return Trial(1, self._search.first, chosen="estimator")
        seen = [dict(trial.values) for trial in self._journal.trials.values()]
        for _ in range(_TRIES):
            values, token = self._service.suggest(number, list(self._running.values()))
            if self._usable(values) and values not in seen:
                return Trial(number, values, chosen=self._name, token=token)
            self._service.refuse(values, token)
        for attempt in range(_DRAWS):
            values = self._search.space.draw(random.Random(f"{self._search.seed} {number} {attempt}"))
            if values not in seen:
                return Trial(number, values, chosen="random")
        return None

    def _usable(self, values: Values) -> bool:
        space = self._search.space
        axes = {dimension.name: dimension for dimension in space.dimensions}
        on_axes = all(axes[name].axis.has(axes[name].point(value)) for name, value in values.items())
        return on_axes and space.allows(values)

    def _tried(self, trial: Trial) -> Trial:
        """The trial with what came of it."""
        begun = time.monotonic()
        try:
            metrics, facts = jobs.run_watched(self._spark, lambda: self._evaluate(trial), self._look)
        except Pruned as e:
            return replace(trial, state="pruned", facts={"seconds": time.monotonic() - begun, **e.facts})
        except (Stopped, KeyboardInterrupt):
            raise
        except Exception as e:
            self._first_failure = self._first_failure or e
            facts = {"seconds": time.monotonic() - begun, "error": cause(e)}
            return replace(trial, state="failed", facts=facts)
        facts = {"seconds": time.monotonic() - begun, **facts}
        bad = {name: value for name, value in metrics.items() if not usable(value)}
        if bad:
            error = f"found {bad}, expected numbers; look at the rows that it is measured on"
            return replace(trial, state="failed", facts={**facts, "error": error})
        return replace(trial, state="done", metrics=metrics, facts=facts)

    def _look(self) -> None:
        """End a trial that nobody waits for any more."""
        if self._over.is_set() or time.monotonic() > self._end:
            raise Stopped

    def _ended(self, trial: Trial) -> None:
        self._journal.end(trial)  # on disk, however long the service takes for another suggestion
        with self._lock:
            self._running.pop(trial.number)
            self._service.observe(trial)
            self._show(trial)

    def _show(self, trial: Trial) -> None:
        objective, values = self._search.objective, _shown(trial.values)
        if trial.state == "done":
            told = " ".join(f"{name} {value:.6g}" for name, value in trial.metrics.items())
        else:
            told = f"{trial.state}: {trial.facts['error']}" if "error" in trial.facts else trial.state
        best = objective.best(list(self._journal.trials.values()))
        name = objective.optimized[0].name
        so_far = "" if best is None else f"; best {name} {best.metrics[name]:.6g} of trial {best.number}"
        self._say(f"trial {trial.number} of {self._budget.trials}: {told} ({values}){so_far}")

    def _say(self, text: str) -> None:
        if self._verbose:
            progress.say(f"{self._label}: {text}")


def _shown(values: Mapping[str, Any]) -> str:
    told = ((name.rpartition(".")[2], value) for name, value in values.items())
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in told)

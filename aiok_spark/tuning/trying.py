"""Fits and measures one trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from aiok_spark.core import compat
from aiok_spark.core.stage import Model
from aiok_spark.core.watch import epochs_told
from aiok_spark.tuning.binding import BoundSpace, stages_of
from aiok_spark.tuning.checkpoints import TrialCheckpoints
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import SECONDS, Trial
from aiok_spark.tuning.prefix import Prepared
from aiok_spark.tuning.pruning import Pruner
from aiok_spark.tuning.services import Search
from aiok_spark.tuning.tuned_params import TunedParams


class Trying:
    """Fits and measures a trial."""

    def __init__(
        self,
        tuned: TunedParams,
        search: Search,
        rest: Any,
        prepared: list[Prepared],
        journal: Journal,
    ) -> None:
        self._tuned, self._search, self._rest, self._prepared = tuned, search, rest, prepared
        self._pruner = Pruner(tuned.getPruner())
        for trial in journal.trials.values():
            if trial.ended and "epochs" in trial.facts:
                self._pruner.learn(trial.number, trial.facts["epochs"])
        self.models: dict[int, list[Any]] = {}
        self.checkpoints = TrialCheckpoints()

    def run(self, trial: Trial) -> tuple[dict[str, float], dict[str, Any]]:
        """Metrics, each the mean over the folds, and facts."""
        settings = self._search.space.param_map(dict(trial.values))
        folds: list[dict[str, float]] = []
        for number, part in enumerate(self._prepared):
            estimator = self._rest.copy(settings)
            spark, name = compat.session_of(part.training), f"trial-{trial.number}-{number}"
            begun = time.perf_counter()
            with self.checkpoints.of(spark, estimator, name), self._listening(trial, number):
                model = estimator.fit(part.training)
            fitted = time.perf_counter()
            if number == 0 and (history := history_of(model)):
                self._pruner.learn(trial.number, [[done["epoch"], _cost(done)] for done in history])
            scored = model.transform(part.validation)
            folds.append(self._measured(scored, fitted - begun, fitted, workers_of(estimator)))
            if self._tuned.getCollectSubModels():
                self.models.setdefault(trial.number, []).append(model)
        metrics = {name: sum(fold[name] for fold in folds) / len(folds) for name in folds[0]}
        facts: dict[str, Any] = {"folds": folds} if len(folds) > 1 else {}
        if told := self._pruner.told(trial.number):
            facts["epochs"] = told
        return metrics, facts

    def _listening(self, trial: Trial, fold: int) -> AbstractContextManager[None]:
        """Of the first fold the epochs are heard."""
        return epochs_told(partial(self._hear, trial)) if fold == 0 else nullcontext()

    def _hear(self, trial: Trial, epoch: int, told: dict[str, float]) -> None:
        if "loss" in told:
            self._pruner.tell(trial.number, epoch, _cost(told))

    def _measured(self, scored: DataFrame, seconds: float, fitted: float, workers: int) -> dict[str, float]:
        evaluator = self._tuned.getEvaluator()
        found: dict[str, float] = {}
        names = [metric.name for metric in self._search.objective.metrics]
        for name in names:
            if name not in SECONDS:
                found[name] = float(measuring(evaluator, name).evaluate(scored))
        times = {
            "fitSeconds": seconds,
            "transformSeconds": time.perf_counter() - fitted,
            "slotSeconds": seconds * workers,
        }
        return {name: found[name] if name in found else times[name] for name in names}


def _cost(told: Mapping[str, float]) -> float:
    """Of an epoch: the loss on held-out rows, where there are some."""
    return told.get("validation_loss", told["loss"])


def history_of(model: Any) -> list[dict[str, Any]]:
    """What the last network among a model's stages gave after each epoch; empty if there is none."""
    parts = [part for part in getattr(model, "stages", [model]) if isinstance(part, Model)]
    networks = [part for part in parts if getattr(part, "hasSummary", False)]
    return [done for done in networks[-1].summary.history if "loss" in done] if networks else []


def measuring(evaluator: Any, name: str) -> Any:
    """The evaluator of a metric; one without a name of its metric has no other."""
    return evaluator.copy({evaluator.getParam("metricName"): name}) if evaluator.hasParam("metricName") else evaluator


def workers_of(estimator: Any, space: BoundSpace | None = None) -> int:
    """Task slots that one fit takes at most, with the values of a space."""
    most = 1
    for stage in stages_of(estimator):
        for name in ("numWorkers", "num_workers"):
            if stage.hasParam(name) and stage.isDefined(name):
                most = max(most, int(stage.getOrDefault(name)))
    for dimension in space.dimensions if space else ():
        if dimension.name.endswith((".numWorkers", ".num_workers")):
            most = max(most, int(max(dimension.values or (dimension.high,))))
    return most

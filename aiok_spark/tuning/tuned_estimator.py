"""``TunedEstimator``: the search for the best Params as a stage."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.params import with_constructor
from aiok_spark.core.stage import Estimator, Model
from aiok_spark.core.state import State
from aiok_spark.core.watch import fitting
from aiok_spark.tuning import prefix, services
from aiok_spark.tuning.about import rows_of, settings_of
from aiok_spark.tuning.binding import BoundSpace, stages_of
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import SECONDS, Metric, Objective, Trial
from aiok_spark.tuning.report import write_report
from aiok_spark.tuning.search import Budget, Runner
from aiok_spark.tuning.trying import Trying, measuring, workers_of
from aiok_spark.tuning.tuned_params import TunedParams
from aiok_spark.tuning.validation import folds_of


class TunedModel(TunedParams, Model):
    """What a search found: transforms as its best model does.

    Attributes
    ----------
    bestModel : Model
        Fitted on all rows with the Params of the best trial.
    subModels : list
        If they were collected, for each trial the models of its folds.
    """

    _nested: ClassVar[tuple[str, ...]] = ("estimator", "evaluator", "bestModel")
    bestModel: Any = None
    subModels: list[list[Any]] | None = None

    @property
    def trials(self) -> list[Trial]:
        """All trials that have ended, by number."""
        return [Trial(**trial) for trial in self._state.facts["trials"]]

    @property
    def bestTrial(self) -> Trial:
        """The one whose Params ``bestModel`` has.

        Of the trials within all thresholds the best by the first of ``metrics``, then by the second, then the earliest;
        if none is within, the one that misses them by the least.
        """
        best = self.objective.best(self.trials)
        assert best is not None
        return best

    @property
    def paretoFront(self) -> list[Trial]:
        """The trials within all thresholds that no other one beats in all ``metrics``, by the first one."""
        return self.objective.front(self.trials)

    @property
    def objective(self) -> Objective:
        """The metrics."""
        return Objective(tuple(Metric(**metric) for metric in self._state.facts["metrics"]))

    @property
    def service(self) -> str:
        """Who chose the trials, and why that service."""
        told = self._state.facts["service"]
        return f"{told['name']} ({told['why']})"

    def toPandas(self) -> Any:
        """The trials as a pandas DataFrame, a row for each."""
        import pandas as pd

        first, last = ("trial", "state"), ("chosen", "seconds", "error")
        rows = [
            {"trial": t.number, "state": t.state, "chosen": t.chosen, **t.metrics, **t.values}
            | {name: t.facts.get(name) for name in ("seconds", "error")}
            for t in self.trials
        ]
        middle = [metric.name for metric in self.objective.metrics]
        middle += [told["param"] for told in self._state.facts["space"]["dimensions"]]
        return pd.DataFrame(rows, columns=[*first, *middle, *last])

    def report(self, path: str) -> str:
        """Write the search as an HTML page: plots of optuna, and a table of all trials; gives the path."""
        names = [type(stage).__name__ for stage in stages_of(self.getEstimator())]
        space = self.getSearchSpace().bind(self.getEstimator())
        return write_report(path, f"Search for {' > '.join(names)}", self.trials, space, self.objective)

    def transformSchema(self, schema: StructType) -> StructType:
        """Schema of the output for one of the input."""
        return schema_behind(self.bestModel, schema)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return self.bestModel.transform(dataset)


class TunedEstimator(TunedParams, Estimator):
    """Search the Params of any Spark ML estimator or Pipeline for the best ones, then fit with them on all rows.

    Parameters
    ----------
    estimator : Estimator
        What to tune.
    searchSpace : SearchSpace
        Which of its Params, and within which limits.
    evaluator : Evaluator
        Measures scored rows.
    metrics, thresholds : list of str, dict
        What to make better, and what to reach; default the evaluator's metric alone.
    numTrials, maxSeconds, parallelism : int, float, int
        How long, and how many at a time.
    service : str
        Who chooses.

    ``explainParams()`` tells all others.

    Raises
    ------
    ParamError
        Before the first trial: a space that does not fit, a metric that the evaluator does not have, a service that is
        not there.
    DataError
        A journal of another search; rows that cannot be divided.
    TrainingError
        No trial succeeded; the first error is in it.

    Examples
    --------
    >>> from pyspark.ml.classification import LogisticRegression
    >>> from pyspark.ml.evaluation import BinaryClassificationEvaluator
    >>> from aiok_spark.tuning import SearchSpace, TunedEstimator
    >>> regression = LogisticRegression()
    >>> tuned = TunedEstimator(estimator=regression, evaluator=BinaryClassificationEvaluator(), numTrials=10,
    ...                        searchSpace=SearchSpace().addFloat(regression.regParam, 1e-4, 1.0, log=True))
    >>> model = tuned.fit(df)  # doctest: +SKIP
    """

    _model = TunedModel
    _nested: ClassVar[tuple[str, ...]] = ("estimator", "evaluator")

    def transformSchema(self, schema: StructType) -> StructType:
        """Schema of the output for one of the input; as the estimator says, where it says anything."""
        self._space()
        return schema_behind(self.getEstimator(), schema)

    def _space(self) -> BoundSpace:
        return self.getSearchSpace().bind(self.getEstimator())

    def _objective(self) -> Objective:
        evaluator, own = self.getEvaluator(), None
        if evaluator.hasParam("metricName"):
            own = evaluator.getOrDefault("metricName")
        names = self.getMetrics() or [own or type(evaluator).__name__]
        if len(names) > 2 or len(set(names)) < len(names):
            raise ParamError(f"{self._label}: metrics: found {names}, expected one or two different ones")
        thresholds = self.getThresholds()
        limits = [name for name in thresholds if name not in names]
        return Objective(
            tuple(
                Metric(name, self._is_larger_better(name), name in names, thresholds.get(name))
                for name in [*names, *limits]
            )
        )

    def _is_larger_better(self, name: str) -> bool:
        evaluator = self.getEvaluator()
        if name in SECONDS:
            return False
        if not evaluator.hasParam("metricName"):
            if name != type(evaluator).__name__:
                raise ParamError(
                    f"{self._label}: metrics: found '{name}', expected '{type(evaluator).__name__}', as the evaluator "
                    f"has no metricName, or one of {list(SECONDS)}"
                )
            return evaluator.isLargerBetter()
        doc = evaluator.getParam("metricName").doc  # Spark's own name all that they have
        if type(evaluator).__module__.startswith("pyspark.") and name not in re.findall(r"\w+", doc):
            raise ParamError(
                f"{self._label}: metrics: found '{name}', which {type(evaluator).__name__} does not have; its "
                f"metricName is: {' '.join(doc.split())}; or take one of {list(SECONDS)}"
            )
        return measuring(evaluator, name).isLargerBetter()

    def _fit(self, dataset: DataFrame) -> TunedModel:
        with fitting(self.uid):
            space, objective = self._space(), self._objective()
            self.transformSchema(dataset.schema)
            self._check_pruner(space)
            spark = compat.session_of(dataset)
            parallel = self._parallel(space, compat.slots(spark))
            first = space.present(self.getEstimator())
            search = services.Search(
                space, objective, self.getSeed(), self.getNumTrials(), parallel, self.getOrDefault("storage"), first
            )
            name, why = services.choose(self.getService(), search)
            path = self.getOrDefault("journalPath")
            journal = Journal(path, self._about(space, objective, dataset) if path else {})
            try:
                model = self._searched(dataset, search, journal, name, why)
            finally:
                journal.close()
        return model

    def _check_pruner(self, space: BoundSpace) -> None:
        stages = list(stages_of(self.getEstimator()))
        open_ended = any(dimension.name.endswith(".stages") for dimension in space.dimensions)
        if self.getPruner() != "none" and not open_ended and not any(stage.hasParam("epochs") for stage in stages):
            names = [type(stage).__name__ for stage in stages]
            raise ParamError(
                f"{self._label}: pruner: found '{self.getPruner()}' for {names}, which tell nothing while they are "
                "fitted, expected a network of this package among them, or 'none'"
            )

    def _about(self, space: BoundSpace, objective: Objective, dataset: DataFrame) -> dict[str, Any]:
        """What makes a journal this search's."""
        tuned, measured = settings_of(self.getEstimator(), space.params), settings_of(self.getEvaluator(), {})
        parts = {"estimator": tuned, "evaluator": measured, "rows": rows_of(dataset)}
        told = {
            name: self.getOrDefault(name) for name in ("validation", "trainRatio", "numFolds", "validationCol", "seed")
        }
        return {**space.about(), "metrics": [metric.to_json() for metric in objective.metrics], **told, **parts}

    def _parallel(self, space: BoundSpace, slots: int) -> int:
        """How many trials fit beside each other."""
        workers = max(workers_of(self.getEstimator(), space), 1)
        return max(1, min(self.getParallelism(), slots // workers, self.getNumTrials()))

    def _searched(
        self, dataset: DataFrame, search: services.Search, journal: Journal, name: str, why: str
    ) -> TunedModel:
        shared, rest = prefix.split(self.getEstimator(), search.space)
        parts = folds_of(
            dataset,
            self.getValidation(),
            self.getTrainRatio(),
            self.getNumFolds(),
            self.getValidationCol(),
            self.getSeed(),
            self._label,
        )
        prepared = []
        try:
            for training, validation in parts:
                prepared.append(prefix.prepare(shared, training, validation, self.getMaterialize()))
            self._require_rows(prepared)
            trying = Trying(self, search, rest, prepared, journal)
            service = services.open_service(name, search, journal)
            budget = Budget(self.getNumTrials(), self.getOrDefault("maxSeconds") or math.inf)
            spark = compat.session_of(dataset)
            runner = Runner(spark, search, service, name, journal, trying.run, budget, self._label, self.getVerbose())
            trials = runner.run()
        finally:
            for each in prepared:
                each.release()
        best = search.objective.best(trials)
        assert best is not None
        state = State(
            {
                "trials": [asdict(trial) for trial in trials],
                "metrics": [asdict(metric) for metric in search.objective.metrics],
                "space": search.space.about(),
                "service": {"name": name, "why": why},
                "parallel": search.parallel,
            }
        )
        model = self._with_state(state)
        assert isinstance(model, TunedModel)
        model.bestModel = self.getEstimator().copy(search.space.param_map(dict(best.values))).fit(dataset)
        trying.checkpoints.close()
        model.subModels = [trying.models.get(trial.number, []) for trial in trials] if trying.models else None
        return model

    def _require_rows(self, prepared: Sequence[prefix.Prepared]) -> None:
        for number, part in enumerate(prepared, 1):
            for name, rows in (("learn from", part.training), ("measure on", part.validation)):
                if rows.isEmpty():
                    raise DataError(
                        f"{self._label}: validation: found no rows to {name} in part {number} of {len(prepared)}, "
                        "expected some; change validation or trainRatio"
                    )


with_constructor(TunedEstimator)


def schema_behind(stage: Any, schema: StructType) -> StructType:
    """Schema of the output, as far as all stages can tell: those of the JVM only do so when they run."""
    if isinstance(stage, (Pipeline, PipelineModel)):
        stages = stage.getStages() if isinstance(stage, Pipeline) else stage.stages
        if all(isinstance(part, (Pipeline, PipelineModel)) or hasattr(part, "transformSchema") for part in stages):
            for part in stages:
                schema = schema_behind(part, schema)
        return schema
    return stage.transformSchema(schema) if hasattr(stage, "transformSchema") else schema

"""Params of ``TunedEstimator``, which its model keeps."""

from __future__ import annotations

import math
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.evaluation import Evaluator

from aiok_spark.core.errors import ParamError, PersistenceError
from aiok_spark.core.params import at_least, one_of, param, to_bool, to_float, to_int64, to_name, to_names, to_text
from aiok_spark.core.persistence import part_of, put_part
from aiok_spark.core.stage import Stage
from aiok_spark.tuning import pruning, services, validation
from aiok_spark.tuning.space import SearchSpace


def _to_stage(kind: type) -> Any:
    def convert(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"found {value!r} ({type(value).__name__}), expected a Spark ML {kind.__name__}")
        return value

    return convert


def _to_space(value: Any) -> SearchSpace:
    if isinstance(value, str):  # as it is saved
        return SearchSpace.fromJson(value)
    if not isinstance(value, SearchSpace):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a SearchSpace")
    return value


def _to_share(value: Any) -> float:
    share = to_float(value)
    if not 0 < share < 1:
        raise ValueError(f"found {share}, expected a number between 0 and 1")
    return share


def _to_seconds(value: Any) -> float:
    seconds = to_float(value)
    if not seconds > 0:
        raise ValueError(f"found {seconds}, expected a number above 0")
    return seconds


def _to_thresholds(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a dict of metrics and numbers")
    found = {name: to_float(limit) for name, limit in value.items()}
    if not all(math.isfinite(limit) for limit in found.values()):
        raise ValueError(f"found {found}, expected finite numbers")
    return found


class TunedParams(Stage):
    """What a search is."""

    estimator = param("estimator", "estimator or Pipeline to tune; no default", _to_stage(Estimator))
    searchSpace = param("searchSpace", "SearchSpace of the Params to change; no default", _to_space)
    evaluator = param("evaluator", "what measures scored rows; no default", _to_stage(Evaluator))
    metrics = param(
        "metrics",
        "one or two metrics to make better: of the evaluator (as its metricName has them), 'fitSeconds', "
        "'transformSeconds' (to score and measure) or 'slotSeconds' (seconds of the fit times its workers); default "
        "[], the evaluator's own",
        to_names,
        [],
    )
    thresholds = param(
        "thresholds",
        "dict of metrics, each with the number that it must reach at least, or keep at most where less is better; "
        "default {}",
        _to_thresholds,
        {},
    )
    numTrials = param("numTrials", "trials at most, from 1; default 20", at_least(1), 20)
    maxSeconds = param(
        "maxSeconds",
        "seconds of the search after which no trial begins and those that run are ended, above 0; default none",
        _to_seconds,
        None,
    )
    parallelism = param(
        "parallelism",
        "trials at a time at most, from 1; never more than the task slots allow, of which a trial takes numWorkers; "
        "default 1",
        at_least(1),
        1,
    )
    service = param(
        "service",
        "who chooses: 'sigopt' (a server, by SIGOPT_API_URL and SIGOPT_API_TOKEN of the environment), 'sigoptlite', "
        "'optuna' (a Gaussian process), 'optuna-tpe', 'random', or 'auto' (default): the server if the environment "
        "names one, else the first of sigoptlite, optuna, random that is here",
        one_of("auto", *services.NAMES),
        "auto",
    )
    storage = param("storage", "URL of optuna's storage, such as 'sqlite:///tune.db'; default none", to_name, None)
    validation = param(
        "validation",
        "rows that trials are measured on: 'split' (default, one part drawn at random), 'folds' (each part in turn), "
        "'time' (the latest), 'indicator' (those that validationCol flags)",
        one_of(*validation.KINDS),
        "split",
    )
    trainRatio = param(
        "trainRatio",
        "share of the rows to learn from, for 'split' and 'time', in (0, 1); default 0.75",
        _to_share,
        0.75,
    )
    numFolds = param("numFolds", "parts for 'folds', from 2; default 3", at_least(2), 3)
    validationCol = param(
        "validationCol", "column of times for 'time', of true or false for 'indicator'; default ''", to_text, ""
    )
    pruner = param(
        "pruner",
        "which trials of this package's networks end early: 'none' (default); 'median', worse than the median of the "
        "others at the same epoch; 'halving', not among the best third at epochs 1, 3, 9, ...",
        one_of(*pruning.KINDS),
        "none",
    )
    materialize = param(
        "materialize",
        "where the rows behind the stages that no trial changes are kept: 'memory' (default, Spark's cache), 'files' "
        "(a dataset of PetastormConverter), 'none'",
        one_of("memory", "files", "none"),
        "memory",
    )
    journalPath = param(
        "journalPath",
        "file of the driver, in which each trial is noted and from which a search that was ended goes on; default none",
        to_name,
        None,
    )
    collectSubModels = param(
        "collectSubModels", "whether the models of all trials are kept, in memory; default False", to_bool, False
    )
    seed = param("seed", "of all that is drawn, a whole number of 64 bits; default 0", to_int64, 0)

    def _saved_params(self) -> dict[str, Any]:
        found = super()._saved_params()
        return {**found, "searchSpace": self.getSearchSpace().toJson()} if "searchSpace" in found else found

    def _before_save(self) -> None:
        try:
            self._saved_params()
        except ParamError as e:
            raise PersistenceError(f"{self._label}: save: {e}") from e
        for name in self._nested:
            part = part_of(self, name)
            if not hasattr(part, "write"):
                raise PersistenceError(
                    f"{self._label}: {name}: found {type(part).__name__}, which has no writer, expected a stage that "
                    "can be saved; derive it from DefaultParamsWritable and DefaultParamsReadable"
                )

    def copy(self, extra: Any = None) -> Any:
        """A copy, with Params of ``extra`` for the stages within it, too."""
        made = super().copy(extra)
        for name in self._nested:
            if not self.hasParam(name) or self.isDefined(name):
                put_part(made, name, part_of(self, name).copy(extra))
        return made

"""The same search by each tuner, as its documentation has it; each imports its own, as they share no environment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.classification import GBTClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.sql import DataFrame, SparkSession

from benchmarks.adult import NUMBERS, TEXTS, read_adult

_DEPTHS, _STEPS, _SHARES = [2, 3, 4, 5, 6], (0.02, 0.5), (0.5, 1.0)
_SEED = 1

Facts = dict[str, Any]


def _rows(data: str, cores: int = 2, **conf: str) -> tuple[DataFrame, DataFrame]:
    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
    for name, value in {"spark.log.level": "ERROR", "spark.sql.shuffle.partitions": "4", **conf}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()

    def read(name: str) -> DataFrame:
        rows = read_adult(spark, f"{data}/adult.{name}.gz")
        return rows.select("label", *NUMBERS, *TEXTS).repartition(2).persist()

    return read("data"), read("test")


def _pipeline() -> tuple[Pipeline, GBTClassifier]:
    ids = [f"{name}_id" for name in TEXTS]
    trees = GBTClassifier(maxIter=10, maxBins=64, seed=_SEED)
    indexer = StringIndexer(inputCols=TEXTS, outputCols=ids, handleInvalid="keep")
    return Pipeline(stages=[indexer, VectorAssembler(inputCols=[*NUMBERS, *ids], outputCol="features"), trees]), trees


def _told(begun: float, model: Any, test: DataFrame, trials: int) -> Facts:
    seconds = time.perf_counter() - begun
    auc = BinaryClassificationEvaluator().evaluate(model.transform(test))
    return {"seconds": seconds, "auc": auc, "trials": trials}


def ours(data: str, trials: int) -> Iterator[Facts]:
    from aiok_spark.tuning import SearchSpace, TunedEstimator

    train, test = _rows(data)
    pipeline, trees = _pipeline()
    begun = time.perf_counter()
    space = (
        SearchSpace()
        .addGrid(trees.maxDepth, _DEPTHS)
        .addFloat(trees.stepSize, *_STEPS, log=True)
        .addFloat(trees.subsamplingRate, *_SHARES)
    )
    model = TunedEstimator(
        estimator=pipeline,
        searchSpace=space,
        evaluator=BinaryClassificationEvaluator(),
        numTrials=trials,
        parallelism=2,
        service="optuna",
        seed=_SEED,
    ).fit(train)
    yield _told(begun, model, test, len(model.trials))


def train_validation_split(data: str, trials: int) -> Iterator[Facts]:
    import random

    from pyspark.ml.tuning import TrainValidationSplit

    train, test = _rows(data)
    pipeline, trees = _pipeline()
    begun = time.perf_counter()
    draw = random.Random(_SEED)  # it takes a list of points
    points = [
        {
            trees.maxDepth: draw.choice(_DEPTHS),
            trees.stepSize: _STEPS[0] * (_STEPS[1] / _STEPS[0]) ** draw.random(),
            trees.subsamplingRate: draw.uniform(*_SHARES),
        }
        for _ in range(trials)
    ]
    model = TrainValidationSplit(
        estimator=pipeline,
        estimatorParamMaps=points,
        evaluator=BinaryClassificationEvaluator(),
        trainRatio=0.75,
        parallelism=2,
        seed=_SEED,
    ).fit(train)
    yield _told(begun, model, test, len(points))


def optuna_alone(data: str, trials: int) -> Iterator[Facts]:
    import optuna

    train, test = _rows(data)
    pipeline, trees = _pipeline()
    begun = time.perf_counter()
    learned, measured = (part.persist() for part in train.randomSplit([0.75, 0.25], _SEED))

    def settings(trial: Any) -> dict[Any, Any]:
        return {
            trees.maxDepth: trial.suggest_categorical("depth", _DEPTHS),
            trees.stepSize: trial.suggest_float("step", *_STEPS, log=True),
            trees.subsamplingRate: trial.suggest_float("share", *_SHARES),
        }

    def objective(trial: Any) -> float:
        model = pipeline.copy(settings(trial)).fit(learned)
        return float(BinaryClassificationEvaluator().evaluate(model.transform(measured)))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=_SEED))
    study.optimize(objective, n_trials=trials, n_jobs=2)
    best = pipeline.copy(settings(optuna.trial.FixedTrial(study.best_params))).fit(train)
    yield _told(begun, best, test, len(study.trials))


def hyperopt_alone(data: str, trials: int) -> Iterator[Facts]:
    import math

    import numpy as np
    from hyperopt import Trials, fmin, hp, space_eval, tpe

    train, test = _rows(data)
    pipeline, trees = _pipeline()
    begun = time.perf_counter()
    learned, measured = (part.persist() for part in train.randomSplit([0.75, 0.25], _SEED))
    space = {
        "depth": hp.choice("depth", _DEPTHS),
        "step": hp.loguniform("step", math.log(_STEPS[0]), math.log(_STEPS[1])),
        "share": hp.uniform("share", *_SHARES),
    }

    def settings(point: dict[str, Any]) -> dict[Any, Any]:
        return {
            trees.maxDepth: int(point["depth"]),
            trees.stepSize: float(point["step"]),
            trees.subsamplingRate: float(point["share"]),
        }

    def objective(point: dict[str, Any]) -> float:
        model = pipeline.copy(settings(point)).fit(learned)
        return -float(BinaryClassificationEvaluator().evaluate(model.transform(measured)))

    # Not SparkTrials: its tasks run on executors, where nothing of Spark ML can be fitted.
    found = fmin(objective, space, tpe.suggest, trials, trials=Trials(), rstate=np.random.default_rng(_SEED))
    best = pipeline.copy(settings(space_eval(space, found))).fit(train)
    yield _told(begun, best, test, trials)


def ray_tune(data: str, trials: int) -> Iterator[Facts]:
    import ray
    from ray import tune

    begun = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")

    def settings(trees: Any, point: dict[str, Any]) -> dict[Any, Any]:
        return {
            trees.maxDepth: point["depth"],
            trees.stepSize: point["step"],
            trees.subsamplingRate: point["share"],
        }

    def objective(point: dict[str, Any]) -> dict[str, float]:
        train, _ = _rows(data, cores=1)  # a Spark of its own in each of Ray's processes
        learned, measured = (part.persist() for part in train.randomSplit([0.75, 0.25], _SEED))
        pipeline, trees = _pipeline()
        model = pipeline.copy(settings(trees, point)).fit(learned)
        return {"auc": BinaryClassificationEvaluator().evaluate(model.transform(measured))}

    space = {
        "depth": tune.choice(_DEPTHS),
        "step": tune.loguniform(*_STEPS),
        "share": tune.uniform(*_SHARES),
    }
    config = tune.TuneConfig(metric="auc", mode="max", num_samples=trials, max_concurrent_trials=2)
    found = tune.Tuner(objective, param_space=space, tune_config=config).fit()
    ray.shutdown()
    train, test = _rows(data)
    pipeline, trees = _pipeline()
    best = pipeline.copy(settings(trees, found.get_best_result().config)).fit(train)
    yield _told(begun, best, test, len(found))


def synapseml(data: str, trials: int) -> Iterator[Facts]:
    from synapse.ml.automl import (
        DiscreteHyperParam,
        HyperparamBuilder,
        RandomSpace,
        RangeHyperParam,
        TuneHyperparameters,
    )
    from synapse.ml.train import TrainClassifier

    train, test = _rows(data, **{"spark.jars.packages": "com.microsoft.azure:synapseml-core_2.12:1.0.11"})
    _, trees = _pipeline()  # it makes features of its own, and takes no Pipeline
    begun = time.perf_counter()
    space = (
        HyperparamBuilder()
        .addHyperparam(trees, trees.maxDepth, DiscreteHyperParam(_DEPTHS))
        .addHyperparam(trees, trees.stepSize, RangeHyperParam(*_STEPS))
        .addHyperparam(trees, trees.subsamplingRate, RangeHyperParam(*_SHARES))
        .build()
    )
    model = TuneHyperparameters(
        evaluationMetric="AUC",
        models=[TrainClassifier(model=trees, labelCol="label")],
        numFolds=2,
        numRuns=trials,
        parallelism=2,
        paramSpace=RandomSpace(space).space(),
        seed=_SEED,
    ).fit(train)
    yield _told(begun, model, test, trials)

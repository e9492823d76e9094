"""What a search costs around its fits: stages that no trial changes, and task slots side by side."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark

from benchmarks import table
from benchmarks.clicks import LABEL, SIZES, write_clicks
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.process import Facts, facts_of

TRIALS, NETWORKS = 20, 9
FITS, ITERATIONS = 3, 20  # the last fit is measured; of the regression
EPOCHS = (2, 10, 20)
WAIT = 2.0
ROWS, QUICK_ROWS = 100_000, 1_000
REUSE, SLOTS = 1.8, 1.8  # targets


def main(rows: int | None, quick: bool) -> None:
    """Show both."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    trials, networks = (2, 3) if quick else (TRIALS, NETWORKS)
    table.heading("tuning", spark=pyspark.__version__, rows=rows)
    with tempfile.TemporaryDirectory() as folder:
        write_clicks(Path(folder, "rows"), rows)
        _show_reuse(folder, trials, *((1, 2) if quick else (FITS, ITERATIONS)))
        _show_slots(folder, networks, () if quick else EPOCHS)


def _show_reuse(folder: str, trials: int, fits: int, iterations: int) -> None:
    print(f"   Features and a regression over one split, {trials} trials one after the other, then a fit of the best.")
    given = {"folder": folder, "iterations": iterations}
    (share,) = facts_of(features_of_one_fit, fits=fits, **given)
    (spark,) = facts_of(validator_of_spark, trials=trials, **given)
    (ours,) = facts_of(tuned, trials=trials, **given)
    print(f"   Of one fit of the Pipeline, its features take {100 * share['share']:.0f} % of the time.")
    ratio = spark["seconds"] / ours["seconds"]
    lines = [
        ["pyspark's TrainValidationSplit", spark["seconds"], "", ""],
        ["TunedEstimator", ours["seconds"], ratio, table.verdict(ratio, REUSE)],
    ]
    table.show("stages that no trial changes", ["", "s", "times as fast", "target"], lines)


def _show_slots(folder: str, trials: int, lengths: tuple[int, ...]) -> None:
    print(
        f"\n   {trials} trials, one at a time in local[1] and two in local[2]; seconds of each after a third of them."
    )
    print("   Fits of a job that only waits, as one of a cluster does for its driver, and of a DLRM with one worker.")
    lines = []
    for epochs in (0, *lengths):
        one, two = (
            facts_of(trials_on_slots, folder=folder, trials=trials, slots=slots, epochs=epochs)[0]["seconds"]
            for slots in (1, 2)
        )
        name = f"{epochs} epochs" if epochs else f"{WAIT:g} s of waiting"
        lines.append([name, one, two, one / two, table.verdict(one / two, SLOTS)])
    header = ["", "s/trial on one slot", "on two", "times as many", "target"]
    table.show("task slots", header, lines)


def _session(folder: str, cores: int = 2) -> Any:
    from benchmarks.session import open_session

    spark = open_session(**{"spark.master": f"local[{cores}]"})
    return spark.read.parquet(f"{folder}/rows")


def _pipeline(iterations: int) -> tuple[list[Any], Any]:
    """Features, and the regression behind them."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler

    from aiok_spark.feature import TargetEncode

    encoded = [f"{name}_mean" for name in CATEGORIES]
    stages = [
        TargetEncode(inputCols=CATEGORIES, labelCols=[LABEL], outputCols=encoded, smoothing=20.0),
        VectorAssembler(inputCols=[*NUMBERS, *encoded], outputCol="features", handleInvalid="keep"),
    ]
    return stages, LogisticRegression(labelCol=LABEL, maxIter=iterations)


def _evaluator() -> Any:
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    return BinaryClassificationEvaluator(labelCol=LABEL)


def _penalties(trials: int) -> list[float]:
    return [10 ** (-5 + 4 * i / trials) for i in range(trials)]


def features_of_one_fit(folder: str, iterations: int, fits: int) -> Iterator[Facts]:
    """Share of the features in the last fit of the whole Pipeline, when all is warm."""
    from pyspark.ml import Pipeline

    rows = _session(folder).persist()
    rows.count()
    stages, regression = _pipeline(iterations)
    for _ in range(fits):
        begun = time.perf_counter()
        Pipeline(stages=stages).fit(rows)
        features = time.perf_counter() - begun
        begun = time.perf_counter()
        Pipeline(stages=[*stages, regression]).fit(rows)
        whole = time.perf_counter() - begun
    yield {"share": features / whole}


def validator_of_spark(folder: str, iterations: int, trials: int) -> Iterator[Facts]:
    """Seconds of Spark's own search over a list of values."""
    from pyspark.ml import Pipeline
    from pyspark.ml.tuning import ParamGridBuilder, TrainValidationSplit

    rows = _session(folder)
    stages, regression = _pipeline(iterations)
    begun = time.perf_counter()
    TrainValidationSplit(
        estimator=Pipeline(stages=[*stages, regression]),
        estimatorParamMaps=ParamGridBuilder().addGrid(regression.regParam, _penalties(trials)).build(),
        evaluator=_evaluator(),
        trainRatio=0.75,
    ).fit(rows)
    yield {"seconds": time.perf_counter() - begun}


def tuned(folder: str, iterations: int, trials: int) -> Iterator[Facts]:
    """Seconds of ours over the same values."""
    from pyspark.ml import Pipeline

    from aiok_spark.tuning import SearchSpace, TunedEstimator

    rows = _session(folder)
    stages, regression = _pipeline(iterations)
    begun = time.perf_counter()
    model = TunedEstimator(
        estimator=Pipeline(stages=[*stages, regression]),
        searchSpace=SearchSpace().addGrid(regression.regParam, _penalties(trials)),
        evaluator=_evaluator(),
        numTrials=trials,
        service="random",
        verbose=False,
    ).fit(rows)
    yield {"seconds": time.perf_counter() - begun, "trials": len(model.trials)}


def trials_on_slots(folder: str, trials: int, slots: int, epochs: int) -> Iterator[Facts]:
    """Seconds of a trial once the JVM is warm; of a job that waits if there are no epochs."""
    from pyspark.ml import Estimator
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.param import Param, Params, TypeConverters

    from aiok_spark.models import DLRMClassifier, LinearSVM
    from aiok_spark.tuning import SearchSpace, TunedEstimator

    rows = _session(folder, slots)
    common = {"denseCols": NUMBERS, "labelCol": LABEL, "numWorkers": 1, "batchSize": 512, "verbose": False}
    model = LinearSVM(**common, epochs=1).fit(rows.limit(1000)) if not epochs else None
    ended: list[float] = []

    class Waiting(Estimator):
        learningRate = Param(Params._dummy(), "learningRate", "not used", TypeConverters.toFloat)

        def _fit(self, dataset: Any) -> Any:
            def wait(batches: Iterator[Any]) -> Iterator[Any]:
                time.sleep(WAIT)
                yield from batches

            session = dataset.sparkSession
            session.range(0, 1, 1, 1).mapInPandas(wait, "id long").count()
            return model

    class Noting(BinaryClassificationEvaluator):
        def _evaluate(self, dataset: Any) -> float:
            found = 0.5 if model else super()._evaluate(dataset)
            ended.append(time.perf_counter())
            return found

    sizes = dict(zip(CATEGORIES, SIZES, strict=True))
    tuned: Any = Waiting()
    if epochs:
        tuned = DLRMClassifier(
            **common,
            categoricalCols=CATEGORIES,
            tableSizes=sizes,
            bottomLayers=[64],
            topLayers=[64],
            epochs=epochs,
        )
    TunedEstimator(
        estimator=tuned,
        searchSpace=SearchSpace().addFloat(tuned.learningRate, 1e-3, 1e-1, log=True),
        evaluator=Noting(labelCol=LABEL),
        numTrials=trials,
        parallelism=slots,
        service="random",
        verbose=False,
    ).fit(rows)
    first = trials // 3
    yield {"seconds": (ended[-1] - ended[first - 1]) / (len(ended) - first)}

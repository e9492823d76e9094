"""A search as a stage: nested, saved, gone on with, and what ends it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from pyspark.ml import Estimator, Model, Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator, Evaluator, RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.tuning import CrossValidator
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.core.errors import ColumnError, DataError, ParamError, PersistenceError, TrainingError
from aiok_spark.feature import FillMissing, Scale
from aiok_spark.inference import LocalPipeline
from aiok_spark.models import MLPClassifier
from aiok_spark.testing import check_stage
from aiok_spark.tuning import SearchSpace, TunedEstimator, TunedModel
from aiok_spark.tuning.trying import workers_of
from aiok_spark.tuning.validation import folds_of

pytestmark = pytest.mark.two_modes

auc = BinaryClassificationEvaluator


JVM = {
    "pickles": "2026-11-22: it holds an evaluator of the JVM",
    "nulls_are_met_on_purpose": "2026-11-22: the error names the stage within, which refuses them",
}


class Bowl(Estimator):
    """Fits in no time and without a job: its model has a loss by its Params alone."""

    x = Param(Params._dummy(), "x", "a number", TypeConverters.toFloat)
    kind = Param(Params._dummy(), "kind", "a word", TypeConverters.toString)
    fits: ClassVar[list] = []  # (x, rows) of each fit; rows only where they are asked for
    lock = threading.Lock()
    running = most = 0

    def __init__(self, count=False, seconds=0.0):
        super().__init__()
        self._setDefault(x=1.0, kind="good")
        self.count, self.seconds = count, seconds

    def _fit(self, dataset):
        x, kind = self.getOrDefault("x"), self.getOrDefault("kind")
        with Bowl.lock:
            Bowl.fits.append((x, dataset.count() if self.count else None))
            Bowl.running += 1
            Bowl.most = max(Bowl.most, Bowl.running)
        time.sleep(self.seconds)
        with Bowl.lock:
            Bowl.running -= 1
        if kind == "bad":
            raise ValueError("a kind that cannot be fitted\nand more of it")
        return BowlModel(float("nan") if kind == "nan" else (x - 0.3) ** 2)


class BowlModel(Model):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def _transform(self, dataset):
        dataset.bowl_loss = self.loss  # as the evaluator is to see it without a job
        return dataset


class Loss(Evaluator):
    def _evaluate(self, dataset):
        return dataset.bowl_loss

    def isLargerBetter(self):
        return False


@pytest.fixture(autouse=True)
def fresh():
    """Forget the fits of other tests."""
    Bowl.fits, Bowl.most = [], 0


@pytest.fixture(scope="module")
def rows(spark):
    """Give 240 rows that a tree learns something of."""
    made = spark.range(240).select(
        F.col("id").cast("double").alias("time"),
        F.sin(F.col("id")).alias("a"),
        F.cos(3.0 * F.col("id")).alias("b"),
        (F.col("id") % 4 == 3).alias("held"),
    )
    return made.withColumn("label", (F.col("a") + F.col("b") ** 2 > 0.5).cast("double")).cache()


def bowl(rows, space=None, **params):
    """Tune a bowl, by chance and without a job."""
    estimator = params.pop("estimator", None) or Bowl()
    space = space or SearchSpace().addFloat("Bowl.x", 0.0, 1.0)
    given = {
        "evaluator": Loss(),
        "service": "random",
        "numTrials": 6,
        "verbose": False,
        "materialize": "none",
        **params,
    }
    return TunedEstimator(estimator=estimator, searchSpace=space, **given)


def forest(**params):
    """A Pipeline of Spark's own stages."""
    tree = DecisionTreeClassifier(maxDepth=1)
    pipeline = Pipeline(stages=[VectorAssembler(inputCols=["a", "b"], outputCol="features"), tree])
    space = SearchSpace().addInt(tree.maxDepth, 1, 5).addCategorical(tree.impurity, ["gini", "entropy"])
    given = {"evaluator": auc(), "service": "random", "numTrials": 3, "verbose": False, **params}
    return TunedEstimator(estimator=pipeline, searchSpace=space, **given)


def test_the_best_params_are_those_of_the_best_trial_on_all_rows(rows):
    estimator = Bowl(count=True)
    model = bowl(rows, estimator=estimator, numTrials=8).fit(rows)
    losses = {trial.number: trial.metrics["Loss"] for trial in model.trials}
    assert len(losses) == 8 and model.bestTrial.number == min(losses, key=losses.get)
    assert losses == {t.number: pytest.approx((t.values["Bowl.x"] - 0.3) ** 2) for t in model.trials}
    assert Bowl.fits[-1] == (model.bestTrial.values["Bowl.x"], 240) and model.bestModel.loss == min(losses.values())
    assert all(count < 240 for _, count in Bowl.fits[:-1])
    assert estimator.getOrDefault("x") == 1.0  # the estimator itself is as it was
    assert list(model.toPandas()["trial"]) == list(range(1, 9))


def test_the_first_trial_has_the_params_that_there_are(rows):
    model = bowl(rows, numTrials=2).fit(rows)
    assert model.trials[0].values["Bowl.x"] == 1.0 and model.trials[0].chosen == "estimator"


def test_it_is_a_stage_of_spark(rows, tmp_path):
    model = Pipeline(stages=[forest()]).fit(rows)
    scored = model.transform(rows).select("probability", "prediction").collect()
    path = str(tmp_path / "pipeline")
    model.write().save(path)
    for loaded in (PipelineModel.load(path), aiok_spark.load(path)):
        assert loaded.transform(rows).select("probability", "prediction").collect() == scored
        tuned = loaded.stages[0]
        assert isinstance(tuned, TunedModel) and tuned.bestTrial == model.stages[0].bestTrial
        assert tuned.service == model.stages[0].service == "random (as asked)"
        assert tuned.getSearchSpace() == model.stages[0].getSearchSpace()
        assert tuned.getSearchSpace().bind(tuned.getEstimator()).about() == tuned._state.facts["space"]
    again = TunedEstimator.load(_saved(forest(), tmp_path / "estimator"))
    assert again.fit(rows).trials[0].values == model.stages[0].trials[0].values


def _saved(stage, path):
    stage.write().save(str(path))
    return str(path)


def test_it_follows_the_rules_of_all_stages(rows):
    mlp = MLPClassifier(
        denseCols=["a", "b"], hiddenLayers=[2], epochs=1, optimizer="sgd", engine="local", verbose=False
    )
    space = SearchSpace().addFloat(mlp.learningRate, 0.01, 0.1, log=True)
    tuned = TunedEstimator(
        estimator=mlp, searchSpace=space, evaluator=auc(), service="random", numTrials=1, verbose=False
    )
    report = check_stage(tuned, rows.drop("held"), labelCols=["label"], inputCols=["a", "b"], skip=JVM)
    assert not report.failed


def test_it_nests_in_a_validator_of_spark(rows):
    tuned = forest(numTrials=2)
    grid = [{tuned.numTrials: 1}, {tuned.numTrials: 2}]
    found = CrossValidator(estimator=tuned, estimatorParamMaps=grid, evaluator=auc(), numFolds=2).fit(rows)
    assert isinstance(found.bestModel, TunedModel) and len(found.avgMetrics) == 2


def test_params_of_stages_within_reach_them_through_copies(rows):
    tuned = forest(numTrials=1)
    tree = tuned.getEstimator().getStages()[1]
    copy = tuned.copy({tree.maxBins: 7, tuned.numTrials: 2})
    assert copy.getEstimator().getStages()[1].getMaxBins() == 7 and copy.getNumTrials() == 2
    assert tree.getMaxBins() == 32 and tuned.getNumTrials() == 1
    assert copy.fit(rows).bestModel.stages[1].getOrDefault("maxBins") == 7


def test_a_model_of_our_stages_is_served_without_spark(rows, tmp_path):
    mlp = MLPClassifier(denseCols=["a", "b"], hiddenLayers=[4], epochs=1, engine="local", verbose=False)
    flow = Pipeline(stages=[FillMissing(inputCols=["a", "b"], outputCols=["a", "b"]), mlp])
    space = SearchSpace().addFloat(mlp.learningRate, 1e-3, 1e-1, log=True)
    tuned = TunedEstimator(
        estimator=flow, searchSpace=space, evaluator=auc(), service="random", numTrials=2, verbose=False
    )
    model = Pipeline(stages=[Scale(inputCols=["a"], outputCols=["a"]), tuned]).fit(rows)
    model.write().save(str(tmp_path / "m"))
    given = rows.select("a", "b").limit(5).toPandas()
    served = LocalPipeline.load(str(tmp_path / "m")).transform(given)
    assert served["prediction"].tolist() == [r.prediction for r in model.transform(rows).limit(5).collect()]


# Validation


@pytest.mark.parametrize(
    ("kind", "by", "sizes"),
    [("folds", "", None), ("split", "", None), ("time", "time", (180, 60)), ("indicator", "held", (180, 60))],
)
def test_rows_are_divided_without_overlap(rows, kind, by, sizes):
    parts = folds_of(rows, kind, 0.75, 3, by, 0, "x")
    assert len(parts) == (3 if kind == "folds" else 1)
    held = []
    for training, validation in parts:
        learned, measured = ({r.time for r in df.collect()} for df in (training, validation))
        assert not learned & measured and len(learned | measured) == 240
        assert training.columns == validation.columns == rows.columns
        assert sizes is None or (len(learned), len(measured)) == sizes
        if kind == "time":
            assert max(learned) < min(measured)
        held.extend(measured)
    assert len(held) == len(set(held)) == (240 if kind == "folds" else len(held))


def test_what_cannot_be_divided_is_told(rows):
    with pytest.raises(ColumnError, match="validationCol names ''"):
        bowl(rows, validation="time").fit(rows)
    with pytest.raises(ParamError, match="validationCol: found double 'a', expected true"):
        bowl(rows, validation="indicator", validationCol="a").fit(rows)
    nulls = rows.withColumn("held", F.when(F.col("a") > 0, F.col("held")))
    with pytest.raises(DataError, match=r"validationCol: found .* nulls in 'held', expected true"):
        bowl(rows, validation="indicator", validationCol="held").fit(nulls)
    with pytest.raises(DataError, match="no rows to measure on in part 1 of 1"):
        bowl(rows, validation="indicator", validationCol="held").fit(rows.withColumn("held", F.lit(False)))


@pytest.mark.parametrize("materialize", ["memory", "files", "none"])
def test_stages_that_no_trial_changes_are_fitted_once(rows, materialize):
    scale = Scale(inputCols=["a"], outputCols=["a"], verbose=False)
    fitted = []

    class Counted(type(scale)):
        def _fit(self, dataset):
            fitted.append(self.uid)
            return super()._fit(dataset)

    scale.__class__ = Counted
    tree = DecisionTreeClassifier()
    flow = Pipeline(stages=[scale, VectorAssembler(inputCols=["a", "b"], outputCol="features"), tree])
    tuned = TunedEstimator(
        estimator=flow,
        searchSpace=SearchSpace().addInt(tree.maxDepth, 1, 5),
        evaluator=auc(),
        service="random",
        numTrials=3,
        materialize=materialize,
        verbose=False,
    )
    model = tuned.fit(rows)
    assert len(fitted) == 2  # for all trials, and for the best on all rows
    alone = flow.copy({tree.maxDepth: model.bestTrial.values["DecisionTreeClassifier.maxDepth"]})
    parts = folds_of(rows, "split", 0.75, 3, "", 0, "x")
    expected = auc().evaluate(alone.fit(parts[0][0]).transform(parts[0][1]))
    assert model.bestTrial.metrics["areaUnderROC"] == pytest.approx(expected, abs=1e-12)


# What ends it, and goes on


def test_failed_trials_are_noted_and_the_others_count(rows):
    space = SearchSpace().addFloat("x", 0.0, 1.0).addCategorical("kind", ["good", "bad", "nan"])
    model = bowl(rows, space, numTrials=12).fit(rows)
    states = {trial.values["Bowl.kind"]: trial.state for trial in model.trials}
    assert states == {"good": "done", "bad": "failed", "nan": "failed"}
    errors = {t.values["Bowl.kind"]: t.facts["error"] for t in model.trials if t.state == "failed"}
    assert errors["bad"] == "ValueError: a kind that cannot be fitted"
    assert errors["nan"] == "found {'Loss': nan}, expected numbers; look at the rows that it is measured on"
    assert model.bestTrial.state == "done"


def test_if_all_fail_the_first_error_is_told(rows):
    space = SearchSpace().addCategorical("kind", ["bad", "bad2"]).addFloat("x", 0.0, 1.0)
    with pytest.raises(TrainingError, match=r"no trial that succeeded among 5.*kind bad.*a kind that cannot be fitted"):
        bowl(rows, space, estimator=_Bad(), numTrials=50).fit(rows)


class _Bad(Bowl):
    def _fit(self, dataset):
        raise ValueError("a kind that cannot be fitted")


def test_a_search_goes_on_from_its_journal(rows, tmp_path):
    path = str(tmp_path / "journal")
    first = bowl(rows, numTrials=3, journalPath=path).fit(rows)
    fits = len(Bowl.fits)
    model = bowl(rows, numTrials=7, journalPath=path).fit(rows)
    assert model.trials[:3] == first.trials and len(model.trials) == 7
    assert len(Bowl.fits) == fits + 4 + 1
    assert [t.values for t in model.trials] == [t.values for t in bowl(rows, numTrials=7).fit(rows).trials]
    with pytest.raises(DataError, match="another search"):
        bowl(rows, SearchSpace().addFloat("x", 0.0, 2.0), journalPath=path).fit(rows)


def test_a_journal_is_of_one_estimator_evaluator_and_set_of_rows(rows, tmp_path):
    flow = forest().getEstimator()
    tree = flow.getStages()[1]
    space = SearchSpace().addInt(tree.maxDepth, 1, 5)
    given = {"estimator": flow, "searchSpace": space, "evaluator": auc(), "service": "random", "numTrials": 1}
    given |= {"journalPath": str(tmp_path / "journal"), "verbose": False}
    found = TunedEstimator(**given).fit(rows)
    again = TunedEstimator(**given).fit(rows.repartition(3))  # the order is nothing
    assert again.trials == found.trials
    with pytest.raises(DataError, match=r"rows: .*count: 240 there, expected 120"):
        TunedEstimator(**given).fit(rows.limit(120))
    with pytest.raises(DataError, match=r"rows: found sums: a: "):
        TunedEstimator(**given).fit(rows.withColumn("a", F.col("a") + F.rand(1)))
    other = {**given, "evaluator": auc(labelCol="held")}
    with pytest.raises(DataError, match=r"evaluator: .*labelCol"):
        TunedEstimator(**other).fit(rows)
    other = {**given, "estimator": flow.copy({tree.maxBins: 8})}
    with pytest.raises(DataError, match=r"estimator: .*maxBins"):
        TunedEstimator(**other).fit(rows)
    validator = CrossValidator(estimator=TunedEstimator(**given), estimatorParamMaps=[{}], evaluator=auc(), numFolds=2)
    with pytest.raises(DataError, match="rows: "):  # of a fold
        validator.fit(rows)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_trials_run_beside_each_other_as_far_as_the_slots_allow(rows, parallelism, spark):
    model = bowl(rows, estimator=Bowl(seconds=0.3), numTrials=6, parallelism=parallelism).fit(rows)
    slots = max(1, min(parallelism, 2))
    assert Bowl.most <= slots and len(model.trials) == 6
    assert model._state.facts["parallel"] <= slots


def test_workers_of_a_fit_are_the_most_that_a_stage_or_the_space_asks_for(spark):
    mlp = MLPClassifier(denseCols=["a"], numWorkers=2)
    flow = Pipeline(stages=[Scale(inputCols=["a"], outputCols=["a"]), mlp])
    assert workers_of(flow) == 2 and workers_of(LogisticRegression()) == 1
    assert workers_of(flow, SearchSpace().addGrid(mlp.numWorkers, [1, 2, 6]).bind(flow)) == 6


def test_fits_of_two_workers_on_two_slots_run_one_after_the_other(rows):
    mlp = MLPClassifier(denseCols=["a", "b"], hiddenLayers=[2], epochs=1, numWorkers=2, verbose=False)
    space = SearchSpace().addFloat(mlp.learningRate, 0.01, 0.1)
    tuned = TunedEstimator(
        estimator=mlp, searchSpace=space, evaluator=auc(), service="random", numTrials=2, parallelism=2, verbose=False
    )
    model = tuned.fit(rows)
    assert [trial.state for trial in model.trials] == ["done", "done"] and model._state.facts["parallel"] == 1


def test_seconds_end_a_search_and_what_ran_is_done_again(rows, tmp_path):
    path = str(tmp_path / "journal")
    slow = bowl(rows, estimator=Bowl(seconds=0.4), numTrials=50, maxSeconds=1.5, journalPath=path)
    model = slow.fit(rows)
    assert 1 <= len(model.trials) < 10
    told = [json.loads(line) for line in Path(path).read_text().splitlines()]
    begun = {t["trial"] for t in told if "values" in t}
    assert begun >= {trial.number for trial in model.trials}


def test_trainings_that_are_worse_than_others_end_early(spark, tmp_path):
    rows = spark.range(4000).select(F.randn(1).alias("a"), F.randn(2).alias("b"))
    rows = rows.withColumn("label", (F.col("a") * F.col("b") > 0).cast("double"))
    net = MLPClassifier(
        denseCols=["a", "b"], hiddenLayers=[16], epochs=60, batchSize=32, learningRate=0.01, verbose=False
    )
    net.setCheckpointDir(str(tmp_path))  # where a driver that is elsewhere sees the epochs
    tuned = TunedEstimator(
        estimator=net,
        searchSpace=SearchSpace().addFloat(net.learningRate, 1e-6, 0.02, log=True),
        evaluator=auc(),
        numTrials=4,
        service="random",
        pruner="halving",
        seed=1,
        verbose=False,
    )
    model = tuned.fit(rows)
    ended = {state: [t for t in model.trials if t.state == state] for state in ("done", "pruned")}
    assert ended["pruned"] and len(ended["done"]) + len(ended["pruned"]) == 4
    assert model.trials[0].state == "done" and model.bestTrial in ended["done"]
    for trial in ended["pruned"]:
        epoch, loss = trial.facts["epochs"][-1]
        assert epoch < 60 and not trial.metrics
        assert loss > min(dict(map(tuple, t.facts["epochs"]))[epoch] for t in ended["done"])
    # Each trial had a folder of its own, which is gone; what is left is the fit of the best.
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("trial-")] == []


class Endless(Bowl):
    """Its fit is a job of a minute that adds to a file as long as it runs."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def _fit(self, dataset):
        path = self.path

        def work(batches):
            for batch in batches:
                for _ in range(300):
                    with open(path, "a") as file:
                        file.write(".")
                    time.sleep(0.2)
                yield batch

        dataset.mapInPandas(work, dataset.schema).count()
        return BowlModel(0.0)


def test_an_interrupt_ends_the_jobs_of_the_trials(rows, tmp_path):
    path = tmp_path / "alive"
    path.touch()

    def interrupt():
        wait_for(lambda: path.stat().st_size > 3)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        bowl(rows, estimator=Endless(str(path)), space=SearchSpace().addFloat("Endless.x", 0.0, 1.0)).fit(rows)

    def still():
        before = path.stat().st_size
        time.sleep(1)
        return path.stat().st_size == before

    wait_for(still)
    assert path.stat().st_size < 300


def test_time_is_a_metric_and_a_threshold_comes_first(rows):
    model = bowl(rows, metrics=["fitSeconds"], thresholds={"Loss": 0.05}, numTrials=12).fit(rows)
    within = [trial for trial in model.trials if trial.metrics["Loss"] <= 0.05]
    assert model.bestTrial == min(within, key=lambda trial: trial.metrics["fitSeconds"])
    both = bowl(rows, metrics=["Loss", "slotSeconds"]).fit(rows)
    assert both.bestTrial == both.paretoFront[0] and set(both.bestTrial.metrics) == {"Loss", "slotSeconds"}


def test_sub_models_are_kept_if_asked_for(rows):
    model = bowl(rows, numTrials=3, validation="folds", numFolds=2, collectSubModels=True).fit(rows)
    assert [[m.loss for m in models] for models in model.subModels] == [
        [pytest.approx(t.metrics["Loss"])] * 2 for t in model.trials
    ]
    assert bowl(rows).fit(rows).subModels is None


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"metrics": ["areaUnder"], "evaluator": auc},
            ParamError,
            "metrics: found 'areaUnder', which BinaryClass.*areaUnderPR",
        ),
        ({"metrics": ["auc"]}, ParamError, "metrics: found 'auc', expected 'Loss'"),
        ({"metrics": ["Loss", "fitSeconds", "slotSeconds"]}, ParamError, "metrics: found .*, expected one or two"),
        ({"space": SearchSpace().addFloat("y", 0, 1)}, ParamError, "found 'y'"),
        ({"space": SearchSpace()}, ParamError, "found no Params"),
        ({"evaluator": 3}, ParamError, "evaluator: found 3 .*expected a Spark ML Evaluator"),
        ({"service": "grid"}, ParamError, "service: found 'grid'"),
        ({"numTrials": 0}, ParamError, "numTrials"),
        ({"pruner": "median"}, ParamError, r"pruner: found 'median' for \['Bowl'\], which tell nothing"),
        (
            {"storage": "sqlite://", "service": "random"},
            ParamError,
            "found 'random', which has no storage, expected 'opt",
        ),
        (
            {"storage": "sqlight:///x:secret@h", "service": "optuna"},
            ParamError,
            "storage: found a URL that cannot be op",
        ),
        ({"thresholds": {"Loss": float("nan")}}, ParamError, "thresholds: .*finite"),
    ],
)
def test_what_cannot_be_is_told_before_the_first_trial(rows, params, error, message):
    made = {name: value() if value is auc else value for name, value in params.items()}
    with pytest.raises(error, match=message):
        bowl(rows, **made).fit(rows)
    assert Bowl.fits == []


def test_whole_stages_may_be_chosen(rows):
    assembler = VectorAssembler(inputCols=["a", "b"], outputCol="features")
    tree, forest_ = DecisionTreeClassifier(), RandomForestClassifier(numTrees=2)
    flow = Pipeline(stages=[assembler, forest_])
    space = SearchSpace().addCategorical(flow.stages, {"tree": [assembler, tree], "forest": [assembler, forest_]})
    space.addInt(forest_.numTrees, 1, 3, when={flow.stages: ["forest"]})
    tuned = TunedEstimator(
        estimator=flow, searchSpace=space, evaluator=auc(), service="random", numTrials=4, seed=2, verbose=False
    )
    found = {trial.values["Pipeline.stages"]: trial for trial in tuned.fit(rows).trials}
    assert set(found) == {"tree", "forest"} and all(trial.state == "done" for trial in found.values())
    assert ("RandomForestClassifier.numTrees" in found["tree"].values) is False


def test_what_cannot_be_saved_is_told(rows, tmp_path):
    with pytest.raises(PersistenceError, match=r"estimator: found Bowl, which has no writer"):
        bowl(rows).write().save(str(tmp_path / "x"))
    tree, forest_ = DecisionTreeClassifier(), LogisticRegression()
    flow = Pipeline(stages=[tree])
    space = SearchSpace().addCategorical(flow.stages, {"tree": [tree], "regression": [forest_]})
    with pytest.raises(PersistenceError, match=r"\.stages: found categories that JSON cannot hold"):
        TunedEstimator(estimator=flow, searchSpace=space, evaluator=auc()).save(str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_a_metric_of_another_direction_is_made_smaller(rows):
    regression = RegressionEvaluator(metricName="rmse")
    tuned = bowl(rows, evaluator=regression)
    assert [(m.name, m.larger) for m in tuned._objective().metrics] == [("rmse", False)]
    assert [m.larger for m in tuned.setParams(metrics=["r2", "mae"])._objective().metrics] == [True, False]


def test_a_killed_search_loses_nothing_and_repeats_nothing(tmp_path):
    journal = tmp_path / "journal"
    program = [sys.executable, str(Path(__file__).with_name("killed_search.py")), str(journal), "200"]
    for lines in (20, 41, 83, 124, 165, 206, 247, 288, 329):
        process = subprocess.Popen(program)
        wait_for(lambda lines=lines: journal.exists() and journal.read_bytes().count(b"\n") > lines)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "200"
    told = [json.loads(line) for line in journal.read_text().splitlines()][1:]
    assert sorted(t["trial"] for t in told if "state" in t) == list(range(1, 201))
    assert [t["trial"] for t in told if "values" in t] == list(range(1, 201))


def wait_for(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)

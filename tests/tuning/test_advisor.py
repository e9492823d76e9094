"""Advice: chosen by what is known, with a reason for each choice."""

import pytest
import yaml
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnError, ConfError, DataError, ParamError
from aiok_spark.models import DLRMClassifier
from aiok_spark.tuning import TunedEstimator, advise
from aiok_spark.tuning.advisor.sheet import read_sheet, sheet_names

DLRM = {"denseCols": ["age"], "categoricalCols": ["shop", "city"], "labelCol": "clicked", "numWorkers": 1}


@pytest.fixture(scope="module")
def rows(spark):
    """Give 500 rows with 40 shops and 7 cities, of which only the cities say how many they are."""
    made = spark.range(500).select(
        F.rand(1).alias("age"),
        (F.col("id") % 40).cast("int").alias("shop"),
        (F.col("id") % 7).cast("int").alias("city"),
        (F.col("id") % 2).cast("double").alias("clicked"),
    )
    return made.withMetadata("city", {"aiok": {"cardinality": 9}}).cache()


@pytest.mark.parametrize("name", sheet_names())
def test_every_sheet_can_be_read_and_has_reasons(name):
    sheet = read_sheet(name)
    assert sheet.search and all(part.because for part in [*sheet.choose.values(), *sheet.search.values()])


@pytest.mark.two_modes
def test_what_is_chosen_follows_from_rows_and_cluster(rows):
    advice = advise("dlrm", rows, {k: v for k, v in DLRM.items() if k != "numWorkers"}, cluster={"slots": 6})
    assert advice.facts["rows"] == 500 and advice.facts["slots"] == 6 and advice.facts["idColumns"] == 2
    assert 36 <= advice.facts["ids"] - 9 <= 44  # as Spark estimates it
    assert advice.layout == {"workers": 1, "parallelism": 6}
    assert advice.params["batchSize"] == 256 and advice.params["numWorkers"] == 1
    told = advice.explain()
    assert "rows = 500 (rows to learn from)" in told and "batchSize = 256: some hundred steps an epoch" in told
    assert "(rows = 500)" in told and "search learningRate = [0.001, 0.3] by its logarithm: matters most" in told


def test_many_rows_get_workers(rows):
    many = rows.limit(400).crossJoin(rows.sparkSession.range(2000).select(F.col("id").alias("copy")))
    advice = advise("dlrm", many, {"denseCols": ["age"], "categoricalCols": ["city"]}, cluster={"slots": 8})
    assert advice.facts["rows"] == 800_000 and advice.layout == {"workers": 4, "parallelism": 2}
    assert advice.params["batchSize"] == 4096 and advice.facts["rowsPerWorker"] == 200_000


def test_the_estimator_is_what_was_advised(rows):
    given = {**DLRM, "topLayers": [8], "batchSize": 64}
    advice = advise("dlrm", rows, given, objective={"thresholds": {"areaUnderPR": 0.1}}, budget={"trials": 3})
    tuned = advice.estimator(service="random", seed=5)
    assert isinstance(tuned, TunedEstimator) and isinstance(tuned.getEstimator(), DLRMClassifier)
    assert tuned.getNumTrials() == 3 and tuned.getSeed() == 5 and tuned.getThresholds() == {"areaUnderPR": 0.1}
    assert tuned.getEstimator().getBatchSize() == 64 and tuned.getEvaluator().getLabelCol() == "clicked"
    names = [d.name for d in tuned.getSearchSpace().bind(tuned.getEstimator()).dimensions]
    assert names == [f"DLRMClassifier.{name}" for name in ("learningRate", "embeddingDim", "bottomLayers")]


def test_what_changes_nothing_is_not_searched(rows):
    ids = {"categoricalCols": ["shop", "city"], "labelCol": "clicked"}
    assert set(advise("dlrm", rows, {**ids, "denseCols": ["age"]}).ranges) - set(advise("dlrm", rows, ids).ranges) == {
        "bottomLayers"
    }


@pytest.mark.parametrize("name", ["dlrm", "mlp", "mlp_regressor", "linear_svm"])
def test_every_model_of_ours_can_be_tuned_as_advised(rows, name):
    columns = {"dlrm": DLRM}.get(name, {"denseCols": ["age"], "labelCol": "clicked"})
    tuned = advise(name, rows, columns).estimator()
    tuned._objective()
    space = tuned.getSearchSpace().bind(tuned.getEstimator())
    assert len(space.dimensions) == len(read_sheet(name).search)
    assert space.present(tuned.getEstimator()) is not None  # the search begins with the advised Params


def test_workers_that_are_given_are_laid_out(rows):
    advice = advise("dlrm", rows, {**DLRM, "numWorkers": 2}, cluster={"slots": 6})
    assert advice.layout == {"workers": 2, "parallelism": 3} and advice.params["numWorkers"] == 2


def test_a_model_of_ones_own_is_one_file(rows, tmp_path):
    sheet = {
        "model": "regression",
        "about": "Spark's",
        "estimator": "pyspark.ml.classification.LogisticRegression",
        "evaluator": "binary",
        "metric": "areaUnderPR",
        "choose": {"maxIter": {"by": "rows", "upTo": [[100, 5], [None, 9]], "because": "few"}},
        "search": {"regParam": {"low": 0.001, "high": 1, "log": True, "because": "it matters"}},
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(sheet))
    tuned = advise(str(path), rows, {"featuresCol": "age", "labelCol": "clicked"}).estimator()
    assert tuned.getEstimator().getMaxIter() == 9 and tuned.getMetrics() == ["areaUnderPR"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rows: advise("dlrm", rows, {"denseCol": ["age"]}), ParamError, "inputs: found 'denseCol', .*denseCols"),
        (lambda rows: advise("dlrn", rows, DLRM), ConfError, "no recipe 'dlrn', .*did you mean 'dlrm'"),
        (lambda rows: advise("dlrm", rows.limit(0), DLRM), DataError, "found no rows"),
        (lambda rows: advise("dlrm", rows, {"denseCols": ["aga"]}), ColumnError, "inputs names 'aga'"),
        (lambda rows: advise("dlrm", rows, DLRM, budget={"trial": 3}), ParamError, "budget: found 'trial'"),
        (lambda rows: advise("bert", rows, {}).estimator(), ParamError, "BERT: found no estimator of this model in"),
        (lambda rows: advise("boosted_trees", rows, {}).estimator(), ParamError, "no xgboost.spark.SparkXGBClassifier"),
    ],
)
def test_what_cannot_be_advised_is_told(rows, call, error, message):
    with pytest.raises(error, match=message):
        call(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"serch": {}}, "serch: Extra inputs"),
        ({"search": {"a": {"low": 1, "because": "x"}}}, r"search\.a: .*expected low and high, or grid, or values"),
        ({"search": {"a": {"low": 1, "high": 2}}}, r"search\.a\.because: Field required"),
        ({"choose": {"a": {"by": "rows", "upTo": [[1, 2]], "because": "x"}}}, "expected null as the last limit"),
        ({"evaluator": "ranking"}, "evaluator: Input should be"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, change, message):
    path = tmp_path / "own.yaml"
    good = {"model": "m", "about": "a", "evaluator": "binary", "metric": "x", "search": {}}
    path.write_text(yaml.safe_dump({**good, **change}))
    with pytest.raises(ConfError, match=message):
        read_sheet(str(path))

"""What the estimators learn: from public data sets, from noise, and with a table of 300 MB."""

from pathlib import Path

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import LinearSVC
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.feature import Categorify, LogTransform
from aiok_spark.models import DLRMClassifier, LinearSVM, MLPClassifier
from benchmarks.adult import NUMBERS, TEXTS, read_adult

pytestmark = [pytest.mark.two_modes, pytest.mark.heavy]

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"


def data(name):
    """Path of a data set's file; skips where there is none."""
    if not (DATA / name).exists():
        pytest.skip(f"the data set {name} is not on this machine")
    return str(DATA / name)


def auc(scored):
    return BinaryClassificationEvaluator().evaluate(scored)


def a9a(spark, name):
    made = spark.read.format("libsvm").option("numFeatures", 123).load(data(f"libsvm/{name}.gz"))
    return made.withColumn("label", F.col("label") / 2 + 0.5)


@pytest.fixture(scope="module")
def census(spark, mode):
    """Give the rows of a9a to train on and to test with."""
    if mode != "local":
        pytest.skip("the same over Connect")
    return a9a(spark, "a9a").repartition(2).cache(), a9a(spark, "a9a.t").cache()


def accuracy(model, rows):
    return model.transform(rows).agg(F.avg((F.col("prediction") == F.col("label")).cast("double"))).first()[0]


@pytest.mark.parametrize("schedule", [{}, {"averageEvery": 20}], ids=["every step", "averaged"])
def test_a_linear_svm_is_as_accurate_as_sparks(census, schedule):
    train, test = census
    model = LinearSVM(featuresCol="features", epochs=10, batchSize=256, numWorkers=2, verbose=False, **schedule)
    model = model.fit(train)
    assert accuracy(model, test) >= 0.847
    steps, sent = model.summary.facts["stepsPerEpoch"], [done["bytesExchanged"] for done in model.summary.history]
    # 123 weights and an intercept for each worker; gradients carry the loss and the rows' weight too.
    once = 2 * 4 * (124 if schedule else 126)
    exchanges = -(-steps // 20) if schedule else steps
    of_metrics = 12 * train.count() / 2  # score, label and weight of each row of the second worker, for the exact AUC
    assert sent[-1] - of_metrics == pytest.approx(exchanges * once, rel=0.02 if schedule == {} else 0.2)


def test_sparks_linear_svc_is_what_we_are_compared_with(census):
    train, test = census
    assert accuracy(LinearSVC(maxIter=50, regParam=1e-4).fit(train), test) == pytest.approx(0.85, abs=0.002)


def adult(spark, name):
    return read_adult(spark, data(f"adult/{name}.gz"))


def test_an_mlp_learns_adult(spark, mode):
    if mode != "local":
        pytest.skip("the same over Connect")
    pipeline = Pipeline(
        stages=[
            LogTransform(inputCols=NUMBERS, outputCols=NUMBERS),
            Categorify(inputCols=TEXTS, outputCols=TEXTS),
            MLPClassifier(
                denseCols=NUMBERS,
                categoricalCols=TEXTS,
                numWorkers=2,
                epochs=10,
                batchSize=256,
                learningRate=0.003,
                verbose=False,
            ),
        ]
    )
    assert auc(pipeline.fit(adult(spark, "adult.data")).transform(adult(spark, "adult.test"))) >= 0.90


def test_nothing_is_learnt_from_noise(spark, mode):
    if mode != "local":
        pytest.skip("the same over Connect")
    noise = [F.randn(i).alias(f"x{i}") for i in range(10)]
    made = spark.range(20_000).select("id", *noise, (F.rand(99) < 0.5).cast("double").alias("label")).cache()
    net = MLPClassifier(denseCols=[f"x{i}" for i in range(10)], epochs=5, batchSize=500, numWorkers=2, verbose=False)
    test = made.where("id % 2 = 1")
    found = auc(net.fit(made.where("id % 2 = 0")).transform(test))
    ones, zeros = (test.where(f"label = {label}").count() for label in (1, 0))
    error = ((ones + zeros + 1) / (12 * ones * zeros)) ** 0.5
    assert abs(found - 0.5) <= 3 * error


def test_a_model_of_300_mb_is_trained_saved_and_scored(apart, tmp_path):
    apart(lambda spark: trained_saved_and_scored(spark, str(tmp_path / "model")))


def trained_saved_and_scored(spark, path):
    size = 2_400_000  # two tables of vectors of 16 float32: 307 MB
    made = spark.range(2000).select(
        F.pmod(F.xxhash64("id"), F.lit(size)).alias("a"),
        F.pmod(F.xxhash64("id", F.lit(1)), F.lit(size)).alias("b"),
        (F.col("id") % 2).cast("double").alias("label"),
    )
    sizes = {"a": size, "b": size}
    dlrm = DLRMClassifier(
        categoricalCols=["a", "b"],
        tableSizes=sizes,
        topLayers=[],
        optimizer="adagrad",
        learningRate=0.05,
        epochs=60,
        batchSize=500,
        verbose=False,
    )
    model = dlrm.fit(made)
    assert model.summary.workers[0]["weightBytes"] > 300e6
    model.write().overwrite().save(path)
    scored = aiok_spark.load(path).transform(made)
    assert auc(scored) > 0.99  # what it has seen, it knows: each row has ids of its own

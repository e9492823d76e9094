"""Estimators that train networks, as a user sees them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.core.errors import (
    ClusterError,
    ColumnError,
    ColumnTypeError,
    DataError,
    ParamError,
    PersistenceError,
    TrainingError,
)
from aiok_spark.feature import Categorify, Clip
from aiok_spark.inference import LocalPipeline
from aiok_spark.models import DLRMClassifier, MLPClassifier, MLPRegressor
from aiok_spark.training import TorchEstimator

pytestmark = pytest.mark.two_modes

QUICK = {"epochs": 2, "batchSize": 64, "verbose": False}


@pytest.fixture(scope="module")
def rows(spark):
    """Give 400 rows whose label depends on a number and a category."""
    shop = (F.col("id") % 7).cast("string")
    made = spark.range(400).select(
        F.randn(1).alias("a"), F.randn(2).alias("b"), F.concat(F.lit("shop"), shop).alias("shop"), "id"
    )
    high = F.col("a") + F.when(F.col("shop") < "shop3", 1.5).otherwise(-1.0) > 0
    return (
        made.withColumn("label", high.cast("double"))
        .withColumn("kind", F.col("id") % 3)
        .withColumn("y", F.col("a") * 3)
    )


def linear(inputs=2, outputs=1):
    """A function of this module, as a notebook has them."""
    return lambda: torch.nn.Linear(inputs, outputs)


def torch_estimator(**params):
    named = {"module": linear(), "denseCols": ["a", "b"], **QUICK, **params}
    return TorchEstimator(**named)


@pytest.mark.all_modes
def test_a_flow_is_one_pipeline_that_scores_the_same_without_spark(rows, tmp_path):
    pipeline = Pipeline(
        stages=[
            Clip(inputCols=["a"], outputCols=["a"], lower=-3.0),
            Categorify(inputCols=["shop"], outputCols=["shop_id"]),
            DLRMClassifier(
                denseCols=["a", "b"],
                categoricalCols=["shop_id"],
                embeddingDim=4,
                bottomLayers=[8],
                topLayers=[8],
                numWorkers=2,
                epochs=20,
                batchSize=100,
                learningRate=0.03,
                verbose=False,
            ),
        ]
    )
    model = pipeline.fit(rows)
    assert model.stages[-1].summary.history[-1]["auc"] > 0.97
    assert model.stages[-1].numFeatures == 3
    scored = model.transform(rows).select("a", "b", "shop", "probability").collect()
    never = model.copy({model.stages[-1].thresholds: [0.0, 1.0]})
    assert never.transform(rows).agg(F.max("prediction")).first()[0] == 0.0 < max(r.probability[1] for r in scored)
    path = str(tmp_path / "model")
    model.write().overwrite().save(path)
    local = LocalPipeline.load(path)
    for row in scored[:20]:
        alone = local.transform({"a": row.a, "b": row.b, "shop": row.shop})
        np.testing.assert_allclose(alone["probability"], row.probability.toArray(), atol=1e-6)
    again = aiok_spark.load(path).transform(rows).select("probability").collect()
    np.testing.assert_allclose(
        [r.probability.toArray() for r in again], [r.probability.toArray() for r in scored], atol=1e-6
    )


@pytest.mark.all_modes
def test_two_fits_with_one_seed_are_bit_identical_and_another_seed_differs(rows):
    estimator = MLPClassifier(denseCols=["a", "b"], hiddenLayers=[8], dropout=0.2, numWorkers=2, **QUICK)
    first, second = (estimator.fit(rows)._state.blobs["weights"] for _ in range(2))
    assert first == second
    assert estimator.copy({estimator.seed: 1}).fit(rows)._state.blobs["weights"] != first


@pytest.mark.all_modes
def test_the_trainer_reads_what_stages_make_without_a_second_crossing(rows, mode):
    if mode == "connect":
        pytest.skip("a Connect client does not show plans as text parts")
    from pyspark.sql.types import IntegerType

    from aiok_spark.core.execution import map_columns

    ids = Categorify(inputCols=["shop"], outputCols=["shop_id"]).fit(rows).transform(rows)
    import pyarrow as pa

    read = map_columns(ids, [("shop_id", IntegerType())], lambda batches: batches, pa.schema([("c0", pa.int32())]))
    plan = read._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Python") + plan.count("MapInArrow") - plan.count("PythonMapInArrow") <= 1, plan
    assert sorted(r[0] for r in read.collect()) == sorted(r.shop_id for r in ids.collect())


def test_a_summary_tells_how_the_training_went(rows):
    model = torch_estimator(validationFraction=0.25, numWorkers=2).fit(rows)
    summary = model.summary
    assert model.hasSummary and summary.totalIterations == 2
    assert summary.facts["rows"] + summary.facts["validationRows"] == 400
    assert sum(w["rows"] for w in summary.workers) == summary.facts["rows"]
    assert set(summary.toPandas()) >= {"epoch", "loss", "auc", "validation_auc", "rowsPerSecond", "bytesExchanged"}
    assert all(done["bytesExchanged"] > 0 for done in summary.history)
    assert len(summary.objectiveHistory) == 2 and "2 epochs" in repr(summary)


def test_metrics_are_those_of_the_model_on_the_held_out_rows(rows):
    flagged = rows.withColumn("held_out", F.col("id") % 4 == 0)
    model = torch_estimator(validationIndicatorCol="held_out", numWorkers=2).fit(flagged)
    scored = model.transform(flagged.where("held_out")).select("label", "probability").collect()
    p = np.array([r.probability[1] for r in scored])
    y = np.array([r.label for r in scored])
    last = model.summary.history[-1]
    above, below = p[y == 1][:, None], p[y == 0][None, :]
    assert last["validation_auc"] == pytest.approx(((above > below) + 0.5 * (above == below)).mean(), abs=1e-6)
    assert last["validation_logLoss"] == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(), abs=1e-6)
    assert last["validation_accuracy"] == pytest.approx(((p > 0.5) == y).mean(), abs=1e-9)


def test_classes_and_numbers_and_vectors(rows):
    vectors = VectorAssembler(inputCols=["a", "b"], outputCol="features").transform(rows)
    classes = MLPClassifier(labelCol="kind", hiddenLayers=[4], **QUICK).fit(vectors)
    row = classes.transform(vectors).first()
    assert len(row.probability) == 3 and row.probability.toArray().sum() == pytest.approx(1)
    assert row.prediction == row.rawPrediction.toArray().argmax()
    numbers = MLPRegressor(labelCol="y", hiddenLayers=[], epochs=60, batchSize=50, learningRate=0.1, verbose=False)
    model = numbers.fit(vectors)
    assert model.summary.history[-1]["rmse"] < 0.1
    assert model.transform(vectors).columns[-1] == "prediction"


def test_the_network_of_a_model_is_torch_and_scores_the_same(rows):
    model = torch_estimator().fit(rows)
    row = model.transform(rows).select("a", "b", "rawPrediction").first()
    with torch.no_grad():
        raw = model.network()(torch.tensor([[row.a, row.b]]))
    assert raw.item() == pytest.approx(row.rawPrediction[1], abs=1e-6)


def test_a_notebooks_network_is_not_saved_without_onnx_and_the_message_says_why(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PersistenceError, match=r"module: found .* code of this session alone.*move it into a module"):
        torch_estimator().fit(rows).save(str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


# Bad input


def broken(rows, column, value, times=3):
    return rows.withColumn(column, F.when(F.col("id") < times, F.lit(value)).otherwise(F.col(column)))


@pytest.mark.fault
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("engine", ["spark", "local"])
def test_numbers_that_are_none_are_counted_by_column(rows, value, engine):
    with pytest.raises(DataError, match=r"denseCols: found 3 null, NaN or infinite values in 'b', expected finite"):
        torch_estimator(engine=engine).fit(broken(rows, "b", value))


@pytest.mark.fault
@pytest.mark.parametrize("value", [None, 2.0, -1.0])
def test_labels_that_are_none_are_counted(rows, value):
    with pytest.raises(DataError, match=r"labelCol: found 3 labels that are null or neither 0 nor 1 in 'label'"):
        torch_estimator(numWorkers=2).fit(broken(rows, "label", value))


@pytest.mark.fault
def test_ids_outside_their_table_are_counted(rows):
    net = MLPClassifier(categoricalCols=["kind"], tableSizes={"kind": 2}, **QUICK)
    with pytest.raises(DataError, match=r"categoricalCols: found 133 ids .* cardinality of 2 in 'kind'"):
        net.fit(rows)


def test_ids_without_metadata_need_table_sizes(rows):
    with pytest.raises(ParamError, match=r"no number of ids in the metadata of \['kind'\].*tableSizes"):
        MLPClassifier(categoricalCols=["kind"], **QUICK).fit(rows)


@pytest.mark.parametrize("column", ["denseCols", "categoricalCols"])
def test_a_column_that_is_named_twice_is_refused(rows, column):
    net = MLPRegressor(**{column: ["kind", "kind"]}, labelCol="y", tableSizes={"kind": 3}, **QUICK)
    with pytest.raises(ParamError, match=f"{column}: found 'kind' 2 times, expected each column once"):
        net.fit(rows)


def test_a_network_of_ids_alone_is_trained_and_scores_the_same_without_spark(rows, tmp_path):
    net = MLPRegressor(categoricalCols=["kind"], tableSizes={"kind": 3}, labelCol="y", **QUICK)
    model = net.fit(rows)
    model.write().overwrite().save(str(tmp_path / "model"))
    row = model.transform(rows).select("kind", "prediction").first()
    local = LocalPipeline.load(str(tmp_path / "model")).transform({"kind": row.kind})
    assert local["prediction"] == pytest.approx(row.prediction, abs=1e-6)


def test_rows_without_any_weight_are_refused(rows):
    with pytest.raises(ParamError, match="weightCol: found no row with a weight above 0"):
        torch_estimator(weightCol="none").fit(rows.withColumn("none", F.lit(0.0)))


def test_labels_that_are_no_classes_are_refused(rows):
    for value in (float("nan"), 1e9):
        with pytest.raises(DataError, match=r"labelCol: found (nan|1000000000\.0) as the largest label in 'label'"):
            MLPClassifier(denseCols=["a"], **QUICK).fit(broken(rows, "label", value))


def test_weights_that_the_driver_does_not_take_are_refused_before_the_first_step(rows, monkeypatch):
    from aiok_spark.training.backends import spark as backend

    assert [backend._size(text) for text in ("0", "1g", "512m", "3k", "77b")] == [0, 1 << 30, 512 << 20, 3072, 77]
    monkeypatch.setattr(backend, "_size", lambda text: 100)
    with pytest.raises(ParamError, match=r"found weights of \d+ MiB, expected at most .*maxResultSize"):
        MLPRegressor(denseCols=["a"], labelCol="y", **QUICK).fit(rows)


def test_a_model_names_the_column_it_cannot_score_and_can_keep_the_row(rows):
    model = torch_estimator(engine="local").fit(rows)
    bad = broken(rows, "a", None)
    with pytest.raises(
        Exception, match=r"denseCols: found \d null, NaN or infinite values in 'a'.*handleInvalid='keep'"
    ):
        model.transform(bad).select("prediction").collect()
    kept = model.setHandleInvalid("keep").transform(bad).orderBy("id").select("prediction", "probability").collect()
    assert all(np.isnan(r.prediction) and np.isnan(r.probability.toArray()).all() for r in kept[:3])
    assert not any(np.isnan(r.prediction) for r in kept[3:])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"denseCols": ["a", "bb"]}, ColumnError, "denseCols names 'bb', found no such column.*did you mean 'b'"),
        (
            {"denseCols": ["shop"]},
            ColumnTypeError,
            "denseCols names 'shop', found type string, expected a numeric type",
        ),
        ({"categoricalCols": ["a"]}, ColumnTypeError, "categoricalCols names 'a', found type double, expected ids"),
        ({"labelCol": "lable"}, ColumnError, "labelCol names 'lable', found no such column.*did you mean 'label'"),
        ({"weightCol": "shop"}, ColumnTypeError, "weightCol names 'shop', found type string"),
        ({"validationIndicatorCol": "a"}, ColumnTypeError, "validationIndicatorCol names 'a'.*expected boolean"),
        ({"averageEvery": 3}, ParamError, "averageEvery: found 3 with optimizer 'adam'.*expected 'sgd'"),
        (
            {"metric": "rmse"},
            ParamError,
            "metric: found 'rmse', expected 'auto' or .*'auc'.* for a binary label",
        ),
        ({"classWeights": [1.0]}, ParamError, "classWeights: found 1 numbers, expected 2"),
        ({"thresholds": [1.0]}, ParamError, "thresholds: found 1 numbers, expected 2, one for each class"),
        ({"engine": "local", "numWorkers": 2}, ParamError, "numWorkers: found 2 with engine='local', expected 1"),
        ({"numWorkers": 5}, ClusterError, "numWorkers: found 2 task slots on the executors, expected at least 5"),
        ({"module": linear(3)}, TrainingError, "mat1 and mat2 shapes cannot be multiplied"),
        (
            {"module": linear(2, 5)},
            ParamError,
            r"module: found an output of shape \(57, 5\), expected \(57,\) for binary",
        ),
        ({"module": "torch.nn:Nothing"}, TrainingError, "found no 'Nothing' in torch.nn"),
        ({"moduleArgs": {"bias": 1}}, ParamError, r"module: .* found arguments \['bias'\].*change moduleArgs"),
    ],
)
def test_a_fit_refuses_what_cannot_be_trained(rows, params, error, message):
    with pytest.raises(error, match=message):
        torch_estimator(**params).fit(rows)


@pytest.mark.fault
def test_a_forward_that_does_not_match_is_told_with_the_tensors_there_are(rows):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, numbers, ids):
            return self.layer(numbers)

    with pytest.raises(ParamError, match=r"module: found forward\(numbers, ids\) of Net, expected forward\(dense\)"):
        torch_estimator(module=Net).fit(rows)


@pytest.mark.fault
def test_memory_that_is_not_there_is_told_with_the_sizes(rows):
    class Net(torch.nn.Linear):
        def forward(self, dense):
            torch.empty(10**15)
            return super().forward(dense)

    with pytest.raises(
        TrainingError, match=r"allocate memory.*with rows of \d+ MiB, weights of \d+ MiB .*a process of \d+ MiB"
    ):
        torch_estimator(module=lambda: Net(2, 1)).fit(rows)


@pytest.mark.fault
def test_no_rows_are_refused(rows):
    for empty in (rows.limit(0), rows.where("id < 0")):
        with pytest.raises(DataError, match="fit: found no rows to train on"):
            torch_estimator().fit(empty)


@pytest.mark.fault
def test_a_loss_that_is_not_finite_ends_the_fit_and_names_the_batch(rows, tmp_path):
    params = {"learningRate": 1e20, "optimizer": "sgd", "problemType": "regression", "numWorkers": 2}
    with pytest.raises(ParamError, match=r"loss: found (nan|inf) at epoch 1, batch \d"):
        torch_estimator(checkpointDir=str(tmp_path), **params).fit(rows)


@pytest.mark.fault
def test_a_checkpoint_of_another_network_is_refused(rows, tmp_path):
    place = str(tmp_path / "run")
    stopped = torch_estimator(checkpointDir=place, module=failing_after(1))
    with pytest.raises(TrainingError):
        stopped.fit(rows)
    with pytest.raises(ParamError, match="checkpointDir: found a checkpoint of another training in"):
        torch_estimator(checkpointDir=place).fit(rows)


def failing_after(epochs):
    class Net(torch.nn.Linear):
        def __init__(self):
            super().__init__(2, 1)
            self.steps = 0

        def forward(self, dense):
            self.steps += 1
            if self.steps > 7 * epochs:
                raise ValueError("enough")
            return super().forward(dense)

    return Net


# Processes of their own


@pytest.mark.once
@pytest.mark.cluster
def test_any_number_of_workers_and_any_split_give_the_same_weights():
    script = Path(__file__).with_name("equal_weights.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["float32"] <= 1e-6
    assert found["float64"] <= 1e-12


@pytest.mark.once
@pytest.mark.cluster
def test_the_same_command_continues_after_its_driver_was_killed(tmp_path):
    script = Path(__file__).with_name("killed_driver.py")
    command = [sys.executable, str(script), str(tmp_path / "run")]
    killed = subprocess.run([*command, "kill"], capture_output=True, text=True, check=False, timeout=300)
    assert killed.returncode == -9, killed.stderr[-3000:]
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert again.returncode == 0, again.stderr[-3000:]
    found = json.loads(again.stdout.splitlines()[-1])
    assert found["resumed"]["epoch"] > 1
    assert found["epochs"] == 6
    assert found["same"], "not what an undisturbed fit gives"


@pytest.mark.cluster
def test_dynamic_allocation_is_refused_with_the_remedy():
    code = """
from aiok_spark.session import get_session
from aiok_spark.models import MLPClassifier
conf = {"spark.master": "local[2]", "spark.dynamicAllocation.enabled": "true", "spark.ui.enabled": "false"}
spark = get_session(**conf)
df = spark.createDataFrame([(0.0, 1.0)], "label double, x double")
MLPClassifier(denseCols=["x"], numWorkers=2).fit(df)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "--conf spark.dynamicAllocation.enabled=false --num-executors 2" in done.stderr


def test_rows_are_dealt_evenly_however_they_are_split(rows):
    uneven = rows.repartitionByRange(5, F.floor(F.log(F.col("id") + 2)))
    told = [worker["rows"] for worker in torch_estimator(numWorkers=2, epochs=1).fit(uneven).summary.workers]
    assert sum(told) == 400
    assert abs(told[0] - told[1]) <= 5  # a row for each batch, of which each partition has one

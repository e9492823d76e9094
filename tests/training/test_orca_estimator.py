"""``OrcaEstimator`` as a user sees it, and ``engine='orca'`` where BigDL Orca is not, or not the right one."""

import sys
from importlib import metadata
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F
from torch import nn

import aiok_spark
from aiok_spark.core.errors import ClusterError, ColumnTypeError, DataError, ParamError, PersistenceError, TrainingError
from aiok_spark.feature import Categorify
from aiok_spark.inference import LocalPipeline
from aiok_spark.models import MLPClassifier
from aiok_spark.training import OrcaEstimator
from aiok_spark.training.backends import orca

pytestmark = pytest.mark.two_modes


@pytest.fixture(scope="module")
def rows(spark):
    """Give 400 rows with columns of every kind that a network takes."""
    made = spark.range(400).select(
        F.randn(1).alias("x"),
        (F.col("id") % 7).cast("int").alias("shop"),
        F.array(F.rand(2), F.rand(3)).alias("pair"),
        F.array(F.col("id") % 3, F.col("id") % 5).alias("history"),
        F.concat(F.lit("c"), F.col("id") % 4).alias("city"),
    )
    high = F.col("x") + F.when(F.col("shop") < 3, 1.0).otherwise(-1.0) + F.col("pair")[0] > 0
    return made.withColumn("label", high.cast("double")).withColumn("both", F.array("x", F.col("shop").cast("double")))


def model_creator(config):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.shops, self.seen = nn.Embedding(7, config["factors"]), nn.Embedding(5, config["factors"])
            self.last = nn.Linear(2 * config["factors"] + 3, config["outputs"])

        def forward(self, shop, x, history, pair):
            parts = [self.shops(shop), self.seen(history).mean(1), x[:, None], pair]
            return self.last(torch.cat(parts, 1))

    return Net()


def optimizer_creator(model, config):
    return torch.optim.Adam(model.parameters(), lr=config["rate"])


def estimator(**params):
    named = {
        "modelCreator": model_creator,
        "optimizerCreator": optimizer_creator,
        "lossCreator": nn.BCEWithLogitsLoss(),
        "config": {"factors": 4, "rate": 0.05, "outputs": 1},
        "featureCols": ["shop", "x", "history", "pair"],
        "epochs": 4,
        "batchSize": 64,
        "verbose": False,
    }
    return OrcaEstimator(**{**named, **params})


def test_columns_come_in_their_order_and_every_execution_agrees(rows, tmp_path):
    model = estimator(numWorkers=2).fit(rows)
    scored = model.transform(rows)
    assert BinaryClassificationEvaluator().evaluate(scored) > 0.9
    head = rows.limit(20).toPandas()
    found = scored.limit(20).select(vector_to_array("probability")[1].alias("p")).toPandas()["p"]
    local = LocalPipeline([model]).transform(head)["probability"]
    np.testing.assert_allclose([p[1] for p in local], found, rtol=1e-6)
    network = model.network()
    assert type(network).__name__ == "Net"
    tensors = [
        torch.tensor(head["shop"].to_numpy()).long(),
        torch.tensor(head["x"].to_numpy()).float(),
        torch.tensor(np.stack(head["history"])).long(),
        torch.tensor(np.stack(head["pair"])).float(),
    ]
    with torch.no_grad():
        np.testing.assert_allclose(network(*tensors)[:, 0].sigmoid().numpy(), found, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "label", "columns"),
    [
        (nn.MSELoss(), 1, "x", {"prediction": "double"}),
        (
            nn.CrossEntropyLoss(),
            7,
            "shop",
            {"rawPrediction": "vector", "probability": "vector", "prediction": "double"},
        ),
        (lambda config: nn.L1Loss(), 1, "x", {"prediction": "double"}),
    ],
    ids=["regression", "multiclass", "a function"],
)
def test_the_loss_tells_what_the_label_is(rows, loss, outputs, label, columns):
    made = estimator(lossCreator=loss, labelCol=label, config={"factors": 4, "rate": 0.05, "outputs": outputs})
    assert {f.name for f in made.transformSchema(rows.schema).fields} == {*rows.columns, *columns}
    model = made.fit(rows)
    scored = model.transform(rows)
    assert {f.name: f.dataType.simpleString() for f in scored.schema.fields if f.name in columns} == columns
    assert model.summary.history[-1]["loss"] < model.summary.history[0]["loss"]


def test_a_raw_label_may_be_an_array_and_the_prediction_is_what_the_network_gives(rows):
    made = estimator(
        problemType="raw",
        lossCreator=nn.MSELoss(),
        labelCol="both",
        config={"factors": 4, "rate": 0.05, "outputs": 2},
        epochs=10,
    )
    model = made.fit(rows)
    values = model.transform(rows).select(vector_to_array("prediction").alias("p"), "both")
    error = values.agg(F.avg(sum((F.col("p")[i] - F.col("both")[i]) ** 2 for i in range(2)) / 2)).first()[0]
    assert error < model.summary.history[0]["loss"]


def test_a_flow_with_it_is_saved_and_loaded(rows, tmp_path):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    stages = [
        Categorify(inputCols=["city"], outputCols=["city_id"]),
        estimator(
            featureCols=["city_id", "x"],
            modelCreator=lambda config: _Pair(),
            metrics=[lambda output, target: 1.0],
            validationFraction=0.2,
        ),
    ]
    model = Pipeline(stages=stages).fit(rows)
    assert model.stages[1].task.features.sizes == (6,)  # as Categorify says, so that ids outside are told
    model.save(str(tmp_path / "flow"))
    again = aiok_spark.load(str(tmp_path / "flow"))
    expected = model.transform(rows).select("prediction").collect()
    assert again.transform(rows).select("prediction").collect() == expected
    assert again.stages[1].summary.history[-1]["validation_<lambda>"] == 1.0


class _Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.last = nn.Embedding(6, 2), nn.Linear(3, 1)

    def forward(self, city, x):
        return self.last(torch.cat([self.table(city), x[:, None]], 1))


def test_code_of_a_session_alone_is_not_saved_with_the_estimator(rows, tmp_path):
    with pytest.raises(PersistenceError, match=r"modelCreator: found <function .*<lambda>.*move it into a module"):
        estimator(modelCreator=lambda config: _Pair()).save(str(tmp_path / "estimator"))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"lossCreator": nn.PoissonNLLLoss()}, ParamError, "problemType: found 'auto' with the loss PoissonNLLLoss"),
        ({"featureCols": ["x", "x"]}, ParamError, "featureCols: found 'x' 2 times"),
        ({"featureCols": ["city"]}, ColumnTypeError, "featureCols"),
        ({"modelCreator": lambda config: 7}, ParamError, "modelCreator: gave int, expected a torch.nn.Module"),
        (
            {"optimizerCreator": lambda m, c: None},
            ParamError,
            "optimizerCreator: gave NoneType, expected a torch.optim",
        ),
        (
            {"modelCreator": nn.Linear},
            ParamError,
            "modelCreator: found .*Linear.*, expected a function of config; write",
        ),
        ({"modelCreator": nn.Linear(2, 1)}, ParamError, "modelCreator: found Linear.*, expected a function of config"),
        (
            {"optimizerCreator": torch.optim.Adam},
            ParamError,
            "optimizerCreator: .* expected a function of model and con",
        ),
        ({"optimizerCreator": lambda config: None}, ParamError, "optimizerCreator: .* function of model and config"),
        (
            {"lossCreator": nn.functional.mse_loss, "problemType": "raw"},
            ParamError,
            "lossCreator: .* function of config",
        ),
        ({"modelCreator": lambda config: config["no"]}, TrainingError, "KeyError"),
        ({"labelCol": "shop"}, DataError, "labelCol: found 285 labels that are null or neither 0 nor 1"),
    ],
)
def test_what_cannot_be_trained_is_named(rows, params, error, message):
    with pytest.raises(error, match=message):
        estimator(**params).fit(rows)


def test_nulls_and_other_lengths_are_counted(rows):
    wrong = rows.withColumn("shop", F.when(F.col("shop") > 0, F.col("shop"))).withColumn(
        "history", F.when(F.col("x") > 0, F.col("history")).otherwise(F.array(F.lit(1).cast("long")))
    )
    with pytest.raises(DataError) as told:
        estimator().fit(wrong)
    assert "featureCols: found 58 null values in 'shop', expected whole numbers" in str(told.value)
    assert "vectors or arrays that are null or not of length" in str(told.value) and "'history'" in str(told.value)


@pytest.mark.skipif(find_spec("bigdl") is not None, reason="BigDL Orca is here")
def test_orca_that_is_absent_is_one_clear_line(rows):
    with pytest.raises(ClusterError) as told:
        estimator(engine="orca").fit(rows)
    assert "engine: found 'orca' without bigdl-orca-spark3, expected version 2.4.0; install the extra orca" in str(
        told.value
    )
    assert "\n" not in str(told.value)


def test_another_version_of_orca_is_refused(rows, monkeypatch):
    asked = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.5.0b1" if name == orca.PACKAGE else asked(name))
    with pytest.raises(ClusterError, match=r"engine: found bigdl-orca-spark3 2.5.0b1, expected 2.4.0"):
        estimator(engine="orca").fit(rows)


def test_an_orca_that_cannot_be_imported_is_told_with_the_versions(rows, monkeypatch):
    asked = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.4.0" if name == orca.PACKAGE else asked(name))
    monkeypatch.setitem(sys.modules, "bigdl.orca.learn.pytorch.callbacks.maincallback", None)
    monkeypatch.setitem(sys.modules, "bigdl", None)
    with pytest.raises(ClusterError, match=r"found a bigdl-orca-spark3 that cannot be imported with pyspark .*pyarrow"):
        estimator(engine="orca").fit(rows)


def test_a_model_of_another_engine_needs_nothing_of_it(rows, tmp_path):
    mlp = MLPClassifier(denseCols=["x"], epochs=1, batchSize=100, verbose=False).fit(rows)
    mlp.set(mlp.engine, "orca")
    mlp.save(str(tmp_path / "model"))
    again = aiok_spark.load(str(tmp_path / "model"))
    assert again.getEngine() == "orca"
    assert again.transform(rows).count() == 400

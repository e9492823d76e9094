"""Each estimator that trains a network is a first-class citizen of Spark ML."""

import random

import pytest
import torch
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql.types import DoubleType, IntegerType, StructField, StructType

from aiok_spark import register
from aiok_spark.models import DLRMClassifier, LinearSVM, MLPClassifier, MLPRegressor
from aiok_spark.testing import check_stage
from aiok_spark.training import OrcaEstimator, TorchEstimator
from tests.testing.of_the_class import OF_THE_CLASS

NUMBERS, IDS = ["age", "price"], ["city", "device"]
SMALL = {"epochs": 2, "batchSize": 64, "verbose": False}  # one batch, so that the order of rows does not matter
DENSE = {"denseCols": NUMBERS, "optimizer": "sgd", "learningRate": 0.1, **SMALL}


@register
def orca_model(config):
    return Creations(config["sizes"])


@register
def orca_optimizer(model, config):
    return torch.optim.SGD(model.parameters(), lr=0.1)


class Creations(torch.nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.tables = torch.nn.ModuleList([torch.nn.Embedding(size, 2) for size in sizes])
        self.last = torch.nn.Linear(2 * len(sizes) + 3, 1)

    def forward(self, city, features, device):
        ids = [table(column) for table, column in zip(self.tables, (city, device), strict=True)]
        return self.last(torch.cat([features, *ids], 1))


STAGES = {
    "DLRMClassifier": DLRMClassifier(
        categoricalCols=IDS, embeddingDim=4, topLayers=[], optimizer="adagrad", numWorkers=2, **SMALL
    ),
    "TorchEstimator": TorchEstimator(
        module="aiok_spark.models.networks.mlp:MLP",
        moduleArgs={"hiddenLayers": [3], "embeddingDim": 2, "dropout": 0.0},
        **DENSE,
        engine="local",
    ),
    "OrcaEstimator": OrcaEstimator(
        modelCreator=orca_model,
        optimizerCreator=orca_optimizer,
        lossCreator=torch.nn.BCEWithLogitsLoss(),
        config={"sizes": [5, 3]},
        featureCols=["city", "features", "device"],
        engine="local",
        **SMALL,
    ),
    "LinearSVM": LinearSVM(featuresCol="features", engine="local", **SMALL),
    "MLPClassifier": MLPClassifier(categoricalCols=IDS, **DENSE, hiddenLayers=[4], engine="local"),
    "MLPRegressor": MLPRegressor(
        **{**DENSE, "labelCol": "price", "denseCols": ["age"]}, hiddenLayers=[4], engine="local"
    ),
}
BY_ALL_RULES = {"DLRMClassifier", "TorchEstimator", "OrcaEstimator"}  # the others share their bases


@pytest.fixture(scope="module")
def frame(spark):
    """Give rows with numbers, a vector, ids and a label; no null, as a fit refuses it."""
    draw = random.Random(0)
    rows = [
        (
            (age := draw.gauss(0, 1)),
            (price := draw.gauss(0, 1)),
            Vectors.dense(age, price, draw.random()),
            (city := draw.randrange(5)),
            draw.randrange(3),
            float(age + price + city > 2),
        )
        for _ in range(40)
    ]
    schema = StructType(
        [
            StructField("age", DoubleType()),
            StructField("price", DoubleType()),
            StructField("features", VectorUDT()),
            StructField("city", IntegerType(), True, {"aiok": {"cardinality": 5}}),
            StructField("device", IntegerType(), True, {"ml_attr": {"type": "nominal", "num_vals": 3}}),
            StructField("label", DoubleType()),
        ]
    )
    return spark.createDataFrame(rows, schema)


@pytest.mark.two_modes  # a minute each
@pytest.mark.parametrize("name", STAGES)
def test_an_estimator_is_a_first_class_citizen(frame, name):
    skip = {} if name in BY_ALL_RULES else OF_THE_CLASS
    check_stage(STAGES[name], frame, labelCols=[STAGES[name].getLabelCol()], skip=skip, tolerance=1e-6)

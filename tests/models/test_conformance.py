"""Each estimator that trains a network is a first-class citizen of Spark ML."""

import random

import pytest
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql.types import DoubleType, IntegerType, StructField, StructType

from aiok_spark.models import DLRMClassifier, LinearSVM, MLPClassifier, MLPRegressor
from aiok_spark.testing import check_stage
from aiok_spark.training import TorchEstimator

NUMBERS, IDS = ["age", "price"], ["city", "device"]
SMALL = {"epochs": 2, "batchSize": 64, "verbose": False}  # one batch, so that the order of rows does not matter
DENSE = {"denseCols": NUMBERS, "optimizer": "sgd", "learningRate": 0.1, **SMALL}

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
    "LinearSVM": LinearSVM(featuresCol="features", engine="local", **SMALL),
    "MLPClassifier": MLPClassifier(categoricalCols=IDS, **DENSE, hiddenLayers=[4], engine="local"),
    "MLPRegressor": MLPRegressor(
        **{**DENSE, "labelCol": "price", "denseCols": ["age"]}, hiddenLayers=[4], engine="local"
    ),
}


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
    check_stage(STAGES[name], frame, labelCols=[STAGES[name].getLabelCol()], tolerance=1e-6)

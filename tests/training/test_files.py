"""Training from the files of a dataset."""

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.sql import functions as F

from aiok_spark.core.errors import DataError
from aiok_spark.data import PetastormConverter
from aiok_spark.models import DLRMClassifier
from aiok_spark.training.worker.weights import from_bytes

pytestmark = pytest.mark.two_modes


@pytest.fixture(scope="module")
def rows(spark):
    """Give 400 rows whose label depends on a number and an id."""
    made = spark.range(0, 400, 1, 4).select(F.randn(1).alias("a"), (F.col("id") % 5).cast("int").alias("c"))
    return made.withColumn("label", (F.col("a") + F.col("c") > 2).cast("int"))


def dlrm(**params):
    # One step over all rows an epoch, so that their order does not matter.
    return DLRMClassifier(
        denseCols=["a"],
        categoricalCols=["c"],
        tableSizes={"c": 5},
        embeddingDim=4,
        bottomLayers=[8],
        topLayers=[8],
        learningRate=0.05,
        batchSize=400,
        epochs=20,
        precision="float64",
        verbose=False,
        **params,
    )


def weights(model):
    return from_bytes(model._state.blobs["weights"])


@pytest.mark.parametrize("params", [{"numWorkers": 2}, {"engine": "local"}])
def test_files_teach_what_the_stream_does(rows, tmp_path, params):
    model = dlrm(**params).fit(rows)
    streamed = weights(model)
    assert model.summary.history[-1]["auc"] > 0.9
    converter = PetastormConverter(cacheDir=str(tmp_path))
    model = Pipeline(stages=[converter, dlrm(**params, feed="files")]).fit(rows)
    assert {worker["rows"] for worker in model.stages[1].summary.workers} == {400 // params.get("numWorkers", 1)}
    # Sums in another order, which Adam's division makes larger.
    for name, value in weights(model.stages[1]).items():
        np.testing.assert_allclose(value, streamed[name], atol=1e-9)


def test_without_a_converter_files_are_written_and_removed(spark, rows, tmp_path):
    spark.conf.set("petastorm.spark.converter.parentCacheDirUrl", f"file://{tmp_path}")
    try:
        model = dlrm(numWorkers=2, feed="files").fit(rows)
    finally:
        spark.conf.unset("petastorm.spark.converter.parentCacheDirUrl")
    assert model.summary.history[-1]["auc"] > 0.9
    assert not list(tmp_path.iterdir())


def test_bad_rows_of_files_are_counted(rows, tmp_path):
    bad = rows.withColumn("a", F.when(F.col("c") == 1, None).otherwise(F.col("a")))
    with pytest.raises(DataError, match="denseCols: found 80 null, NaN or infinite values in 'a'"):
        Pipeline(stages=[PetastormConverter(cacheDir=str(tmp_path)), dlrm(numWorkers=2, feed="files")]).fit(bad)

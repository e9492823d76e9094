"""Prints how far weights lie apart after 20 full-batch steps with 1, 2 and 3 workers and several splits of the rows."""

import json

import numpy as np
from pyspark.sql import functions as F
from safetensors.numpy import load

from aiok_spark.models import DLRMClassifier
from aiok_spark.session import get_session

spark = get_session(**{"spark.master": "local[3]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"})
ids = {"shop": 11, "kind": 5}
rows = spark.range(500).select(
    F.randn(1).alias("a"),
    F.randn(2).alias("b"),
    *[(F.col("id") % n).cast("int").alias(c) for c, n in ids.items()],
    "id",
)
rows = rows.withColumn("label", (F.col("a") * F.col("b") + F.col("shop") > 5).cast("double")).localCheckpoint()
SPLITS = {
    "one partition": lambda df: df.coalesce(1),
    "uneven, with empty ones": lambda df: df.repartitionByRange(5, F.floor(F.log("id") / 4)),
    "seven": lambda df: df.repartition(7),
}


def weights(workers, precision, split):
    """All weights as one vector."""
    estimator = DLRMClassifier(
        denseCols=["a", "b"],
        categoricalCols=list(ids),
        tableSizes=ids,
        embeddingDim=4,
        bottomLayers=[8],
        topLayers=[8],
        optimizer="sgd",
        learningRate=0.1,
        epochs=20,
        batchSize=1000,
        numWorkers=workers,
        precision=precision,
        verbose=False,
    )
    tensors = load(estimator.fit(SPLITS[split](rows))._state.blobs["weights"])
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])


print(
    json.dumps(
        {
            precision: max(
                float(abs(weights(workers, precision, split) - weights(1, precision, "one partition")).max())
                for workers, split in zip([2, 3, 3], SPLITS, strict=True)
            )
            for precision in ("float32", "float64")
        }
    )
)

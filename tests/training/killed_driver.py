"""Trains with checkpoints; with a second argument "kill" it ends its own driver in the middle."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from pyspark.sql import functions as F

from aiok_spark.models import MLPClassifier
from aiok_spark.session import get_session

place = Path(sys.argv[1])
spark = get_session(**{"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"})
rows = spark.range(20000).select(F.randn(1).alias("a"), F.randn(2).alias("b"))
rows = rows.withColumn("label", (F.col("a") > F.col("b")).cast("double"))
named = {"denseCols": ["a", "b"], "numWorkers": 2, "batchSize": 100, "epochs": 6, "dropout": 0.1, "verbose": False}


def kill():
    """Wait for a checkpoint beyond the first epoch, then end the driver and its JVM as a crash does."""
    while not list(place.glob("checkpoint.safetensors")):
        time.sleep(0.05)
    time.sleep(1)
    os.kill(spark.sparkContext._gateway.proc.pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if sys.argv[2:] == ["kill"]:
    threading.Thread(target=kill, daemon=True).start()
model = MLPClassifier(checkpointDir=str(place), **named).fit(rows)
undisturbed = MLPClassifier(**named).fit(rows)
print(
    json.dumps(
        {
            "resumed": model.summary.facts["resumed"],
            "epochs": len(model.summary.history),
            "same": model._state.blobs["weights"] == undisturbed._state.blobs["weights"],
        }
    )
)

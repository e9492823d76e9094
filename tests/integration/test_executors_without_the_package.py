"""Executors that lack the package, or have another version of it; on a real local cluster."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyspark
import pytest

ROOT = Path(__file__).parent.parent.parent
JOB = """
import sys
import aiok_spark
from pyspark.sql import SparkSession
from aiok_spark.core import execution
from aiok_spark.feature import Clip
from aiok_spark.models import MLPRegressor
spark = (SparkSession.builder.master("local-cluster[1,1,1024]").config("spark.ui.enabled", "false")
         .config("spark.executor.memory", "1g").getOrCreate())
if "ship" in sys.argv[1]:
    aiok_spark.ship(spark)
df = spark.createDataFrame([(-1.0,), (2.0,)], "x double")


def transform():
    with execution.forced("pandas_udf"):
        return [r.x for r in Clip(inputCols=["x"], outputCols=["x"], lower=0.0).transform(df).collect()]


def train():
    model = MLPRegressor(denseCols=["x"], labelCol="x", hiddenLayers=[], epochs=60, learningRate=0.1).fit(df)
    return [round(r.prediction) for r in model.transform(df).collect()]


for step in (transform, train):
    if step.__name__ in sys.argv[1]:
        try:
            print(step.__name__, "gives", step())
        except Exception as e:
            print(step.__name__, "raises", type(e).__name__, e)
"""


def run(tmp_path, executor_path, argument):
    """Run JOB with executors whose Python sees only ``executor_path`` and the installed libraries."""
    # -S: the executors' Python does not process .pth files, so an editable install is not seen there.
    python = tmp_path / "executor-python"
    libraries = ":".join([str(executor_path), sysconfig.get_paths()["purelib"]])
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH="{libraries}:$PYTHONPATH"\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    job = tmp_path / "job.py"
    job.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + JOB)
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "SPARK_REMOTE"}}
    env |= {
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_HOME": os.path.dirname(pyspark.__file__),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, str(job), argument],
        capture_output=True,
        text=True,
        timeout=300,
        env=env,
        cwd=tmp_path,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.cluster
def test_a_missing_package_is_named_with_the_remedy(tmp_path):
    scored, trained = run(tmp_path, tmp_path / "nothing", "transform, train").split("train raises ")
    assert "transform raises" in scored and "RuntimeError: executor" in scored
    assert "found no aiok_spark, expected" in scored and "call aiok_spark.ship(spark)" in scored
    assert trained.startswith("ClusterError MLPRegressor"), "before it trains"
    assert "found aiok_spark missing on" in trained and "call aiok_spark.ship(spark)" in trained


@pytest.mark.cluster
def test_another_version_is_named(tmp_path):
    other = tmp_path / "other" / "aiok_spark"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "0.0.0"\n')
    assert "found aiok_spark 0.0.0, expected" in run(tmp_path, other.parent, "transform")


@pytest.mark.cluster
def test_ship_puts_it_there(tmp_path):
    output = run(tmp_path, tmp_path / "nothing", "ship, transform, train")
    assert "transform gives [0.0, 2.0]" in output
    assert "train gives [-1, 2]" in output

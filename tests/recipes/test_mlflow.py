"""A fitted pipeline in MLflow: logged, loaded, scored and served."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pyspark
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.functions import vector_to_array

from aiok_spark.feature import Categorify, FillMissing
from aiok_spark.models import DLRMClassifier

ROOT = Path(__file__).parents[2]
ROWS = pd.DataFrame({"age": [20.0, None, 64.0], "country": ["ch", "de", None]})

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(pyspark.__version__ >= "4", reason="MLflow is tried with Spark 3.5"),
]
mlflow = pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def fitted(spark):
    rows = [(float(i % 60), ["ch", "de", "fr"][i % 3], float(i % 3 == 0)) for i in range(300)]
    train = spark.createDataFrame(rows, "age double, country string, label double")
    network = DLRMClassifier(
        denseCols=["age"], categoricalCols=["id"], embeddingDim=4, bottomLayers=[8], topLayers=[8], batchSize=50
    )
    stages = [
        FillMissing(inputCols=["age"], outputCols=["age"]),
        Categorify(inputCols=["country"], outputCols=["id"]),
        network.setParams(verbose=False),
    ]
    return Pipeline(stages=stages).fit(train)


@pytest.fixture(scope="module")
def chances(spark, fitted):
    scored = fitted.transform(
        spark.createDataFrame(ROWS.astype(object).where(ROWS.notna(), None), "age double, country string")
    )
    return [r.p for r in scored.select(vector_to_array("probability")[1].alias("p")).collect()]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in files that all tests share: MLflow keeps its own in SQLite now, and no longer in plain files."""
    folder = tmp_path_factory.mktemp("mlflow")
    place = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_EXPERIMENT_NAME": "tests"}
    mlflow.set_tracking_uri(place["MLFLOW_TRACKING_URI"])
    mlflow.create_experiment("tests", artifact_location=folder.as_uri())
    mlflow.set_experiment("tests")
    return place


def test_the_spark_flavour_keeps_all_stages(spark, fitted, chances, store, tmp_path):
    with mlflow.start_run():
        logged = mlflow.spark.log_model(fitted, artifact_path="pipeline", dfs_tmpdir=str(tmp_path))
    loaded = mlflow.spark.load_model(logged.model_uri, dfs_tmpdir=str(tmp_path))
    assert [type(stage) for stage in loaded.stages] == [type(stage) for stage in fitted.stages]
    given = spark.createDataFrame([(20.0, "ch")], "age double, country string")
    assert loaded.transform(given).first()["probability"][1] == pytest.approx(chances[0], abs=1e-6)
    predicted = mlflow.pyfunc.load_model(logged.model_uri).predict(ROWS)
    assert list(predicted) == [float(chance > 0.5) for chance in chances]


def test_it_is_served_over_http_without_spark(fitted, chances, store, tmp_path):
    fitted.write().save(str(tmp_path / "model"))
    environment = {**os.environ, **store, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = [sys.executable, str(ROOT / "recipes/dlrm/mlflow_scorer.py"), str(tmp_path / "model")]
    done = subprocess.run(log, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    uri = done.stdout.split()[-1]
    local = mlflow.pyfunc.load_model(uri).predict(ROWS)
    assert list(local["probability"]) == pytest.approx(chances, abs=1e-6)
    port = _free_port()
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local"]
    server = subprocess.Popen([*serve, "--port", str(port)], env=environment, start_new_session=True)
    try:
        given = json.dumps({"dataframe_split": ROWS.astype(object).where(ROWS.notna(), None).to_dict("split")})
        answer = _post(f"http://127.0.0.1:{port}/invocations", given.encode())
        assert [row["probability"] for row in answer["predictions"]] == pytest.approx(chances, abs=1e-6)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _post(url, body, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as e:
            raise AssertionError(e.read().decode()) from e
        except OSError:
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.5)

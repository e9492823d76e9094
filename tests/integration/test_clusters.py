"""The same flow, by spark-submit, on a real standalone cluster and on a real YARN with HDFS.

Minutes each, so YARN is tried with one version of Spark, and the standalone cluster with the other; the faults of
``test_faults.py`` run on a standalone cluster of the first.
"""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest
from integration.standalone import standalone

ROOT = Path(__file__).parent.parent.parent
HADOOP = ROOT.parent / "shared" / "tools" / "hadoop"
EXAMPLE = Path(__file__).with_name("example.py")
DEMO = ROOT / "recipes" / "dlrm" / "demo.py"
SUBMIT = Path(pyspark.__file__).parent / "bin" / "spark-submit"
# Heap and what Python needs beside it; torch alone is some hundred MB.
SIZES = ["--driver-memory", "1g", "--executor-memory", "512m", "--conf", "spark.executor.memoryOverhead=1g"]
LIMIT = 450  # seconds

pytestmark = [pytest.mark.cluster, pytest.mark.heavy]


def submit(*options, program=EXAMPLE, arguments=(), **environment):
    """Run a program to its end; gives what it printed."""
    command = [str(SUBMIT), *SIZES, *options, str(program), *arguments]
    kept = {k: v for k, v in os.environ.items() if k != "SPARK_LOCAL_IP"}
    environment = {**kept, "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.skipif(pyspark.__version__ < "4", reason="tried with Spark 4")
def test_the_example_on_a_standalone_cluster(tmp_path):
    with standalone(tmp_path) as master:
        told = submit("--master", master, arguments=[f"file:{tmp_path}/example"])
    assert_good(told, "spark://")
    assert (tmp_path / "example" / "run" / "finished").exists()


@pytest.fixture(scope="module")
def yarn():
    if not HADOOP.is_dir():
        pytest.skip("the scripts that start a small Hadoop are not on this machine")
    with hadoop() as conf:
        yield {"HADOOP_CONF_DIR": conf, "SPARK_CONF_DIR": conf}


@contextmanager
def hadoop():
    places = {name: str(ROOT / ".build" / "yarn" / name.lower()) for name in ("LIB", "RUN")}
    environment = {**os.environ, "PYTHON": sys.executable, **{f"YARN_{k}": v for k, v in places.items()}}
    started = subprocess.run(
        [HADOOP / "up.sh"], stdout=subprocess.PIPE, text=True, check=True, env=environment, timeout=300
    )
    try:
        yield started.stdout.strip()
    finally:
        # It fails when a container ends by itself just then, and may be repeated.
        again = (subprocess.run([HADOOP / "down.sh"], check=False, env=environment, timeout=60) for _ in range(3))
        assert any(done.returncode == 0 for done in again)


@pytest.mark.skipif(pyspark.__version__ >= "4", reason="tried with Spark 3.5")
@pytest.mark.parametrize("deploy", ["client", "cluster"])
def test_the_example_on_yarn_with_its_checkpoints_on_hdfs(yarn, deploy):
    folder = f"/tmp/example_{deploy}"
    options = ["--master", "yarn", "--deploy-mode", deploy, "--num-executors", "2", "--executor-cores", "1"]
    submit(*options, arguments=[folder], **yarn)
    assert_good(hdfs_text(yarn, f"{folder}/told"), "yarn")
    assert "finished" in hdfs_names(yarn, f"{folder}/run")


@pytest.mark.skipif(pyspark.__version__ >= "4", reason="tried with Spark 3.5")
def test_the_main_job_on_yarn_with_all_its_files_on_hdfs(yarn):
    options = ["--master", "yarn", "--num-executors", "2", "--executor-cores", "1"]
    given = ["--rows", "3000", "--output", "/tmp/main_job", "--set", "model.epochs=1", "--set", "baseline=false"]
    told = submit(*options, program=DEMO, arguments=given, **yarn)
    assert re.search(r"^model +hdfs://.*/tmp/main_job/model$", told, re.MULTILINE)
    assert {"run.json", "report.html", "model"} <= set(hdfs_names(yarn, "/tmp/main_job"))
    assert not [name for name in hdfs_names(yarn, "/tmp/main_job") if name.startswith("_work")]


@pytest.mark.skipif(pyspark.__version__ >= "4", reason="tried with Spark 3.5")
def test_a_dataset_on_hdfs_is_read_without_spark(yarn):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from aiok_spark.data import Dataset, TorchLoader
    from aiok_spark.data.found import find

    system, folder = hdfs(yarn)("/tmp/my sets/über")
    system.create_dir(folder, recursive=True)
    for i in range(3):
        with system.open_output_stream(f"{folder}/part-{i}.parquet") as out:
            pq.write_table(pa.table({"row": range(100 * i, 100 * i + 100)}), out, row_group_size=30)
    place = hdfs_url(yarn) + "/tmp/my sets/über"
    made = Dataset.sealed(place, {f"part-{i}.parquet": 100 for i in range(3)}, {})
    assert find(place).urls == made.urls
    for loader in (TorchLoader(made, batch_size=64), TorchLoader(find(place), batch_size=64, workers_count=3)):
        assert [row for batch in loader for row in batch["row"].tolist()] == list(range(300))


def assert_good(told, master):
    assert f"master {master}" in told
    assert float(told.split("AUC ")[1].split(",")[0]) > 0.99
    assert "(0, '" in told and "(1, '" in told


def hdfs_url(yarn):
    site = (Path(yarn["HADOOP_CONF_DIR"]) / "core-site.xml").read_text()
    return re.search(r"hdfs://[\w.:-]+", site)[0]


def hdfs(yarn):
    from aiok_spark.core.files import open_system

    return lambda path: open_system(hdfs_url(yarn) + path)


def hdfs_names(yarn, path):
    from pyarrow import fs

    system, place = hdfs(yarn)(path)
    return {f.base_name for f in system.get_file_info(fs.FileSelector(place))}


def hdfs_text(yarn, path):
    system, place = hdfs(yarn)(path)
    part = next(name for name in hdfs_names(yarn, path) if name.startswith("part-"))
    with system.open_input_stream(f"{place}/{part}") as source:
        return source.read().decode()

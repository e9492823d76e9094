"""One Spark session for all tests, in the mode that ``--spark-mode`` names.

A process can hold only one kind of session, so a pytest run serves one mode; ``make test`` makes a
run for each.  Tests that use no session run in mode ``local`` only: the mode changes nothing for them.
Those that do run on Spark 3.5 in mode ``local``, on Spark 4 in a small cluster and over Connect.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pyspark
import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

settings.register_profile("fixed", derandomize=True)  # the same examples in every run
settings.load_profile("fixed")

# A second try for each task, as on a cluster: after a job that failed, Spark 3.5 may hand its closed Python worker to
# the next one.
MASTERS = {"local": "local[2,2]", "local-cluster": "local-cluster[2,1,1024]"}
_REMOTE = {}  # where the server of a Connect session is

# The environment is set before any JVM starts, and inherited by it and by its Python workers.
os.environ["SPARK_HOME"] = os.path.dirname(pyspark.__file__)
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)  # workers import functions of test modules
os.environ["TZ"] = "UTC"
# JVMs of tests live for seconds: the first compiler must do, and classes come as `scripts/classes.sh` has kept them.
_CLASSES = Path(sys.prefix, "spark.jsa")
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable" + (
    f" -XX:SharedArchiveFile={_CLASSES}" if _CLASSES.exists() else ""
)


def pytest_addoption(parser):
    parser.addoption(
        "--spark-mode",
        choices=["local", "local-cluster", "connect", "standalone"],
        default="local",
        help="how the tests' Spark session runs (connect: Spark 4 only; standalone: a real cluster; default: local)",
    )


def pytest_configure(config):
    if config.getoption("--spark-mode") == "connect" and pyspark.__version__ < "4":
        raise pytest.UsageError(f"--spark-mode=connect needs Spark 4; this is pyspark {pyspark.__version__}")


def pytest_collection_modifyitems(config, items):
    mode = config.getoption("--spark-mode")

    newer, with_orca = pyspark.__version__ >= "4", find_spec("bigdl") is not None

    def wanted(item):
        def marked(name):
            return item.get_closest_marker(name) is not None

        if with_orca and not marked("orca"):
            return False
        needs_session = "spark" in item.fixturenames and not marked("cluster")
        if mode == "standalone" or marked("standalone"):
            return mode == "standalone" and (marked("standalone") or marked("fault") or marked("all_modes"))
        if marked("once"):
            return newer and mode == "local"
        if not needs_session:
            return mode == "local"
        if marked("two_modes") and not marked("all_modes"):
            return mode == ("connect" if newer else "local")
        # Spark 4's classic sessions are those of a cluster, so that what is local need not be tried there again.
        return not (newer and mode == "local")

    kept = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def mode(request):
    """Name the session's mode: local, local-cluster, connect or standalone."""
    return request.config.getoption("--spark-mode")


@pytest.fixture(scope="session")
def spark(mode, tmp_path_factory):
    """Give the session that all tests share."""
    conf = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "2g",
        "spark.executor.memory": "1g",  # what local-cluster[2,1,1024] gives each executor
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.log.level": "ERROR",
        "spark.python.daemon.module": "aiok_spark.core.daemon",  # half of the CPU of tests as short as these
    }
    if mode == "local":
        # Nor is there code to generate here; the other modes have it, as users do.
        conf |= {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    if mode == "connect":
        yield from _connect(conf)
    elif mode == "standalone":
        from integration.standalone import standalone

        with standalone(tmp_path_factory.mktemp("standalone")) as master:
            yield from _classic(master, conf)
    else:
        yield from _classic(MASTERS[mode], conf)


def _classic(master, conf):
    builder = SparkSession.builder.master(master)
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def apart(spark, mode):
    """Give what calls a function with a session that no other test shares, over Connect.

    For what sends hundreds of megabytes: a server copies all that a session was sent for each stream and each persist.
    """

    def call(function):
        own = SparkSession.builder.remote(_REMOTE[spark.session_id]).create()
        try:
            return function(own)
        finally:
            own.stop()

    def called(function):
        if mode != "connect":
            return function(spark)
        with ThreadPoolExecutor(1) as thread:  # which has an active session of its own
            return thread.submit(call, function).result()

    return called


def _connect(conf):
    # The server is a process of its own: a Connect client has no JVM, and its tests must not find one.
    command = [sys.executable, str(Path(__file__).with_name("connect_server.py")), json.dumps(conf)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        assert port, "the Connect server did not start; its log is above"
        session = SparkSession.builder.remote(remote := f"sc://localhost:{port}").getOrCreate()
        _REMOTE[session.session_id] = remote
        yield session
        session.stop()
        server.stdin.close()

"""get_session: the running session, or a good local one."""

import json
import os
import re
import subprocess
import sys
import threading
import warnings

import pandas as pd
import pytest

from aiok_spark import session
from aiok_spark.session import get_session

GIB = 1024**3


@pytest.fixture
def unconfigured(monkeypatch):
    """Hide what the machine's own environment says about Spark."""
    for name in (
        "SPARK_MASTER",
        "SPARK_REMOTE",
        "SPARK_CONF_DIR",
        "PYSPARK_SUBMIT_ARGS",
        "PYSPARK_GATEWAY_PORT",
    ):
        monkeypatch.delenv(name, raising=False)


# --- a session runs already -------------------------------------------------------------------------


def test_running_session_is_returned_unchanged(spark):
    before = spark.conf.get("spark.sql.shuffle.partitions")
    assert get_session() is spark
    assert spark.conf.get("spark.sql.shuffle.partitions") == before


def test_running_session_is_found_from_another_thread(spark):
    found = []
    thread = threading.Thread(target=lambda: found.append(get_session()))
    thread.start()
    thread.join()
    assert found == [spark]


def test_running_session_takes_runtime_settings(spark):
    key = "spark.sql.shuffle.partitions"
    before = spark.conf.get(key)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            get_session(**{key: 7})
        assert spark.conf.get(key) == "7"
    finally:
        spark.conf.set(key, before)


def test_running_session_names_the_settings_it_ignores(spark):
    named = "ignored spark.sql.warehouse.dir=/elsewhere, spark.driver.memory=77g,"
    with pytest.warns(UserWarning, match=re.escape(named)):
        get_session(**{"spark.sql.warehouse.dir": "/elsewhere", "spark.driver.memory": "77g"})


def test_python_workers_import_test_modules_and_the_package(spark):
    def answer(batches):
        for batch in batches:
            yield pd.DataFrame({"gib": [GIB] * len(batch), "module": [session.__name__] * len(batch)})

    row = spark.range(1).mapInPandas(answer, "gib long, module string").first()
    assert tuple(row) == (GIB, "aiok_spark.session")


# --- a new session ----------------------------------------------------------------------------------

NEW_SESSION = """
import json, os, sys
from aiok_spark.session import get_session
spark = get_session("mine", **json.loads(sys.argv[1]))
assert get_session() is spark
spark.sparkContext.stop()
spark = get_session("mine", **json.loads(sys.argv[1]))
assert spark.range(3).count() == 3
shown = dict(spark.sparkContext.getConf().getAll())
shown["python"] = os.environ["PYSPARK_PYTHON"], os.environ["PYSPARK_DRIVER_PYTHON"]
print("CONF" + json.dumps(shown))
"""


def start_session(conf, **environment):
    """Start a session in a fresh process (twice, the context stopped in between); return its settings."""
    hidden = ("SPARK_", "PYSPARK_")
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith(hidden)}, **environment}
    result = subprocess.run(
        [sys.executable, "-c", NEW_SESSION, json.dumps(conf)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.split("CONF")[1])


@pytest.mark.cluster
def test_new_session_has_good_defaults():
    shown = start_session({})
    assert shown["spark.app.name"] == "mine"
    assert shown["spark.master"] == "local[*]"
    assert shown["spark.driver.memory"] == session._driver_memory()
    assert shown["spark.sql.shuffle.partitions"] == str(2 * os.cpu_count())
    assert shown["spark.sql.execution.arrow.pyspark.enabled"] == "true"
    assert shown["spark.sql.execution.arrow.maxRecordsPerBatch"] == "50000"
    assert shown["spark.python.daemon.module"] == "aiok_spark.core.daemon"
    assert shown["python"] == [sys.executable, sys.executable]


@pytest.mark.cluster
def test_new_session_prefers_what_the_user_and_the_site_say(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("# ours\nspark.driver.memory  1g\nspark.site.key=7\n")
    conf = {"spark.sql.execution.arrow.pyspark.enabled": False, "spark.sql.shuffle.partitions": 3}
    shown = start_session(conf, SPARK_MASTER="local[1]", SPARK_CONF_DIR=str(tmp_path))
    assert shown["spark.master"] == "local[1]"
    assert shown["spark.driver.memory"] == "1g"
    assert shown["spark.site.key"] == "7"
    assert shown["spark.sql.shuffle.partitions"] == "3"
    assert shown["spark.sql.execution.arrow.pyspark.enabled"] == "false"


# --- the defaults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("gib", "expected"), [(1, "1024m"), (24, "12288m"), (512, "32768m")])
def test_driver_memory_is_half_of_the_machine_within_bounds(monkeypatch, gib, expected):
    pages = gib * GIB // 4096
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": pages}.__getitem__)
    assert session._driver_memory() == expected


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ({}, {"PYSPARK_GATEWAY_PORT": "1"}),
        ({}, {"PYSPARK_SUBMIT_ARGS": "--master yarn pyspark-shell"}),
        ({}, {"SPARK_REMOTE": "sc://host"}),
        ({"spark.remote": "sc://host"}, {}),
    ],
)
def test_a_session_launched_elsewhere_gets_only_arrow(unconfigured, monkeypatch, settings, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert session._defaults(settings) == {"spark.sql.execution.arrow.pyspark.enabled": "true"}


def test_a_cluster_is_not_sized_like_this_machine(unconfigured, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_MASTER", "spark://host:7077")
    assert "spark.driver.memory" not in session._defaults({})
    assert "spark.driver.memory" not in session._defaults({"spark.master": "yarn"})
    assert "spark.driver.memory" in session._defaults({"spark.master": "local[2]"})


def test_workers_that_cannot_import_the_package_keep_sparks_daemon(unconfigured, monkeypatch, tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\nexec python3 -I -S "$@"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    assert "spark.python.daemon.module" in session._defaults({})
    monkeypatch.setenv("PYSPARK_PYTHON", str(tmp_path / "python"))
    assert "spark.python.daemon.module" not in session._defaults({})


def test_the_sites_master_is_kept(unconfigured, monkeypatch, tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("spark.master yarn\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert session._defaults({}) == {"spark.sql.execution.arrow.pyspark.enabled": "true"}

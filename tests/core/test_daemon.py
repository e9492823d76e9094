"""Spark's Python tasks with our daemon: from which places they import, and what is there before the first one."""

import gc
import sys

import pandas as pd
import pytest

from aiok_spark.core.daemon import without_archives


@pytest.fixture
def spark_home(tmp_path):
    """Make a Spark distribution, with Python packages as archives and as folders."""
    for name in ("lib", "pyspark"):
        (tmp_path / "spark" / "python" / name).mkdir(parents=True)
    (tmp_path / "spark" / "python" / "pyspark" / "__init__.py").touch()
    return tmp_path / "spark"


def archives(home):
    return [f"{home}/python/lib/pyspark.zip", f"{home}/python/lib/py4j-0.10-src.zip", f"{home}/jars/spark-core.jar"]


def test_archives_give_way_to_the_folder_of_the_same_pyspark(spark_home):
    folder, py4j = f"{spark_home}/python", archives(spark_home)[1]
    assert without_archives(["/job", *archives(spark_home), "/job/theirs.zip"]) == [
        "/job",
        folder,
        py4j,
        "/job/theirs.zip",
    ]


def test_archives_give_way_to_the_packages_that_pip_has_put_in_one_folder(tmp_path):
    for name in ("pyspark", "py4j"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    assert without_archives([*archives(tmp_path / "pyspark"), "/job", str(tmp_path)]) == [str(tmp_path), "/job"]


def test_archives_stay_where_there_is_no_folder(tmp_path):
    given = archives(tmp_path / "container")
    assert without_archives(given) == given[:2]


def test_another_pyspark_beside_the_archives_is_not_taken(spark_home, tmp_path):
    given = archives(tmp_path / "other")
    assert without_archives([*given, f"{spark_home}/python"]) == [*given[:2], f"{spark_home}/python"]


def test_a_task_finds_pandas_there_and_nothing_to_read_again(spark):
    def look(batches):
        loaded = {"pandas", "pyarrow"} <= set(sys.modules)
        list(batches)
        yield pd.DataFrame({"loaded": [loaded], "frozen": [gc.get_freeze_count()], "archives": [archives_read()]})

    def archives_read():
        return sum(type(reader).__name__ == "zipimporter" for reader in sys.path_importer_cache.values())

    found = spark.range(1).mapInPandas(look, "loaded boolean, frozen long, archives long").first()
    assert found.loaded
    assert found.frozen > 10_000
    assert found.archives == 0

"""``DeltaSource`` with Delta's own jars in the session: tables that Spark writes, with deletion vectors."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyspark
import pytest

ROOT = Path(__file__).parent.parent.parent
JARS = ROOT / ".build" / "delta"
PLACE = "https://repo1.maven.org/maven2/io/delta"
NEEDED = {  # what belongs to a line of Spark
    "3.5": [("delta-spark_2.12", "3.3.2"), ("delta-storage", "3.3.2")],
    "4.1": [("delta-spark_4.1_2.13", "4.1.0"), ("delta-storage", "4.1.0")],
}

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.heavy,
    pytest.mark.skipif(pyspark.__version__[:3] not in NEEDED, reason="no Delta jars are known for this Spark"),
]

PROGRAM = """
import sys
from pyspark.sql import SparkSession
from aiok_spark.data import DeltaSource, TorchLoader, make_spark_converter

folder, jars = sys.argv[1:]
conf = {
    "spark.jars": jars,
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
builder = SparkSession.builder.master("local[2]")
for name, value in conf.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
table = f"file://{folder}/a table"

def rows(**options):
    return sorted(row.id for row in DeltaSource(table, **options).read(spark).collect())

spark.range(0, 100, 1, 4).selectExpr("id", "id % 3 AS day").write.format("delta").partitionBy("day").option(
    "delta.enableDeletionVectors", "true"
).save(table)
spark.sql(f"DELETE FROM delta.`{table}` WHERE id % 10 = 7")  # by deletion vectors
spark.range(1000, 1010).selectExpr("id", "id % 3 AS day").write.format("delta").mode("append").save(table)
kept = [i for i in range(100) if i % 10 != 7]
assert rows(version=0) == list(range(100))
assert rows(version=1) == kept
assert rows() == kept + list(range(1000, 1010))

def convert(**options):
    df = DeltaSource(table, **options).read(spark)
    return make_spark_converter(df, parent_cache_dir_url=f"file://{folder}/sets").dataset

made = convert(version=1)
assert made.about["delta"]["version"] == 1
assert convert(version=1).path == made.path != convert().path
shards = [TorchLoader(made, ["id"], cur_shard=i, shard_count=7) for i in range(7)]
assert {loader.rows for loader in shards} == {12, 13}
assert sorted(i for loader in shards for batch in loader for i in batch["id"].tolist()) == kept
"""


@pytest.fixture(scope="module")
def jars():
    """Give the paths of Delta's jars, which are fetched once."""
    JARS.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, version in NEEDED[pyspark.__version__[:3]]:
        path = JARS / f"{name}-{version}.jar"
        if not path.exists():
            try:
                with urllib.request.urlopen(f"{PLACE}/{name}/{version}/{path.name}", timeout=120) as source:
                    data = source.read()
            except OSError as e:
                pytest.skip(f"no Delta jars: {e}")
            path.with_suffix(".part").write_bytes(data)
            path.with_suffix(".part").rename(path)
        paths.append(str(path))
    return ",".join(paths)


WITHOUT = """
import sys
from pyspark.sql import SparkSession
from aiok_spark.data import DeltaSource

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
try:
    DeltaSource(f"file://{sys.argv[1]}/a table").read(spark)
except Exception as e:
    print(type(e).__name__, e)
"""


def run(program, *arguments):
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_versions_shards_and_reuse_with_delta_itself(jars, tmp_path):
    run(PROGRAM, str(tmp_path), jars)
    # The files alone do not tell which rows were deleted.
    assert "DataError" in (told := run(WITHOUT, str(tmp_path))) and "deletionVectors" in told

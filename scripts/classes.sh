#!/usr/bin/env bash
# Keeps Spark's classes as they lie in a JVM's memory, so that the many JVMs of tests start in a third of the time.
# Tests use the file if it is there (tests/conftest.py); a JVM ignores it where Java or a jar is another one.
#
#   scripts/classes.sh ENVIRONMENT VENV      such as spark35 .venv
set -uo pipefail
cd "$(dirname "$0")/.."
venv=$2
file=$venv/spark.jsa
[ ! "$file" -nt "$venv/setup.stamp" ] || exit 0

JAVA_HOME=$(cat ".build/java_home.$1")
export JAVA_HOME PYSPARK_PYTHON=$PWD/$venv/bin/python SPARK_LOCAL_IP=127.0.0.1
export JDK_JAVA_OPTIONS="-XX:ArchiveClassesAtExit=$PWD/$file -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:disable"
unset SPARK_HOME PYTHONPATH
# What most tests do: rows in, files, shuffles, Python on Arrow, a stream, and a pipeline that is saved.
# The pipe ends with the JVM, which writes the file when Python has ended.
timeout 300 "$venv/bin/python" - <<'PYTHON' 2>&1 | timeout 330 cat >/dev/null || rm -f "$file"
import tempfile

from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
with tempfile.TemporaryDirectory() as folder:
    rows = spark.createDataFrame([(i, str(i % 3), i / 2, [i]) for i in range(40)], "a int, b string, c double, d array<int>")
    rows.write.parquet(f"{folder}/rows")
    rows.select("a", "b").write.csv(f"{folder}/text")
    read = spark.read.parquet(f"{folder}/rows")
    sums = read.groupBy("b").agg(F.sum("c").alias("sum"), F.countDistinct("a"))
    read.join(sums, "b").withColumn("n", F.row_number().over(Window.partitionBy("b").orderBy("a"))).orderBy("a").collect()
    read.repartition(3).mapInArrow(lambda batches: batches, read.schema).toPandas()
    read.select(F.pandas_udf(lambda c: c, "double")("c"), F.udf(lambda c: c, "double")("c")).persist().count()
    model = Pipeline(stages=[VectorAssembler(inputCols=["a", "c"], outputCol="v")]).fit(read)
    model.save(f"{folder}/model")
    model.transform(spark.readStream.schema(read.schema).parquet(f"{folder}/rows")).writeStream.format("memory").queryName(
        "seen"
    ).trigger(availableNow=True).start().awaitTermination()
spark.stop()
PYTHON

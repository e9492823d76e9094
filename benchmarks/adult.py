"""Rows of the Adult data set, for environments that have nothing but Spark, too."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

NUMBERS = ["age", "years", "gain", "loss", "hours"]
TEXTS = ["workclass", "education", "marital", "occupation", "relationship", "race", "sex", "country"]
_COLUMNS = (
    "age double, workclass string, weight double, education string, years double, marital string, "
    "occupation string, relationship string, race string, sex string, gain double, loss double, hours double, "
    "country string, income string"
)


def read_adult(spark: SparkSession, path: str) -> DataFrame:
    """One of its files, with a ``label`` that is 1 for an income above 50K."""
    rows = spark.read.csv(path, schema=_COLUMNS, ignoreLeadingWhiteSpace=True)
    return rows.dropna(subset=["income"]).withColumn("label", F.col("income").startswith(">50K").cast("double"))

"""Real rows that come beside this repository and are no part of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyspark.ml import Pipeline
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from aiok_spark.feature import Categorify, Clip, FillMissing, LogTransform
from benchmarks.adult import NUMBERS, TEXTS, read_adult

DATA = Path(__file__).parents[2] / "shared/data"


@dataclass(frozen=True)
class Rows:
    """Rows with numbers and ids, and a label of 0 or 1.

    Attributes
    ----------
    train, test : DataFrame
        As their authors divided them.
    inputs : dict
        Params of an estimator that name the columns.
    """

    train: DataFrame
    test: DataFrame
    inputs: dict[str, object]


def adult(spark: SparkSession) -> Rows:
    """Whether a person of a census earns much: 32,561 rows, and 16,281 to test with."""
    train, test = (read_adult(spark, str(DATA / f"adult/adult.{name}.gz")) for name in ("data", "test"))
    stages = [LogTransform(inputCols=NUMBERS, outputCols=NUMBERS), Categorify(inputCols=TEXTS, outputCols=TEXTS)]
    features = Pipeline(stages=stages).fit(train)
    return _rows(features.transform(train), features.transform(test), NUMBERS, TEXTS)


def frappe(spark: SparkSession) -> Rows:
    """Whether a person used an app: 57,722 rows of ten ids, and 28,860 to test with."""
    ids = [f"f{i}" for i in range(10)]

    def read(name: str) -> DataFrame:
        cells = F.split("value", " ")
        made = [F.split(cells[i + 1], ":")[0].alias(name) for i, name in enumerate(ids)]
        label = (cells[0] == "1").cast("double").alias("label")
        return spark.read.text(str(DATA / f"frappe_ctr/frappe.{name}.libfm.gz")).select(label, *made)

    train, test = read("validation"), read("test")
    features = Categorify(inputCols=ids, outputCols=ids).fit(train)
    return _rows(features.transform(train), features.transform(test), [], ids)


def criteo(spark: SparkSession) -> Rows:
    """Whether an advertisement was clicked: the first 8,000 rows of a sample, and its last 2,000 to test with."""
    numbers, ids = [f"I{i}" for i in range(1, 14)], [f"C{i}" for i in range(1, 27)]
    schema = ", ".join(["label double", *(f"{n} double" for n in numbers), *(f"{c} string" for c in ids)])
    raw = spark.read.csv(str(DATA / "criteo_sample/criteo_train_10k.tsv.gz"), schema=schema, sep="\t")
    rows = raw.withColumn("row", F.monotonically_increasing_id()).persist()  # of a file that no task divides: 0, 1, ...
    train, test = rows.where("row < 8000"), rows.where("row >= 8000")
    stages = [
        FillMissing(inputCols=numbers, outputCols=numbers),
        Clip(inputCols=numbers, outputCols=numbers, lower=0.0),
        LogTransform(inputCols=numbers, outputCols=numbers),
        Categorify(inputCols=ids, outputCols=ids, minFrequency=5),
    ]
    features = Pipeline(stages=stages).fit(train)
    return _rows(features.transform(train), features.transform(test), numbers, ids)


def _rows(train: DataFrame, test: DataFrame, numbers: list[str], ids: list[str]) -> Rows:
    columns = ["label", *numbers, *ids]
    kept = [part.select(*columns).persist() for part in (train, test)]
    return Rows(*kept, {"denseCols": numbers, "categoricalCols": ids})


NAMED = {
    "Adult": ("adult/adult.data.gz", adult),
    "Criteo": ("criteo_sample/criteo_train_10k.tsv.gz", criteo),
    "Frappe": ("frappe_ctr/frappe.test.libfm.gz", frappe),
}

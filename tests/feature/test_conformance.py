"""Each stage of ``feature`` is a first-class citizen of Spark ML, in each way that it is configured."""

import datetime
import math

import pytest

from aiok_spark.feature import (
    Categorify,
    Clip,
    FillMissing,
    HashBuckets,
    LogTransform,
    LookupJoin,
    Scale,
    TableAggregate,
)
from aiok_spark.testing import check_stage, mixed_frame

NUMBERS = ["count", "price", "amount"]
CATEGORIES = ["city", "total", "active", "day"]


def named(columns):
    return {"inputCols": columns, "outputCols": [f"{c}_out" for c in columns]}


def replacing(columns):
    return {"inputCols": columns, "outputCols": columns}


STAGES = {
    "Clip": Clip(**named(["wild", "count", "share"]), lower=0.0, upper=10.5),
    "Clip in place": Clip(**replacing(NUMBERS), lower=0.0),
    "LogTransform": LogTransform(**named(["wild", "total"])),
    "LogTransform in place": LogTransform(**replacing(NUMBERS), method="signedLog1p"),
    "FillMissing by mean": FillMissing(**named(NUMBERS)),
    "FillMissing by mode, in place": FillMissing(**replacing(["city", "active", "count"]), strategy="mode"),
    "FillMissing by a constant": FillMissing(**named(["wild", "total"]), strategy="constant", value=-1),
    "HashBuckets": HashBuckets(**named(CATEGORIES), numBuckets=7, salt=3),
    "HashBuckets in place": HashBuckets(**replacing(CATEGORIES), nullPolicy="null"),
    "HashBuckets of lists of strings": HashBuckets(**replacing(["tags"])),
    "HashBuckets of lists of numbers": HashBuckets(**replacing(["codes"])),
    "Scale": Scale(**named(NUMBERS)),
    "Scale in place": Scale(**replacing(NUMBERS), method="robust"),
    "Categorify": Categorify(**named(CATEGORIES), minFrequency=2),
    "Categorify in place": Categorify(**replacing(["city", "device"]), sharedVocabulary=[["city", "device"]]),
    "Categorify of lists": Categorify(**replacing(["tags", "codes"]), oovPolicy="null"),
    "Categorify that refuses": Categorify(**named(["city"]), nullPolicy="error", oovPolicy="error"),
    "Categorify by joins": Categorify(**named(["city", "total"]), joinAbove=0),
    "LookupJoin": LookupJoin(
        table="conformance_cities",
        keyCols=["city", "active"],
        valueCols=["size", "area", "names", "since"],
        outputCols=["size", "city_area", "city_names", "city_since"],
        defaults={"size": -1, "area": 0.5},
    ),
    "LookupJoin by shuffling": LookupJoin(
        table="conformance_cities",
        keyCols=["device", "active"],
        tableKeyCols=["city", "active"],
        valueCols=["size"],
        outputCols=["device"],
        broadcastBytes=0,
    ),
    "TableAggregate": TableAggregate(
        keyCols=["city"],
        aggregates=["count", "nunique(day)", "mean(price)", "std(count)", "max(amount)"],
        outputCols=["rows", "days", "price_mean", "count_std", "amount_max"],
        defaults={"count": 0},
    ),
    "TableAggregate in place": TableAggregate(
        keyCols=["device", "day"], aggregates=["sum(share)", "count(tags)"], outputCols=["device", "share"]
    ),
}

CITIES = [
    ("Zürich", True, 4, 87.9, ["Turicum", None], datetime.date(1851, 5, 1)),
    ("Zürich", False, 5, None, [], None),
    ("東京", True, 9, math.nan, None, datetime.date(1903, 3, 24)),
    ("", True, None, -0.0, ["nowhere"], None),
    ("phone", True, 1, 1.0, None, None),
    (None, True, 7, 7.0, None, None),
]

NULL_LISTS = "2026-11-21: nothing is fitted, so in the dict of a row a null list counts as a null value"
SKIPPED = {
    "HashBuckets of lists of strings": {"rows_without_spark_agree": NULL_LISTS},
    "HashBuckets of lists of numbers": {"rows_without_spark_agree": NULL_LISTS},
}

# The sum of the same floating-point numbers in another order may differ in its last bits.
TOLERANCE = {
    "FillMissing by mean": 1e-12,
    "Scale": 1e-12,
    "TableAggregate": 1e-12,
    "TableAggregate in place": 1e-12,
}


@pytest.fixture(scope="module")
def frame(spark):
    schema = "city STRING, active BOOLEAN, size INT, area FLOAT, names ARRAY<STRING>, since DATE"
    spark.createDataFrame(CITIES, schema).createOrReplaceTempView("conformance_cities")
    return mixed_frame(spark)


# Every configuration is tried where that is quick and where Spark differs most; elsewhere one of each stage.
ALL_CONFIGURATIONS = {("3", "local"), ("4", "connect")}
ONE_OF_EACH = {type(stage): name for name, stage in reversed(STAGES.items())}.values()  # the first one listed


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_first_class_citizen(frame, mode, name):
    if (frame.sparkSession.version[0], mode) not in ALL_CONFIGURATIONS and name not in ONE_OF_EACH:
        pytest.skip("tried in local mode on Spark 3.5 and in Connect on 4.1")
    stage = STAGES[name]
    if stage.hasParam("nullPolicy") and stage.getNullPolicy() == "error":
        frame = frame.dropna(subset=stage.getInputCols())
    skip = dict(SKIPPED.get(name, {}))
    if name not in ONE_OF_EACH:
        skip["cross_validates"] = "2026-11-21: takes a third of the time, and is tried with another of its class"
    check_stage(stage, frame, skip=skip, tolerance=TOLERANCE.get(name, 0.0))

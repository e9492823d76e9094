"""HashBuckets."""

import datetime
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.feature import HashBuckets
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SOME
@given(
    st.lists(st.none() | st.text(max_size=70), min_size=1, max_size=20),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=20, max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(1, 2**31 - 2),
    st.sampled_from(["id", "null"]),
)
def test_buckets_are_the_same_everywhere(spark, texts, numbers, salt, buckets, null):
    stage = HashBuckets(
        inputCols=["s", "i", "l"], outputCols=["s", "j", "l"], numBuckets=buckets, salt=salt, nullPolicy=null
    )
    data = {"s": texts, "i": numbers[: len(texts)], "l": [[t, None, "x"] for t in texts]}
    assert_all_executions_agree(stage, data, "s string, i long, l array<string>", spark)


def test_the_bucket_is_the_documented_expression(spark):
    df = spark.createDataFrame([("a",), ("ß",), (None,)], "s string")
    expected = F.expr("coalesce(1 + pmod(xxhash64(CAST(9 AS BIGINT), s), 1000), 0)").cast("int")
    documented = df.select(F.when(F.col("s").isNull(), 0).otherwise(expected).alias("h")).collect()
    assert (
        HashBuckets(inputCols=["s"], outputCols=["h"], numBuckets=1000, salt=9).transform(df).select("h").collect()
        == documented
    )


def test_the_hash_never_changes():
    # Committed values: models trained on these ids must find them again in every later release.
    stage = HashBuckets(inputCols=["s", "i"], outputCols=["s", "i"], numBuckets=1_000_000)
    assert LocalPipeline([stage]).transform({"s": "aiok", "i": 42}) == {"s": 628481, "i": 97501}


def test_dates_and_booleans(spark):
    df = spark.createDataFrame([(datetime.date(2024, 2, 29), True), (None, None)], "d date, b boolean")
    stage = HashBuckets(inputCols=["d", "b"], outputCols=["d", "b"], numBuckets=99)
    rows = [r.asDict() for r in df.collect()]
    assert [r.asDict() for r in stage.transform(df).collect()] == [LocalPipeline([stage]).transform(r) for r in rows]


def test_refusals(spark):
    df = spark.createDataFrame([(1.5, None)], "x double, s string")
    with pytest.raises(ColumnTypeError, match="found type double, expected string, integer, boolean or date"):
        HashBuckets(inputCols=["x"], outputCols=["h"]).transform(df)
    with pytest.raises(ParamError, match="numBuckets: found 2147483647, expected at most"):
        HashBuckets(inputCols=["s"], outputCols=["h"], numBuckets=2**31 - 1).transform(df)
    with pytest.raises(Exception, match="nullPolicy='error' and column 's' has nulls"):
        HashBuckets(inputCols=["s"], outputCols=["h"], nullPolicy="error").transform(df).collect()


def test_cardinality_is_in_the_metadata(spark):
    stage = HashBuckets(inputCols=["s"], outputCols=["h"], numBuckets=7)
    made = stage.transform(spark.createDataFrame([("a",)], "s string"))
    assert made.schema["h"].metadata["aiok"] == {"cardinality": 8}


def test_collisions_are_counted(spark):
    rows = [(f"v{i % 40}", [i % 7, None, i % 3], i) for i in range(100)] + [(None, None, None)]
    df = spark.createDataFrame(rows, "s string, l array<int>, i int").repartition(3)
    stage = HashBuckets(inputCols=["s", "l"], outputCols=["s", "l"], numBuckets=30)
    found = {r["column"]: r.asDict() for r in stage.collisions(df).collect()}
    made = stage.transform(df.withColumn("v", df.s)).select("v", "s").distinct().where("v IS NOT NULL").collect()
    sizes = Counter(r.s for r in made).values()
    shared = sum(n for n in sizes if n > 1)
    assert found["s"] == {
        "column": "s", "values": 40, "buckets": len(sizes), "colliding": shared, "share": shared / 40,
        "largest": max(sizes),
    }  # fmt: skip
    assert (found["l"]["values"], sorted(found)) == (7, ["l", "s"])
    empty = HashBuckets(inputCols=["s"], outputCols=["s"]).collisions(df.where("s IS NULL"))
    assert empty.collect() == []

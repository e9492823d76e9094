"""CrossColumns."""

import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError
from aiok_spark.feature import CrossColumns, HashBuckets
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCHEMA = "s string, i long, d date"
DAYS = st.none() | st.dates(datetime.date(1900, 1, 1))
ROWS = st.tuples(st.none() | st.text(max_size=40), st.none() | st.integers(-(2**63), 2**63 - 1), DAYS)


@SOME
@given(
    st.lists(ROWS, min_size=1, max_size=15),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(1, 2**31 - 2),
    st.sampled_from(["id", "null"]),
)
def test_crosses_are_the_same_everywhere(spark, rows, salt, buckets, null):
    stage = CrossColumns(
        crosses=[["s", "i", "d"], ["i", "s"], ["s"]],
        outputCols=["a", "s", "i"],
        numBuckets=buckets,
        salt=salt,
        nullPolicy=null,
    )
    rows = [*rows, (None, None, None), ("x", None, None)]
    data = {name: [row[i] for row in rows] for i, name in enumerate("sid")}
    assert_all_executions_agree(stage, data, SCHEMA, spark)


def test_the_id_is_the_documented_expression(spark):
    df = spark.createDataFrame([("a", 1, None), (None, 1, None), (None, None, None)], SCHEMA)
    k = "xxhash64(9L, xxhash64(9L, s), xxhash64(9L, i), xxhash64(9L, CAST(d AS STRING)))"
    expected = F.expr(f"CAST(IF(s IS NULL AND i IS NULL AND d IS NULL, 0, 1 + pmod({k}, 1000)) AS INT)")
    stage = CrossColumns(crosses=[["s", "i", "d"]], outputCols=["x"], numBuckets=1000, salt=9)
    assert [r.x for r in stage.transform(df).collect()] == [r.x for r in df.select(expected.alias("x")).collect()]


def test_the_hash_never_changes():
    # Committed values: models trained on these ids must find them again in every later release.
    stage = CrossColumns(crosses=[["s", "i"], ["i", "s"]], outputCols=["a", "b"], numBuckets=1_000_000)
    made = LocalPipeline([stage]).transform({"s": "aiok", "i": 42})
    assert (made["a"], made["b"]) == (464450, 379002)


def test_a_cross_of_one_column_is_a_hash_bucket(spark):
    df = spark.createDataFrame([("a", 1, None), (None, 2, None)], SCHEMA)
    crossed = CrossColumns(crosses=[["s"], ["i"]], outputCols=["a", "b"], salt=4).transform(df)
    hashed = HashBuckets(inputCols=["s", "i"], outputCols=["a", "b"], salt=4).transform(df)
    assert crossed.collect() == hashed.collect() and crossed.schema == hashed.schema


def test_nulls_are_told_apart_by_their_column(spark):
    df = spark.createDataFrame([("a", None), (None, "a"), ("a", "a"), (None, None)], "s string, t string")
    stage = CrossColumns(crosses=[["s", "t"]], outputCols=["x"], numBuckets=2**30)
    first, second, third, nothing = (r.x for r in stage.transform(df).collect())
    assert nothing == 0 < min(first, second, third) and len({first, second, third}) == 3
    made = [r.x for r in stage.transform(df, {stage.nullPolicy: "null"}).collect()]
    assert made == [None, None, third, None]
    with pytest.raises(Exception, match="nullPolicy='error' and column 's' x 't' has nulls"):
        stage.transform(df, {stage.nullPolicy: "error"}).collect()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"crosses": []}, ParamError, "outputCols: found 1 names for 0 crosses, expected one output for each cross"),
        ({"crosses": [["s"], ["i"]]}, ParamError, "outputCols: found 1 names for 2 crosses"),
        ({"crosses": [["s", "s"]]}, ParamError, r"crosses: found the group \['s', 's'\], expected different names"),
        ({"crosses": [[]]}, ParamError, r"crosses: found the group \[\], expected different names, at least one"),
        ({"crosses": [["s", "z"]]}, ColumnError, "crosses names 'z', found no such column"),
        ({"crosses": [["s", "x"]]}, ColumnTypeError, "the key names 'x', found type double, expected string, integer"),
        ({"numBuckets": 2**31 - 1}, ParamError, "numBuckets: found 2147483647, expected at most 2147483646"),
    ],
)
def test_what_cannot_be_crossed_is_refused(spark, params, error, message):
    df = spark.createDataFrame([("a", 1, 1.5)], "s string, i int, x double")
    with pytest.raises(error, match=message) as raised:
        CrossColumns(**{"crosses": [["s", "i"]], "outputCols": ["c"], **params}).transform(df)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("CrossColumns(CrossColumns_")


def test_cardinality_is_in_the_metadata(spark):
    made = CrossColumns(crosses=[["s", "i"]], outputCols=["c"], numBuckets=7).transform(
        spark.createDataFrame([("a", 1)], "s string, i int")
    )
    assert made.schema["c"].metadata["aiok"] == {"cardinality": 8}

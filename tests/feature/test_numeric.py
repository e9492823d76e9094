"""Clip and LogTransform."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError
from aiok_spark.feature import Clip, LogTransform
from aiok_spark.testing.compare import assert_all_executions_agree

FLOATS = st.lists(
    st.none() | st.floats() | st.sampled_from([0.0, -0.0, -1.0, 1e-300, math.inf]), min_size=1, max_size=30
)
# Each example runs several Spark jobs.
SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def clip(x, lower, upper):
    if x is None or x != x:
        return x
    return lower if x < lower else upper if x > upper else x


@SOME
@given(FLOATS, st.floats(-100, 0), st.floats(0, 100))
def test_clip_means_the_same_everywhere(spark, values, lower, upper):
    stage = Clip(inputCols=["x"], outputCols=["y"], lower=lower, upper=upper)
    assert_all_executions_agree(
        stage,
        {"x": values},
        "x double",
        spark,
        reference=lambda rows: {"y": [clip(x, lower, upper) for x in rows["x"]]},
    )


def log(x, method):
    if x is None or x != x:
        return x
    if method == "signedLog1p":
        return math.copysign(math.log1p(abs(x)), x)
    if x <= (0 if method == "log" else -1):
        return None
    return math.log(x) if method == "log" else math.log1p(x)


@SOME
@given(FLOATS, st.sampled_from(["log", "log1p", "signedLog1p"]))
def test_log_means_the_same_everywhere(spark, values, method):
    stage = LogTransform(inputCols=["x"], outputCols=["x"], method=method)
    assert_all_executions_agree(
        stage, {"x": values}, "x double", spark, reference=lambda rows: {"x": [log(x, method) for x in rows["x"]]}
    )


@pytest.mark.parametrize("kind", ["byte", "short", "int", "long", "float", "decimal(10,2)"])
def test_any_number_becomes_double(spark, kind):
    df = spark.sql(f"SELECT CAST(7 AS {kind}) AS x UNION ALL SELECT NULL")
    made = Clip(inputCols=["x"], outputCols=["x"], upper=5).transform(df)
    assert made.schema["x"].dataType.simpleString() == "double"
    assert sorted(r.x or 0 for r in made.collect()) == [0, 5.0]


def test_clip_refuses_an_empty_range(spark):
    df = spark.createDataFrame([(1.0,)], "x double")
    with pytest.raises(ParamError, match=r"Clip\(.*\): lower \(3\.0\) is above upper \(1\.0\); swap them"):
        Clip(inputCols=["x"], outputCols=["x"], lower=3.0, upper=1.0).transform(df)
    with pytest.raises(ParamError, match="found neither, expected at least one"):
        Clip(inputCols=["x"], outputCols=["x"]).transform(df)


@pytest.mark.parametrize(
    ("inputs", "outputs", "error", "message"),
    [
        (["z"], ["y"], ColumnError, r"inputCols names 'z', found no such column, .*there are \['x', 's', 'x2'\]"),
        (["x1"], ["y"], ColumnError, r"did you mean '(x|x2)'\?"),
        (["s"], ["y"], ColumnTypeError, "inputCols names 's', found type string, expected a numeric type; cast it"),
        (["x", "x2"], ["y", "y"], ColumnError, "outputCols has 'y' 2 times, expected different names"),
        (["x", "x2"], ["y"], ParamError, "outputCols: found 1 names for 2 inputCols, expected one output for each"),
        ([], [], ParamError, "expected one output for each input and at least one"),
    ],
)
def test_bad_columns_stop_before_any_job(spark, inputs, outputs, error, message):
    df = spark.createDataFrame([(1.0, "a", 2.0)], "x double, s string, x2 double")
    with pytest.raises(error, match=message) as raised:
        LogTransform(inputCols=inputs, outputCols=outputs).transform(df)
    assert "\n" not in str(raised.value)


def test_an_ambiguous_column_is_refused(spark):
    df = spark.createDataFrame([(1.0, 2.0)], "x double, y double").toDF("x", "x")
    with pytest.raises(ColumnError, match="inputCols names 'x', found 2 columns of that name, expected one"):
        LogTransform(inputCols=["x"], outputCols=["y"]).transform(df)

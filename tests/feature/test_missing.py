"""FillMissing."""

import decimal
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import FillMissing
from aiok_spark.testing.compare import assert_all_executions_agree

SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fit(df, **params):
    return FillMissing(inputCols=["x"], outputCols=["y"], **params).fit(df)


@pytest.fixture
def numbers(spark):
    return spark.createDataFrame([(v,) for v in [1.0, 2.0, 2.0, 7.0, None, math.nan]], "x double")


def pandas_reference(strategy):
    values = pd.Series([1.0, 2.0, 2.0, 7.0])
    return {"mean": values.mean(), "median": values.median(), "mode": values.mode()[0]}[strategy]


@pytest.mark.parametrize("strategy", ["mean", "median", "mode"])
def test_statistics_are_those_of_pandas(numbers, strategy):
    model = fit(numbers, strategy=strategy)
    assert model.fillValues == {"x": pandas_reference(strategy)}
    assert [r.y for r in model.transform(numbers).collect()][4:] == [pandas_reference(strategy)] * 2


def test_an_approximate_median_is_within_its_error(spark):
    df = spark.range(10001).selectExpr("CAST(id AS double) AS x").repartition(7)
    assert abs(fit(df, strategy="median", relativeError=0.01).fillValues["x"] - 5000) <= 100


@SOME
@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=50), st.integers(1, 7))
def test_the_mean_does_not_depend_on_the_partitioning(spark, values, partitions):
    df = spark.createDataFrame([(v,) for v in values], "x double").repartition(partitions)
    assert fit(df).fillValues["x"] == pytest.approx(math.fsum(values) / len(values), rel=1e-12)


@SOME
@given(st.lists(st.none() | st.floats(), min_size=1, max_size=20), st.booleans())
def test_filling_means_the_same_everywhere(spark, values, nan):
    df = spark.createDataFrame([(1.5,)], "x double")
    model = fit(df, strategy="constant", value=4, nanIsMissing=nan)
    assert_all_executions_agree(
        model,
        {"x": values},
        "x double",
        spark,
        reference=lambda rows: {"y": [4.0 if x is None or (nan and x != x) else x for x in rows["x"]]},
    )


@pytest.mark.parametrize(
    ("kind", "params", "result"),
    [
        ("int", {"strategy": "constant", "value": 3}, "int"),
        ("int", {"strategy": "constant", "value": 0.5}, "double"),
        ("int", {"strategy": "mode"}, "int"),
        ("bigint", {"strategy": "mean"}, "double"),
        ("float", {"strategy": "mean"}, "float"),
        ("decimal(8,2)", {"strategy": "mode"}, "double"),
        ("string", {"strategy": "mode"}, "string"),
        ("boolean", {"strategy": "constant", "value": True}, "boolean"),
    ],
)
def test_the_type_is_kept_where_the_filling_fits(spark, kind, params, result):
    value = "a" if kind == "string" else "true" if kind == "boolean" else "1"
    df = spark.sql(f"SELECT CAST('{value}' AS {kind}) AS x UNION ALL SELECT NULL")
    model = fit(df, **params)
    made = model.transform(df)
    assert (
        made.schema["y"].dataType.simpleString()
        == result
        == model.transformSchema(df.schema)["y"].dataType.simpleString()
    )
    assert made.where("y IS NULL").count() == 0


def test_mode_breaks_ties_by_the_smallest(spark):
    df = spark.createDataFrame([(v,) for v in "bbaac"], "x string").repartition(3)
    assert fit(df, strategy="mode").fillValues == {"x": "a"}


def test_decimals_are_filled_as_doubles(spark):
    df = spark.createDataFrame([(decimal.Decimal("1.50"),), (None,)], "x decimal(8,2)")
    assert [r.y for r in fit(df).transform(df).collect()] == [1.5, 1.5]


@pytest.mark.parametrize(
    ("rows", "params", "error", "message"),
    [
        ([], {}, DataError, "found no rows, expected at least one value"),
        ([None], {}, DataError, "found no value in column 'x', .*use strategy='constant'"),
        ([1.0, math.inf], {}, DataError, "found the mean of column 'x' to be inf, expected a finite number"),
        ([1.0, math.nan], {"nanIsMissing": False}, DataError, "found the mean of column 'x' to be nan"),
        ([1.0], {"strategy": "constant"}, ParamError, "value: found nothing, expected the constant to fill with"),
        ([1.0], {"strategy": "constant", "value": "a"}, ParamError, "value: found 'a' for column 'x' of type double"),
    ],
)
def test_what_cannot_be_filled_is_refused(spark, rows, params, error, message):
    df = spark.createDataFrame([(v,) for v in rows], "x double")
    with pytest.raises(error, match=message) as raised:
        fit(df, **params)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("FillMissing(FillMissing_")


def test_the_mean_of_texts_is_refused(spark):
    with pytest.raises(ColumnTypeError, match="inputCols names 'x', found type string, expected a numeric type"):
        fit(spark.createDataFrame([("a",)], "x string"))


def test_numpy_values_are_taken(numbers):
    assert fit(numbers, strategy="constant", value=np.float32(1.5)).fillValues == {"x": 1.5}

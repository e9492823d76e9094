"""Scale."""

import math
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, DataError
from aiok_spark.feature import Scale
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

VALUES = [1.0, 2.0, 2.0, 7.0, None, math.nan, -3.5]
SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fit(df, **params):
    return Scale(inputCols=["x"], outputCols=["y"], **params).fit(df)


def pandas_reference(method, values=VALUES):
    x = pd.Series(values, dtype=float).dropna()
    if method == "standard":
        return x.mean(), x.std()
    if method == "minMax":
        return x.min(), x.max() - x.min()
    return x.median(), x.quantile(0.75) - x.quantile(0.25)


@pytest.mark.parametrize("method", ["standard", "minMax", "robust"])
def test_centers_and_widths_are_those_of_pandas(spark, method):
    df = spark.createDataFrame([(v,) for v in VALUES], "x double").repartition(3)
    model = fit(df, method=method)
    center, width = pandas_reference(method)
    assert model.centers == {"x": pytest.approx(center, rel=1e-12)}
    assert model.widths == {"x": pytest.approx(width, rel=1e-12)}


@SOME
@given(st.lists(st.none() | st.floats(), min_size=1, max_size=20), st.sampled_from(["standard", "minMax", "robust"]))
def test_scaling_means_the_same_everywhere(spark, values, method):
    model = fit(spark.createDataFrame([(v,) for v in VALUES], "x double"), method=method)
    center, width = model.centers["x"], model.widths["x"]
    assert_all_executions_agree(
        model,
        {"x": values},
        "x double",
        spark,
        reference=lambda rows: {"y": [None if x is None else (x - center) / width for x in rows["x"]]},
    )


def quantile_normal(x, sample, number):
    """scikit-learn's QuantileTransformer(number, output_distribution="normal"), written out."""
    shares = np.linspace(0, 1, number)
    quantiles = np.quantile(sample, shares)
    share = (np.interp(x, quantiles, shares) - np.interp(-x, -quantiles[::-1], -shares[::-1])) / 2
    share = np.where(x <= quantiles[0], 0, np.where(x >= quantiles[-1], 1, share))
    return [NormalDist().inv_cdf(min(max(p, 1e-7), 1 - 1e-7)) for p in share]


SAMPLES = {
    "skewed": np.random.default_rng(1).lognormal(0, 2, 500).tolist(),
    "with ties": [0.0] * 30 + [1.0] * 50 + [2.5, 7.0, 7.0, 1e6] * 5,
    "few": [-3.0, 5.0, 5.5],
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("number", [2, 10, 101])
def test_quantiles_become_normal_everywhere(spark, sample, number):
    values = SAMPLES[sample]
    df = spark.createDataFrame([(v,) for v in [*values, None, math.nan]], "x double").repartition(3)
    model = fit(df, method="quantileNormal", numQuantiles=number)
    assert model.quantiles == {"x": pytest.approx(np.quantile(values, np.linspace(0, 1, number)), rel=1e-12)}
    assert model.centers == model.widths == {}
    asked = [*values[::7], 0.5, 1.0, 5.25, -1e9, 1e9, math.inf, -math.inf]
    expected = quantile_normal(np.array(asked), values, number)
    data = {"x": [*asked, None, math.nan]}
    assert_all_executions_agree(model, data, "x double", spark, ulps=64)
    found = LocalPipeline([model]).transform({"x": asked})["y"]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_becomes_normal_has_mean_zero_and_deviation_one(spark):
    x = np.random.default_rng(0).lognormal(2, 1, 2000)
    df = spark.createDataFrame([(float(v),) for v in x], "x double")
    made = np.array([r.y for r in fit(df, method="quantileNormal").transform(df).collect()])
    assert made.mean() == pytest.approx(0, abs=1e-3)
    assert made.std(ddof=1) == pytest.approx(1, abs=0.02)
    assert made.min() == -made.max() == pytest.approx(-5.199337582, rel=1e-9)


def test_a_column_of_one_value_becomes_zero(spark):
    df = spark.createDataFrame([(4,), (4,), (None,)], "x int")
    for method in ("standard", "minMax", "robust", "quantileNormal"):
        assert [r.y for r in fit(df, method=method).transform(df).collect()] == [0.0, 0.0, None]
    one = fit(df.limit(1))
    assert one.widths == {"x": 1.0}


def test_what_is_scaled_has_mean_zero_and_deviation_one(spark):
    x = np.random.default_rng(0).lognormal(2, 1, 1000)
    df = spark.createDataFrame([(float(v),) for v in x], "x double")
    made = np.array([r.y for r in fit(df).transform(df).collect()])
    assert made.mean() == pytest.approx(0, abs=1e-12)
    assert made.std(ddof=1) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "method", "message"),
    [
        ([], "standard", "found no value in column 'x', expected at least one"),
        ([None, math.nan], "robust", "found no value in column 'x', expected at least one"),
        ([1.0, math.inf], "standard", "found infinite values, or ones that add up to it, in column 'x'"),
        ([None], "quantileNormal", "found no value in column 'x', expected at least one"),
        ([1.0, math.inf], "quantileNormal", "found infinite values, or ones that add up to it, in column 'x'"),
        ([1.0, -math.inf], "minMax", "found infinite values, or ones that add up to it, in column 'x'"),
    ],
)
def test_what_cannot_be_scaled_is_refused(spark, rows, method, message):
    with pytest.raises(DataError, match=message) as raised:
        fit(spark.createDataFrame([(v,) for v in rows], "x double"), method=method)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("Scale(Scale_")


def test_texts_are_refused(spark):
    with pytest.raises(ColumnTypeError, match="inputCols names 'x', found type string, expected a numeric type"):
        fit(spark.createDataFrame([("a",)], "x string"))


def test_a_row_may_hold_a_decimal_as_sparks_rows_do(spark):
    df = spark.createDataFrame([(Decimal("1.50"),), (Decimal("4.50"),), (None,)], "x decimal(12, 2)")
    model = fit(df, method="minMax")
    expected = [r.y for r in model.transform(df).collect()]
    assert [LocalPipeline([model]).transform({"x": r.x})["y"] for r in df.collect()] == expected == [0.0, 1.0, None]

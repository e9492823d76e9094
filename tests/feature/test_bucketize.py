"""Bucketize."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, DataError
from aiok_spark.feature import Bucketize
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FINITE = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 1.0, 2.0])
ANY = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, 2.0])


def fit(df, **params):
    return Bucketize(inputCols=["x"], outputCols=["b"], **params).fit(df)


def frame(spark, values, kind="double"):
    return spark.createDataFrame([(v,) for v in values], f"x {kind}")


def bucket_of(edges, missing=0):
    return lambda x: missing if x is None or x != x else 1 + sum(x >= e for e in edges)


@SOME
@given(
    st.lists(FINITE, min_size=1, max_size=30),
    st.lists(ANY, min_size=1, max_size=30),
    st.sampled_from([2, 5, 100]),  # the last one is more than Spark does by itself
    st.sampled_from(["quantile", "width"]),
    st.sampled_from(["id", "null"]),
)
def test_buckets_are_the_same_everywhere(spark, train, test, number, method, null):
    model = fit(frame(spark, [*train, None, math.nan]), numBuckets=number, method=method, nullPolicy=null)
    steps = np.linspace(0, 1, number + 1)[1:-1]
    wanted = np.quantile(train, steps) if method == "quantile" else min(train) + (max(train) - min(train)) * steps
    edges = model.edges["x"]
    assert edges == sorted(set(edges))
    assert all(np.isclose(wanted, e, rtol=1e-12, atol=1e-9).any() for e in edges)
    assert all(np.isclose(edges, w, rtol=1e-12, atol=1e-9).any() for w in wanted)
    test = [*test, *edges[:5]]
    expected = {"b": list(map(bucket_of(edges, 0 if null == "id" else None), test))}
    assert_all_executions_agree(model, {"x": test}, "x double", spark, lambda _: expected)


def test_quantiles_make_equal_shares(spark):
    x = np.random.default_rng(0).lognormal(0, 2, 1000)
    df = frame(spark, x.tolist()).repartition(5)
    model = fit(df, numBuckets=8)
    made = model.transform(df)
    assert [r["count"] for r in made.groupBy("b").count().orderBy("b").collect()] == [125] * 8
    assert made.schema["b"].metadata["ml_attr"] == {"type": "nominal", "name": "b", "num_vals": 9}
    counted = pd.cut(x, [-np.inf, *np.quantile(x, np.arange(1, 8) / 8), np.inf], labels=False, right=False) + 1
    assert LocalPipeline([model]).transform({"x": x.tolist()})["b"] == counted.tolist()


def test_few_values_make_few_buckets(spark):
    df = frame(spark, [1, 1, 1, 1, 2, 3], "int")
    assert fit(df, numBuckets=4).edges == {"x": [1.0, 1.75]}
    assert fit(frame(spark, [4.0]), method="width").edges == {"x": [4.0]}


def test_missing_values_stop_if_asked(spark):
    model = fit(frame(spark, [1.0, 2.0]), nullPolicy="error")
    message = "nullPolicy='error' and column 'x' has nulls or NaN: found"
    for value in (None, math.nan):
        with pytest.raises(Exception, match=message):
            model.transform(frame(spark, [value])).collect()
        with pytest.raises(DataError, match=message):
            LocalPipeline([model]).transform({"x": value})
    assert model.transform(frame(spark, [1.0])).first().b == 1


@pytest.mark.parametrize(
    ("values", "params", "message"),
    [
        ([], {}, "found no value in column 'x', expected at least one that is not missing"),
        ([None, math.nan], {"method": "width"}, "found no value in column 'x'"),
        ([1.0, math.inf], {"method": "width"}, "found infinite values in column 'x', expected finite numbers; clip"),
        ([-math.inf, math.inf], {}, "found infinite values in column 'x'"),
    ],
)
def test_what_has_no_edges_is_refused(spark, values, params, message):
    with pytest.raises(DataError, match=message) as raised:
        fit(frame(spark, values), **params)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("Bucketize(Bucketize_")


def test_texts_are_refused(spark):
    with pytest.raises(ColumnTypeError, match="inputCols names 'x', found type string, expected a numeric type"):
        fit(frame(spark, ["a"], "string"))

"""FrequencyBucketizer."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aiok_spark
from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.feature import FrequencyBucketizer
from aiok_spark.feature.frequency_bucketizer import logarithmic_buckets, quantile_buckets
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COUNTS = st.lists(st.integers(1, 10**12), min_size=1, max_size=50)


def fit(df, **params):
    return FrequencyBucketizer(inputCols=["s"], outputCols=["b"], **params).fit(df)


def frame(spark, values, kind="string"):
    return spark.createDataFrame([(v,) for v in values], f"s {kind}")


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 1000))
def test_quantiles_are_those_of_pandas_ranks(counts, number):
    smaller = pd.Series(counts).rank(method="min").astype(int) - 1
    found = quantile_buckets(np.array(counts), number)
    assert found.tolist() == [1 + number * r // len(counts) for r in smaller]
    assert found.min() >= 1 and found.max() <= number


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 100))
def test_logarithms_have_equal_widths(counts, number):
    found = logarithmic_buckets(np.array(counts), number)
    low, high = min(counts), max(counts)
    for count, bucket in zip(counts, found.tolist(), strict=True):
        at = number * math.log(count / low) / math.log(high / low) if high > low else 0.0
        assert max(0.0, bucket - 1 - 1e-6) <= at <= bucket + 1e-6


def test_logarithms_on_an_edge():
    assert logarithmic_buckets(np.array([1, 2, 3, 4, 5, 8, 9, 16]), 4).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert logarithmic_buckets(np.array([7, 7]), 4).tolist() == [1, 1]


@SOME
@given(
    st.lists(st.none() | st.sampled_from("abcdefg"), min_size=1, max_size=60),
    st.integers(1, 6),
    st.sampled_from(["id", "null"]),
)
def test_buckets_are_the_same_everywhere(spark, train, number, null):
    train = [*train, "z"]
    model = fit(frame(spark, train), numBuckets=number, nullPolicy=null)
    counts = Counter(v for v in train if v is not None)
    smaller = {v: sum(n < counts[v] for n in counts.values()) for v in counts}
    bucket = {v: 1 + number * smaller[v] // len(counts) for v in counts} | {None: 0 if null == "id" else None}
    test = [*"abcz", "new", None]
    assert_all_executions_agree(
        model, {"s": test}, "s string", spark, reference=lambda rows: {"b": [bucket.get(v, 0) for v in rows["s"]]}
    )


@pytest.mark.parametrize("partitions", [1, 4, 37])
def test_buckets_of_lists_survive_saving_whatever_the_partitions(spark, tmp_path, partitions):
    df = frame(spark, [[1, 2, 2, 3, 3, 3, 3], None, [2], [None]], "array<int>").repartition(partitions)
    fit(df, method="logarithmic", numBuckets=2).save(str(tmp_path / "m"))
    model = aiok_spark.load(str(tmp_path / "m"))
    made = model.transform(frame(spark, [[3, 1, None, 2, 9], None, []], "array<int>"))
    assert [r.b for r in made.collect()] == [[2, 1, 0, 2, 0], None, []]
    assert made.schema["b"].metadata["aiok"] == {"cardinality": 3}
    assert {(r.value, r.id, r["count"]) for r in model.vocabulary("s").collect()} == {
        ("1", 1, 1), ("2", 2, 3), ("3", 2, 4),
    }  # fmt: skip
    assert LocalPipeline([model]).transform({"s": [3, None]})["b"] == [2, 0]


def test_refusals(spark):
    with pytest.raises(ParamError, match="numBuckets: found 1001, expected at most 1000; numBuckets is: number of"):
        FrequencyBucketizer(numBuckets=1001)
    with pytest.raises(DataError, match=r"FrequencyBucketizer\(.*\): inputCols: found no value in column 's'"):
        fit(frame(spark, [None]))
    with pytest.raises(DataError, match="inputCols: found no rows"):
        fit(frame(spark, []))
    with pytest.raises(Exception, match="nullPolicy='error' and column 's' has nulls"):
        fit(frame(spark, ["a", None]), nullPolicy="error").transform(frame(spark, [None])).collect()

"""The comparisons that all other tests lean on."""

import datetime
import math
from decimal import Decimal

import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import Row

from aiok_spark.feature import Clip, HashBuckets
from aiok_spark.testing import assert_all_executions_agree, assert_same_rows
from aiok_spark.testing.equality import difference, same
from tests.testing.faulty import Double, KernelDisagrees, RowKernelDisagrees

NEXT = math.nextafter(1.0, 2.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (math.nan, math.nan),
        (math.inf, math.inf),
        ([1, None, [math.nan]], [1, None, [math.nan]]),
        ({"a": 1.0}, {"a": 1.0}),
        (Row(x=1, y=Row(z=None)), Row(x=1, y=Row(z=None))),
        (Vectors.dense(1.0, math.nan), Vectors.dense(1.0, math.nan)),
        (Decimal("1.0"), Decimal("1.00")),
        (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29)),
    ],
)
def test_equal_values_are_the_same(a, b):
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (None, math.nan),
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (1.0, NEXT),
        ([1], [1, 1]),
        ([1], None),
        ({"a": 1}, {"b": 1}),
        (Row(x=1), Row(y=1)),
        (Vectors.dense(1.0, 0.0), Vectors.sparse(2, [0], [1.0])),
        ("1", 1),
    ],
)
def test_unequal_values_are_not(a, b):
    assert not same(a, b)
    assert not same(b, a)


def test_floats_may_lie_apart_as_far_as_is_said():
    assert same([NEXT], [1.0], ulps=1)
    assert not same(math.nextafter(NEXT, 2), 1.0, ulps=1)
    assert not same(5e-324, -5e-324, ulps=2)
    assert not same(math.inf, 1.7976931348623157e308, ulps=0)
    assert not same(1, 2, ulps=5)


def test_the_difference_is_told():
    rows = [Row(k=1, x=1.0), Row(k=2, x=None)]
    assert difference(rows[::-1], rows, ["k"]) is None
    assert difference(rows[:1], rows, ["k"]) == "1 rows instead of 2, first at k=2"
    told = difference([Row(k=1, x=1.0), Row(k=2, x=math.nan)], rows, ["k"])
    assert told == "nan instead of None in 'x' at k=2 (1 of 2 rows differ)"
    assert difference([Row(k=1, x=1.0)] * 2, rows, ["k"]) == "2 rows instead of 1 at k=1"
    assert difference([Row(k=1)], [Row(k=1, x=1.0)], ["k"]).startswith("columns ['k'] instead of ['k', 'x']")
    assert difference([Row(k=1, x=2.0), Row(k=1, x=1.0)], [Row(k=1, x=1.0), Row(k=1, x=2.0)], ["k"]) is None
    assert difference([Row(x=2), Row(x=1)], [Row(x=1), Row(x=2)], []) is None


def test_data_frames_are_compared_by_column_name(spark):
    one = spark.createDataFrame([(1, "a"), (2, None)], "n int, s string")
    assert_same_rows(one.select("s", "n").orderBy("s"), one)
    with pytest.raises(AssertionError, match="1 rows instead of 2"):
        assert_same_rows(one.limit(1), one)


def test_executions_that_agree(spark):
    data = {"x": [1.0, None, math.nan, -3.0], "unused": ["a", None, "", "b"]}
    assert_all_executions_agree(
        Clip(inputCols=["x"], outputCols=["y"], lower=0),
        data,
        "x double, unused string",
        spark,
        reference=lambda rows: {"y": [v if v is None or not v < 0 else 0 for v in rows["x"]]},
    )
    assert_all_executions_agree(Double(inputCols=["x"], outputCols=["x"]), data)
    assert_all_executions_agree(HashBuckets(inputCols=["unused"], outputCols=["id"]), data)


@pytest.mark.parametrize(
    ("cls", "way"), [(KernelDisagrees, "arrow_udf|pandas_udf"), (RowKernelDisagrees, "LocalPipeline on a row")]
)
def test_executions_that_do_not_agree(spark, cls, way):
    with pytest.raises(
        AssertionError, match=f"{cls.__name__}_.*: ({way}) gives .* in 'y' at __row__=.* by expressions"
    ):
        assert_all_executions_agree(cls(inputCols=["x"], outputCols=["y"]), {"x": [1.0, None]})


def test_a_reference_that_does_not_agree(spark):
    with pytest.raises(AssertionError, match=r"expressions gives 2.0 instead of 3.0 in 'y' .* by the reference"):
        assert_all_executions_agree(
            Double(inputCols=["x"], outputCols=["y"]), {"x": [1.0]}, reference=lambda rows: {"y": [3]}
        )

"""Numeric kernels, against Python's own arithmetic."""

import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.kernels import numeric

FLOATS = st.none() | st.floats()


def same(found, expected, ulp=0):
    """Equal, NaN to NaN and null to null; numbers within some units in the last place."""
    for f, e in zip(found, expected, strict=True):
        if f is None or e is None or math.isnan(e) or math.isinf(e):
            assert str(f) == str(e)
        else:
            assert abs(f - e) <= ulp * math.ulp(e) and math.copysign(1, f) == math.copysign(1, e), (f, e)


@given(st.lists(FLOATS), st.floats(-1e3, 0), st.floats(0, 1e3))
def test_clip_limits_values_and_keeps_null_and_nan(values, lower, upper):
    def one(x):
        return x if x is None or x != x else lower if x < lower else upper if x > upper else x

    same(numeric.clip([pa.array(values, pa.float64())], lower, upper)[0].to_pylist(), map(one, values))
    same(numeric.clip_row(lower, upper)(values), map(one, values))


@given(st.lists(FLOATS), st.booleans())
def test_fill_replaces_null_and_nan_as_asked(values, nan):
    def one(x):
        return 7.5 if x is None or (nan and x != x) else x

    same(numeric.fill([pa.array(values, pa.float64())], 7.5, nan)[0].to_pylist(), map(one, values))
    same(numeric.fill_row(7.5, nan)(values), map(one, values))


@given(st.lists(FLOATS), st.sampled_from(["log", "log1p", "signedLog1p"]))
def test_log_gives_null_outside_its_domain(values, method):
    def one(x):
        if x is None or x != x:
            return x
        if method == "signedLog1p":
            return math.copysign(math.log1p(abs(x)), x)
        if x <= (0 if method == "log" else -1):
            return None
        return math.log(x) if method == "log" else math.log1p(x)

    same(numeric.log([pa.array(values, pa.float64())], method)[0].to_pylist(), map(one, values), ulp=2)
    same(numeric.log_row(method)(values), map(one, values))


def test_fill_makes_whole_numbers_fractional_where_the_filling_is():
    assert [type(x) for x in numeric.fill_row(0.5, True)([1, None])] == [float, float]

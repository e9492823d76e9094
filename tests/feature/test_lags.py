"""LagFeatures."""

import datetime
import math
import random
from decimal import Decimal

import pytest
from feature.shuffled import collected_alike, shuffled

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.feature import LagFeatures

pytestmark = pytest.mark.two_modes

UTC = datetime.timezone.utc
START = datetime.datetime(2024, 3, 31, tzinfo=UTC)  # a day with a change of clocks in Europe
SCHEMA = "u string, t timestamp, i int, x double, n int"
NAN = float("nan")


def events(count=200, seed=0):
    rng = random.Random(seed)
    return [
        (
            rng.choice([None, *"abcd"]),
            rng.choice([None, *(START + datetime.timedelta(seconds=s / 2) for s in range(40))]),
            i,
            rng.choice([None, NAN, 0.1, 0.2, 1e17, -2.5]),
            i,
        )
        for i in range(count)
    ]


def before(rows, row, seconds=math.inf):
    u, t = row[:2]
    if u is None or t is None:
        return []
    found = [r for r in rows if r[0] == u and r[1] is not None and r[1] < t]
    found = [r for r in found if (t - r[1]).total_seconds() <= seconds]
    return sorted(found, key=lambda r: (r[1], r[2]))


def expected(rows, row, windows):
    past = before(rows, row)
    yield from (past[-k][3] if len(past) >= k else None for k in (1, 2))
    for seconds in windows:
        values = [r[3] for r in before(rows, row, seconds)]
        yield len(values)
        numbers = [Decimal(repr(x)) for x in values if x is not None and x == x]
        yield float(sum(numbers))
        yield float(sum(numbers)) / len(numbers) if numbers else None


def alike(a, b):
    return a == b or (a is not None and b is not None and a != a and b != b)


def test_lags_and_windows_are_those_of_the_definition(spark):
    rows, windows = events(), [0.5, 3, 1000]
    stage = LagFeatures(keyCols=["u"], orderCol="t", tieCols=["i"], inputCols=["x"], lags=2, windows=windows)
    made = stage.transform(spark.createDataFrame(rows, SCHEMA))
    names = ["x_lag1", "x_lag2"]
    names += [n for w in ("0_5", "3", "1000") for n in (f"count_{w}s", f"x_sum_{w}s", f"x_mean_{w}s")]
    assert made.columns == ["u", "t", "i", "x", "n", *names]
    found = {r.n: r for r in made.collect()}
    assert len(found) == len(rows)
    for row in rows:
        for name, value in zip(names, expected(rows, row, windows), strict=True):
            assert alike(found[row[4]][name], value), (row, name)


def test_results_do_not_depend_on_the_order_of_rows(spark):
    # Without tieCols, and with sums whose rounding depends on their order.
    stage = LagFeatures(keyCols=["u"], orderCol="t", inputCols=["x"], lags=3, windows=[2, 60])
    assert collected_alike(stage.transform(df) for df in shuffled(spark, events(), SCHEMA))


@pytest.mark.parametrize("kind", ["date", "int", "bigint", "double", "decimal(20,3)", "timestamp_ntz"])
def test_any_type_of_time(spark, kind):
    day = datetime.date(2024, 3, 30)
    days = [datetime.datetime(2024, 3, 30) + datetime.timedelta(days=d, microseconds=d) for d in range(4)]
    numbers = range(0, 4 * 86400, 86400)
    times = {
        "date": [day + datetime.timedelta(days=d) for d in range(4)],
        "double": [float(x) for x in numbers],
        "decimal(20,3)": [Decimal(x) for x in numbers],
        "timestamp_ntz": days,
    }.get(kind, list(numbers))
    df = spark.createDataFrame([(1, t) for t in times], f"u int, t {kind}")
    stage = LagFeatures(
        keyCols=["u"], orderCol="t", inputCols=[], lags=0, windows=[86400, 2 * 86400 + 1], outputCols=["a", "b"]
    )
    counts = [(r.a, r.b) for r in stage.transform(df).orderBy("t").collect()]
    # Days of the last kind are a microsecond longer.
    one = 0 if kind == "timestamp_ntz" else 1
    assert counts == [(0, 0), (one, 1), (one, 2), (one, 2)]


def test_types_of_values(spark):
    rows = [(1, t, 2**62, Decimal("1.25"), 0.1, "a") for t in range(4)]
    df = spark.createDataFrame(rows, "u int, t int, l bigint, d decimal(38,2), f float, s string")
    made = LagFeatures(keyCols=["u"], orderCol="t", inputCols=["l", "d", "f"], windows=[9], statistics=["sum"])
    last = made.transform(df).orderBy("t").collect()[-1]
    assert (last.l_lag1, last.d_lag1) == (2**62, Decimal("1.25"))
    assert (last.l_sum_9s, last.d_sum_9s, last.f_sum_9s) == (3.0 * 2**62, 3.75, pytest.approx(0.3, rel=1e-7))
    lag = LagFeatures(keyCols=["u"], orderCol="t", inputCols=["s"], outputCols=["before"])
    assert [r.before for r in lag.transform(df).orderBy("t").collect()] == [None, "a", "a", "a"]


def test_infinite_and_huge_values_are_limited_and_do_not_stay(spark):
    rows = [(1, t, x) for t, x in enumerate([math.inf, 1e300, -math.inf, 1.0, 2.0, 3.0])]
    stage = LagFeatures(keyCols=["u"], orderCol="t", inputCols=["x"], lags=0, windows=[2], statistics=["sum"])
    made = stage.transform(spark.createDataFrame(rows, "u int, t int, x double")).orderBy("t").collect()
    assert [r.x_sum_2s for r in made] == [0.0, 1e17, 2e17, 0.0, -1e17 + 1, 3.0]


def test_refusals(spark):
    df = spark.createDataFrame([("a", 1, "x")], "u string, t int, s string")

    def stage(**params):
        return LagFeatures(**{"keyCols": ["u"], "orderCol": "t", "inputCols": ["t"], **params})

    with pytest.raises(
        ColumnTypeError, match=r"LagFeatures\(.*\): inputCols names 's', found type string, expected a nu"
    ):
        stage(inputCols=["s"], windows=[1]).transform(df)
    with pytest.raises(ParamError, match=r"outputCols: found 1 names, expected one for each of \['t_lag1', 't_lag2'\]"):
        stage(lags=2, outputCols=["a"]).transform(df)
    with pytest.raises(ParamError, match=r"outputCols: found 0 names, .* and at least one; correct"):
        stage(lags=0).transform(df)
    with pytest.raises(ParamError, match=r"windows: found .* expected at most 2.31e.18 s; shorten them"):
        stage(windows=[1e19]).transform(df)
    with pytest.raises(ParamError, match=r"windows: found 0\.0, expected a number above 0"):
        stage(windows=[0])
    with pytest.raises(ParamError, match=r"statistics: found .* expected some of"):
        stage(statistics=["median"])

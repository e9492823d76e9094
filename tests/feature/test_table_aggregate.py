"""TableAggregate."""

import math
import random

import pandas as pd
import pytest

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, ParamError
from aiok_spark.feature import TableAggregate
from aiok_spark.inference import LocalPipeline

pytestmark = pytest.mark.two_modes

AGGREGATES = {
    "count": "rows",
    "count(x)": "there",
    "nunique(item)": "items",
    "sum(x)": "sum",
    "mean(x)": "mean",
    "min(x)": "min",
    "max(x)": "max",
    "std(x)": "std",
}
SCHEMA = "user STRING, day INT, item STRING, x DOUBLE"


def made_rows(n=400, seed=0):
    rng = random.Random(seed)

    def maybe(value):
        return None if rng.random() < 0.1 else value

    users, items = ["a", "b", "", "東京", "🙂"], ["i", "j", "", "k"]
    rows = [(maybe(rng.choice(users)), maybe(rng.randrange(3)), maybe(rng.choice(items))) for _ in range(n)]
    measured = [(*row, maybe(rng.choice([rng.gauss(5, 9), math.nan, -0.0, 0.0]))) for row in rows]
    return [*measured, ("once", 1, None, None), ("once", 2, "i", 3.5)]


def stage(keys, **params):
    given = {"keyCols": keys, "aggregates": list(AGGREGATES), "outputCols": list(AGGREGATES.values()), "verbose": False}
    return TableAggregate(**{**given, **params})


def reference(rows, keys):
    df = pd.DataFrame(rows, columns=["user", "day", "item", "x"]).dropna(subset=keys)
    df["x"] = df["x"] + 0.0
    groups = df.groupby(keys, dropna=True)
    named = {
        "rows": groups.size(),
        "there": groups["x"].count(),
        "items": groups["item"].nunique(),
        "sum": groups["x"].sum(min_count=1),
        **{f: groups["x"].agg(f) for f in ("mean", "min", "max", "std")},
    }
    return {key if isinstance(key, tuple) else (key,): row for key, row in pd.DataFrame(named).to_dict("index").items()}


def expect_equal(found, expected):
    for name in AGGREGATES.values():
        a, b = found[name], None if expected is None or expected[name] != expected[name] else expected[name]
        assert a == b or a == pytest.approx(b, rel=1e-12), (name, a, b)
        assert a is None or math.copysign(1, a) == math.copysign(1, b) or a != 0


@pytest.mark.parametrize("keys", [["user"], ["user", "day"]])
def test_statistics_are_those_of_pandas(spark, keys):
    rows = made_rows()
    expected, df = reference(rows, keys), spark.createDataFrame(rows, SCHEMA)
    asked = spark.createDataFrame([*rows[:60], *rows[-2:], ("unseen", 1, "i", 0.0)], SCHEMA).drop("x", "item")
    for partitions in (1, 37):
        model = stage(keys).fit(df.repartition(partitions))
        assert model.fittedTable().count() == len(expected)
        for params in ({}, {model.broadcastBytes: 0}):
            found = model.transform(asked, params).collect()
            assert len(found) == 63
            for row in found:
                expect_equal(row, expected.get(tuple(row[k] for k in keys)))
    local = LocalPipeline([model])
    for row in asked.collect():
        expect_equal(local.transform(row.asDict()), expected.get(tuple(row[k] for k in keys)))


def test_unseen_keys_get_the_defaults(spark):
    df = spark.createDataFrame(made_rows(), SCHEMA)
    model = stage(["user"], aggregates=["count", "mean(x)"], outputCols=["n", "m"], defaults={"count": 0}).fit(df)
    made = model.transform(spark.createDataFrame([("unseen",), (None,)], "user STRING"))
    assert [(r.n, r.m) for r in made.collect()] == [(0, None), (0, None)]
    assert LocalPipeline([model]).transform({"user": None}) == {"user": None, "n": 0, "m": None}


def test_names_of_columns_may_hold_anything(spark):
    df = spark.createDataFrame([(1, 2.0), (1, 4.0)], "`a.b` INT, `x (in %)` DOUBLE")
    model = TableAggregate(keyCols=["a.b"], aggregates=["mean(x (in %))"], outputCols=["m.x"]).fit(df)
    assert [r["m.x"] for r in model.transform(df).collect()] == [3.0, 3.0]


@pytest.mark.parametrize("rows", [[], [(None, 1, "i", 1.0)]])
def test_rows_without_a_key_are_refused(spark, rows):
    with pytest.raises(DataError, match=r"keyCols: found no row with a value in each of \['user'\], expected at least"):
        stage(["user"]).fit(spark.createDataFrame(rows, SCHEMA))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"aggregates": ["mean(y)"]}, ColumnError, "aggregates names 'y', found no such column"),
        ({"aggregates": ["mean(item)"]}, ColumnTypeError, "aggregates names 'item', found type string, expected a num"),
        ({"aggregates": ["nunique(x)"]}, ColumnTypeError, "aggregates names 'x', found type double, expected string"),
        ({"outputCols": ["a", "b"]}, ParamError, "outputCols: found 2 names for 1 values, expected one for each"),
        ({"defaults": {"count": 0.5}}, ParamError, "defaults: found 0.5 for 'count' of type bigint, expected a value"),
        ({"keyCols": ["x"]}, ColumnTypeError, "keyCols names 'x', found type double, expected string, integer"),
    ],
)
def test_bad_params_are_refused(spark, params, error, message):
    given = {"aggregates": ["count"], "outputCols": ["n"], **params}
    with pytest.raises(error, match=message) as raised:
        stage(**{"keys": ["user"], **given} if "keyCols" not in given else {"keys": None, **given}).fit(
            spark.createDataFrame([], SCHEMA)
        )
    assert "\n" not in str(raised.value) and str(raised.value).startswith("TableAggregate(TableAggregate_")


@pytest.mark.parametrize("wrong", ["avg(x)", "mean", "mean()", "count(x", "COUNT"])
def test_what_is_no_statistic_is_refused_at_once(wrong):
    with pytest.raises(ParamError, match=r"aggregates: found '.*', expected 'count', or one of count, nunique, sum"):
        TableAggregate(aggregates=[wrong])

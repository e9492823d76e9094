"""NegativeSample."""

import math
import random
import warnings
from collections import Counter, defaultdict

import pytest
from feature.shuffled import collected_alike, shuffled
from pyspark.ml import Pipeline
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import NegativeSample, with_negatives
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.passing import PassThrough

SCHEMA = "u string, item string, n int"
pytestmark = [pytest.mark.two_modes, pytest.mark.filterwarnings("ignore:NegativeSample.*get fewer negatives")]


def events(count=400, users=12, items=40, seed=0):
    rng = random.Random(seed)
    return [(rng.choice(range(users)), min(int(rng.expovariate(0.1)), items - 1), i) for i in range(count)]


def texts(rows):
    return [(f"u{u}", f"i{item}", n) for u, item, n in rows]


def sample(**params):
    return NegativeSample(keyCols=["u"], itemCol="item", **params)


def training(df, **params):
    return sample(**params).fitTransform(df)[1]


def check(rows, found, number):
    """Each row once with label 1, and with as many different items as can be that its user never had."""
    items, had = {r[1] for r in rows}, defaultdict(set)
    for u, item, _ in rows:
        had[u].add(item)
    assert sorted((r.u, r.item, r.n) for r in found if r.label == 1.0) == sorted(rows)
    negatives = defaultdict(list)
    for r in found:
        if r.label != 1.0:
            assert r.label == 0.0
            negatives[r.n].append(r)
    for u, _, n in rows:
        drawn = [r.item for r in negatives[n]]
        assert {r.u for r in negatives[n]} <= {u}
        assert len(set(drawn)) == len(drawn) == min(number, len(items - had[u]))
        assert set(drawn) <= items - had[u]


@pytest.mark.parametrize("power", [0.0, 0.75])
@pytest.mark.parametrize("kind", ["string", "int"])
def test_negatives_are_items_that_the_user_never_had(spark, power, kind):
    rows = events()
    df = spark.createDataFrame(rows, "u int, item int, n int")
    rows = texts(rows) if kind == "string" else rows
    df = spark.createDataFrame(rows, SCHEMA) if kind == "string" else df
    check(rows, training(df, numNegatives=3, power=power).collect(), 3)


def test_users_who_have_seen_nearly_all_get_fewer_with_a_warning(spark):
    rows = texts([(0, i, i) for i in range(9)] + [(1, i, 20 + i) for i in range(10)] + [(2, 3, 40)])
    df = spark.createDataFrame(rows, SCHEMA)
    with pytest.warns(UserWarning, match=r"NegativeSample\(.*\): numNegatives: found 19 rows with fewer than 4 of 10"):
        model = sample(numNegatives=4, power=1.0).fit(df)
    check(rows, model.transform(df).collect(), 4)
    assert model.missingNegatives(df) == 9 * 3 + 10 * 4
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sample().fit(df.where("u = 'u0' OR u = 'u2'").union(spark.createDataFrame([("u3", "i9", 0)], SCHEMA)))


def test_negatives_do_not_depend_on_partitions_or_on_other_users(spark):
    # Few items, so that a user has some of them several times, in rows that differ and in rows that do not.
    rows = texts(events(items=20)) + texts(events(items=20))[:50]
    model = sample(numNegatives=3, power=0.5, seed=7).fit(spark.createDataFrame(rows, SCHEMA))
    found = collected_alike(model.transformTraining(df) for df in shuffled(spark, rows, SCHEMA))
    some = [r for r in rows if r[0] in ("u1", "u2")]
    alone = model.transformTraining(spark.createDataFrame(some, SCHEMA)).collect()
    assert Counter(tuple(r) for r in alone) == Counter(tuple(r.values()) for r in found if r["u"] in ("u1", "u2"))
    other = model.copy({model.seed: 8}).transformTraining(spark.createDataFrame(rows, SCHEMA)).collect()
    assert Counter(tuple(r) for r in other) != Counter(tuple(r.values()) for r in found)


def test_a_user_with_more_rows_than_are_handled_at_once(spark, monkeypatch):
    monkeypatch.setattr(with_negatives, "_AT_ONCE", 64)
    rows = [("u", f"i{i % 30}", i) for i in range(500)] + [("v", f"i{i}", 3000 + i) for i in range(40)]
    check(rows, training(spark.createDataFrame(rows, SCHEMA), numNegatives=2).collect(), 2)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_items_are_drawn_in_the_asked_proportions(spark, power):
    counts = {f"i{k}": 40 * (k + 1) for k in range(5)}
    rows = [(f"u{item}{n}", item, n) for item, count in counts.items() for n in range(count)]
    found = training(spark.createDataFrame(rows, SCHEMA), power=power).where("label = 0").groupBy("item").count()
    drawn = {r.item: r["count"] for r in found.collect()}
    weights = {item: count**power for item, count in counts.items()}
    for item, weight in weights.items():
        # Each user has one item, which is left out of its draws.
        shares = [(n, weight / (sum(weights.values()) - weights[own])) for own, n in counts.items() if own != item]
        mean, variance = sum(n * p for n, p in shares), sum(n * p * (1 - p) for n, p in shares)
        assert abs(drawn[item] - mean) < 4 * math.sqrt(variance)


def test_only_the_rows_of_the_fit_get_negatives(spark):
    df = spark.createDataFrame(texts(events()), SCHEMA)
    model = Pipeline(stages=[sample(numNegatives=2), PassThrough()]).fit(df)
    for rows in (df, df.limit(3)):
        assert model.transform(rows).columns == ["u", "item", "n"]
    assert model.transform(df).count() == 400
    row = {"u": "u1", "item": "i1"}
    assert LocalPipeline([model.stages[0]]).transform(row) == row
    model, made = sample(numNegatives=2).fitTransform(df)
    assert made.count() == 1200
    assert model.transform(df).count() == 400
    assert model.items["i0"] == sum(item == "i0" for _, item, _ in texts(events()))


def test_held_out_rows_get_negatives_that_were_not_known_either(spark):
    rows = texts(events(items=12))
    train, held_out = rows[:300], rows[300:]
    known, df = spark.createDataFrame(train, SCHEMA), spark.createDataFrame(held_out, SCHEMA)
    model = sample(numNegatives=3).fit(known)
    had = {(u, item) for u, item, _ in rows}
    made = model.transformTraining(df, known=known).where("label = 0").collect()
    assert made
    assert not had & {(r.u, r.item) for r in made}


def test_nulls_odd_columns_and_an_old_label(spark):
    rows = [(None, "a", 5.0, {"k": 1}), (None, "b", 5.0, {"k": 2}), ("u", None, 5.0, None), ("u", "c", 5.0, {})]
    df = spark.createDataFrame(rows, "u string, item string, label double, `odd.m` map<string,int>")
    df = df.withMetadata("item", {"about": "items"}).select("*", F.lit(1).alias("twice"), F.lit(2).alias("twice"))
    made = sample(numNegatives=2).fit(df).transformTraining(df)
    assert made.columns == df.columns
    assert made.schema["item"].metadata == {"about": "items"}
    found = [(r[0], r[1], r[2], r[3]) for r in made.collect()]
    # Rows without a user have seen their own item alone; one without an item gets no negatives.
    expected = [(None, own, 1.0, m) for _, own, _, m in rows[:2]] + [("u", "c", 1.0, {}), ("u", None, 1.0, None)]
    expected += [(None, x, 0.0, m) for _, own, _, m in rows[:2] for x in "abc" if x != own]
    expected += [("u", x, 0.0, {}) for x in "ab"]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_refusals(spark):
    df = spark.createDataFrame([("a", None, 1.5)], "u string, item int, x double")
    with pytest.raises(DataError, match=r"NegativeSample\(.*\): found no item in column 'item', expected at least one"):
        sample().fit(df)
    with pytest.raises(ColumnTypeError, match="itemCol names 'x', found type double, expected string"):
        NegativeSample(keyCols=["u"], itemCol="x").fit(df)
    with pytest.raises(ParamError, match="labelCol: found 'item', which is another input, expected a column"):
        sample(labelCol="item").fit(df)
    with pytest.raises(ParamError, match=r"power: found 11\.0, expected a number in \[0, 10\]"):
        sample(power=11)
    model = sample().fit(spark.createDataFrame([("a", 1), ("b", 2)], "u string, item int"))
    with pytest.raises(ColumnTypeError, match="found 'item' to hold string values, expected bigint as at fit; cast"):
        model.transformTraining(spark.createDataFrame([("a", "1")], "u string, item string"))

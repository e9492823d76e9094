"""SequenceNegatives."""

import random

import pytest
from feature.shuffled import collected_alike, shuffled

from aiok_spark.core.errors import ColumnTypeError, DataError
from aiok_spark.feature import SequenceNegatives
from aiok_spark.inference import LocalPipeline
from aiok_spark.kernels.hashing import hash_value, seed_of
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SCHEMA = "n int, past array<string>, target string"


def events(count=120, items=25, seed=0):
    rng = random.Random(seed)

    def item():
        return f"i{min(int(rng.expovariate(0.2)), items - 1)}"

    return [
        (i, rng.choice([None, [rng.choice([None, item()]) for _ in range(rng.randrange(6))]]), item())
        for i in range(count)
    ] + [(count, [f"i{k}" for k in range(items)], None)]


def stage(**params):
    return SequenceNegatives(
        inputCol="past", outputCol="others", keyCols=["n"], excludeCols=["target"], numNegatives=2, **params
    )


def fit(spark, rows, **params):
    with pytest.warns(UserWarning, match=r"SequenceNegatives\(.*\): numNegatives: found 1 rows with fewer than 2 of"):
        return stage(**params).fit(spark.createDataFrame(rows, SCHEMA))


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_each_place_gets_items_that_are_in_neither_column(spark, power):
    rows = events()
    model = fit(spark, rows, power=power)
    made = {r.n: r.others for r in model.transform(spark.createDataFrame(rows, SCHEMA)).collect()}
    items = {x for _, past, _ in rows for x in past or [] if x is not None}
    assert set(model.items) == items
    for n, past, target in rows:
        if past is None:
            assert made[n] is None
            continue
        left = items - set(past) - {target}
        each = min(2, len(left))
        assert len(made[n]) == each * len(past)
        assert set(made[n]) <= left
        pairs = [made[n][i : i + each] for i in range(0, len(made[n]), each or 1)]
        assert all(len(set(pair)) == each for pair in pairs)


def test_negatives_are_the_same_everywhere(spark):
    rows = events(30)
    model = fit(spark, rows, seed=5)
    data = dict(zip(("n", "past", "target"), map(list, zip(*rows, strict=True)), strict=True))
    assert_all_executions_agree(model, data, SCHEMA, spark)
    assert collected_alike(model.transform(df) for df in shuffled(spark, rows, SCHEMA))


def test_the_draws_are_the_documented_hashes(spark):
    model = fit(spark, events(30), seed=5)
    items = list(model.items)

    def draws(place):
        of_place = hash_value(place, hash_value(3, seed_of(5)) % 2**64)
        for j in range(99):
            yield items[(hash_value(j, of_place % 2**64) % 2**64 >> 11) * len(items) >> 53]

    had = ["i0", "i1", "i2"]
    expected = [x for place in (0, 1) for x in list(dict.fromkeys(x for x in draws(place) if x not in had))[:2]]
    row = {"n": 3, "past": ["i0", "i1"], "target": "i2"}
    assert LocalPipeline([model]).transform(row)["others"] == expected == ["i4", "i18", "i9", "i3"]


def test_numbers(spark):
    df = spark.createDataFrame([(1, [5, 6]), (2, [7, None]), (3, [])], "n int, past array<smallint>")
    model = SequenceNegatives(inputCol="past", outputCol="past", keyCols=["n"]).fit(df)
    made = model.transform(df)
    assert made.schema["past"].dataType.simpleString() == "array<smallint>"
    found = {r.n: r.past for r in made.collect()}
    assert (found[1], found[3]) == ([7, 7], [])
    assert set(found[2]) <= {5, 6}
    assert len(found[2]) == 2


def test_refusals(spark):
    df = spark.createDataFrame([(1, ["a"], 3, [None])], "n int, past array<string>, k int, none array<string>")

    def of(**params):
        return SequenceNegatives(**{"inputCol": "past", "outputCol": "o", "keyCols": ["n"], **params})

    with pytest.raises(ColumnTypeError, match=r"SequenceNegatives\(.*\): inputCol names 'k', found type int, expected"):
        of(inputCol="k").fit(df)
    with pytest.raises(ColumnTypeError, match="excludeCols names 'k', found type int, expected string values as in"):
        of(excludeCols=["k"]).fit(df)
    with pytest.raises(DataError, match="found no item in column 'none', expected at least one that is not null"):
        of(inputCol="none").fit(df)
    model = of().fit(df.select("n", "past").union(spark.createDataFrame([(1, ["b"])], "n int, past array<string>")))
    with pytest.raises(ColumnTypeError, match="found 'past' to hold bigint values, expected string as at fit"):
        model.transform(spark.createDataFrame([(1, [1])], "n int, past array<int>"))

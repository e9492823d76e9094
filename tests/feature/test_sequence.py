"""SequenceBuilder."""

import datetime
import random

import pytest
from feature.shuffled import collected_alike, shuffled
from pyspark.ml.linalg import Vectors
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError
from aiok_spark.feature import SequenceBuilder
from aiok_spark.testing.equality import same

pytestmark = pytest.mark.two_modes

SCHEMA = "u string, t double, i int, item string, price double, n int"
NAN = float("nan")


def events(n=240, seed=0):
    """Few users and times, so that many events are at the same time; `i` tells those apart."""
    rng = random.Random(seed)
    return [
        (
            rng.choice([None, *"abcde"]),
            rng.choice([None, NAN, 0.0, -0.0, *(x / 2 for x in range(-9, 9))]),
            i,
            rng.choice([None, "x", "y", "", "東京"]),
            rng.choice([None, NAN, 1.5, -2.0]),
            i,
        )
        for i in range(n)
    ]


def before(rows, row, drop):
    """Events before a row, the oldest first, by the definition."""
    u, t = row[:2]
    if u is None or t is None or t != t:
        return []
    found = [r for r in rows if r[0] == u and r[1] is not None and r[1] < t]
    if drop:
        found = [r for r in found if r[3] is not None and r[4] is not None]
    return sorted(found, key=lambda r: (r[1], r[2]))


def stage(**params):
    return SequenceBuilder(
        keyCols=["u"],
        orderCol="t",
        tieCols=["i"],
        inputCols=["item", "price"],
        outputCols=["items", "prices"],
        **params,
    )


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("length", [1, 4, 1000])
def test_arrays_hold_the_newest_events_strictly_before(spark, drop, length):
    rows = events()
    made = stage(maxLength=length, nullPolicy="drop" if drop else "keep").transform(spark.createDataFrame(rows, SCHEMA))
    found = {r.n: r for r in made.collect()}
    assert len(found) == len(rows)
    for row in rows:
        expected = before(rows, row, drop)[-length:]
        assert found[row[5]]["items"] == [r[3] for r in expected]
        assert same(found[row[5]]["prices"], [r[4] for r in expected])


def test_newest_first_and_short_rows_dropped_and_counted(spark):
    rows = events()
    builder = stage(maxLength=5, minLength=3, sequenceOrder="newestFirst")
    df = spark.createDataFrame(rows, SCHEMA)
    expected = {r[5]: [x[3] for x in before(rows, r, False)[-5:][::-1]] for r in rows}
    kept = {n: items for n, items in expected.items() if len(items) >= 3}
    assert {r.n: r["items"] for r in builder.transform(df).collect()} == kept
    assert builder.droppedRows(df) == len(rows) - len(kept) > 0


def test_last_event_of_each_key_as_target(spark):
    rows = events()
    made = stage(maxLength=6, targets="last").transform(spark.createDataFrame(rows, SCHEMA))
    found = {r.u: r for r in made.collect()}
    assert set(found) == set("abcde")
    for u, row in found.items():
        whole = [r for r in rows if r[0] == u and r[1] is not None and r[1] == r[1]]
        last = max(whole, key=lambda r: (r[1], r[2]))
        assert row.n == last[5]
        assert row["items"] == [r[3] for r in before(rows, last, False)[-6:]]


@pytest.mark.parametrize("params", [{}, {"nullPolicy": "drop"}, {"targets": "last"}], ids=str)
def test_ties_are_broken_alike_whatever_the_partitions(spark, params):
    builder = SequenceBuilder(
        keyCols=["u"], orderCol="t", inputCols=["item", "price"], outputCols=["items", "prices"], maxLength=3, **params
    )
    found = collected_alike(builder.transform(df) for df in shuffled(spark, events(), SCHEMA))
    assert found


def test_a_target_never_sees_its_own_event(spark):
    # All events of a user at one time, and equal rows: nothing is before anything.
    rows = [("a", 1.0, i % 2, "x", 1.0, 0) for i in range(20)]
    made = stage().transform(spark.createDataFrame(rows, SCHEMA)).select("items").collect()
    assert [r["items"] for r in made] == [[]] * 20


def test_columns_of_other_types(spark):
    day = datetime.date(2024, 1, 1)
    rows = [(1, True, day + datetime.timedelta(days=i), Vectors.dense([i]), [[i, None]], (i, f"{i}")) for i in range(3)]
    df = spark.createDataFrame(rows, ["u", "b", "d", "v", "w", "s"])
    made = SequenceBuilder(
        keyCols=["u", "b"], orderCol="d", inputCols=["v", "w", "s", "d"], outputCols=["vs", "ws", "ss", "ds"]
    ).transform(df)
    last = made.orderBy(F.col("d").desc()).first()
    assert last.vs == [Vectors.dense([0]), Vectors.dense([1])]
    assert last.ws == [[[0, None]], [[1, None]]]
    assert [tuple(s) for s in last.ss] == [(0, "0"), (1, "1")]
    assert last.ds == [day, day + datetime.timedelta(days=1)]


def test_ids_keep_their_cardinality(spark):
    df = spark.range(3).withMetadata("id", {"aiok": {"cardinality": 7}})
    made = SequenceBuilder(keyCols=["id"], orderCol="id", inputCols=["id"], outputCols=["ids"]).transform(df)
    assert made.schema["ids"].metadata["aiok"] == {"cardinality": 7}


def test_refusals(spark):
    df = spark.createDataFrame([("a", 1.0, {})], "u string, t double, m map<string,int>")

    def builder(**params):
        given = {"keyCols": ["u"], "orderCol": "t", "inputCols": ["t"], "outputCols": ["ts"], **params}
        return SequenceBuilder(**given)

    with pytest.raises(ColumnError, match=r"SequenceBuilder\(.*\): orderCol names 'time', found no such column"):
        builder(orderCol="time").transform(df)
    with pytest.raises(
        ColumnTypeError, match="inputCols names 'm', found type map<string,int>, expected a type that is"
    ):
        builder(inputCols=["m"]).transform(df)
    with pytest.raises(ColumnTypeError, match="orderCol names 'u', found type string, expected a number, date or time"):
        builder(orderCol="u").transform(df)
    with pytest.raises(ParamError, match=r"minLength: found 60, expected at most maxLength \(50\), or no row is left"):
        builder(minLength=60).transform(df)
    with pytest.raises(ParamError, match="outputCols: found 2 names for 1 inputCols"):
        builder(outputCols=["a", "b"]).transform(df)

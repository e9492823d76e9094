"""HashSplit, TimeSplit and LeaveLastOut."""

import datetime
import math
import random

import numpy as np
import pandas as pd
import pytest
from feature.shuffled import collected_alike, shuffled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, ParamError
from aiok_spark.feature import HashSplit, LeaveLastOut, TimeSplit
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TWO = {"splitNames": ["train", "test"], "fractions": [0.75, 0.25]}
UTC = datetime.timezone.utc


# HashSplit


@SOME
@given(
    st.lists(st.tuples(st.none() | st.text(max_size=40), st.none() | st.integers(-(2**63), 2**63 - 1)), min_size=1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_hash_split_means_the_same_everywhere(spark, rows, seed):
    data = {"s": [s for s, _ in rows], "i": [i for _, i in rows]}
    assert_all_executions_agree(HashSplit(keyCols=["s", "i"], seed=seed), data, "s string, i long", spark)


def test_hash_split_is_the_documented_hash_in_the_asked_shares(spark):
    df = spark.range(4000).select(F.col("id").cast("string").alias("s"), (F.col("id") % 7).alias("i"))
    made = HashSplit(keyCols=["s", "i"], seed=5).transform(df)
    documented = F.expr("shiftrightunsigned(xxhash64(CAST(5 AS BIGINT), s, i), 11)")
    found = made.select("split", documented.alias("h")).toPandas()
    share = found.h / 2**53
    expected = np.select([share < 0.8, share < 0.9], ["train", "validation"], "test")
    assert (found.split == expected).all()
    counts = found.split.value_counts()
    for part, p in {"train": 0.8, "validation": 0.1, "test": 0.1}.items():
        assert abs(counts[part] - 4000 * p) < 4 * math.sqrt(4000 * p * (1 - p))


def test_hash_split_keeps_equal_keys_together_and_never_changes():
    scorer = LocalPipeline([HashSplit(keyCols=["u"], outputCol="part", **TWO)])
    # Committed values: rows must stay in their part in every later release.
    parts = [scorer.transform({"u": f"user {i}"})["part"] for i in range(12)]
    assert "".join(part[1] for part in parts) == "rererrreerrr"  # the second letters of train and test
    day = {"u": datetime.date(2024, 2, 29), "x": 1}
    assert scorer.transform(day) == {**day, "part": scorer.transform({"u": "2024-02-29"})["part"]}


def test_hash_split_refuses(spark):
    df = spark.createDataFrame([(1, 1.5)], "i int, x double")
    with pytest.raises(
        ColumnTypeError, match=r"HashSplit\(.*\): keyCols names 'x', found type double, expected string"
    ):
        HashSplit(keyCols=["x"]).transform(df)
    with pytest.raises(ColumnError, match="keyCols names 'j', found no such column"):
        HashSplit(keyCols=["j"]).transform(df)
    with pytest.raises(ParamError, match="keyCols: found no names, expected at least one"):
        HashSplit(keyCols=[]).transform(df)
    with pytest.raises(ParamError, match=r"fractions: found 2 values for the parts .* expected 3; make"):
        HashSplit(keyCols=["i"], fractions=[0.5, 0.5]).transform(df)
    with pytest.raises(ParamError, match=r"fractions: found .* expected numbers above 0 that add up to 1"):
        HashSplit(fractions=[0.5, 0.6])
    with pytest.raises(ParamError, match=r"splitNames: found .* expected names that differ"):
        HashSplit(keyCols=["i"], splitNames=["a", "a"], fractions=[0.5, 0.5]).transform(df)


# TimeSplit


def split_by(values, cuts, names):
    return [None if v is None or v != v else names[sum(c <= v for c in cuts)] for v in values]


@SOME
@given(st.lists(st.none() | st.floats(), min_size=1, max_size=20), st.lists(st.floats(-9, 9), min_size=9, max_size=9))
def test_time_split_means_the_same_everywhere(spark, values, fitted):
    model = TimeSplit(orderCol="t").fit(spark.createDataFrame([(x,) for x in fitted], "t double"))
    assert model.cuts == pytest.approx(np.quantile(fitted, [0.8, 0.9]).tolist(), rel=1e-12)
    names = ["train", "validation", "test"]
    assert_all_executions_agree(
        model,
        {"t": values},
        "t double",
        spark,
        reference=lambda rows: {"split": split_by(rows["t"], model.cuts, names)},
    )


def test_time_split_of_dates(spark):
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=n) for n in range(8)]
    model = TimeSplit(orderCol="d", **TWO).fit(spark.createDataFrame([(d,) for d in days], "d date"))
    assert model.cuts == [datetime.date(2024, 1, 7)]  # day 5.25 of 0 to 7
    given = TimeSplit(orderCol="d", splitNames=["a", "b"], cutPoints=["2024-01-07"])
    for m, names in ((model, ["train", "test"]), (given.fit(spark.createDataFrame([], "d date")), ["a", "b"])):
        assert_all_executions_agree(
            m,
            {"d": [*days, None]},
            "d date",
            spark,
            reference=lambda rows, names=names: {"split": split_by(rows["d"], [days[6]], names)},
        )


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz"])
def test_time_split_of_timestamps_at_given_times(spark, kind):
    zone = UTC if kind == "timestamp" else None
    times = [datetime.datetime(2024, 3, 31, 1, 59, 59, 999999, zone), datetime.datetime(2024, 3, 31, 2, tzinfo=zone)]
    df = spark.createDataFrame([(t,) for t in [*times, None]], f"t {kind}")
    stage = TimeSplit(orderCol="t", splitNames=["old", "new"], cutPoints=["2024-03-31T03:00:00+01:00"])
    model = stage.fit(df)
    assert model.cuts == [datetime.datetime(2024, 3, 31, 2, tzinfo=UTC)]
    before = spark.conf.get("spark.sql.session.timeZone")
    try:
        # A summer time starts in this zone, so 02:00 is not on its clocks.
        spark.conf.set("spark.sql.session.timeZone", "Europe/Zurich")
        assert [r.split for r in model.transform(df).collect()] == ["old", "new", None]
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    rows = [LocalPipeline([model]).transform({"t": t})["split"] for t in times]
    assert rows == ["old", "new"]


def test_time_split_is_fitted_alike_whatever_the_partitions(spark):
    rng = random.Random(1)
    rows = [(rng.choice([rng.randrange(50), None]),) for _ in range(300)]
    cuts = [TimeSplit(orderCol="t").fit(df).cuts for df in shuffled(spark, rows, "t long")]
    assert cuts == [pd.Series([t for (t,) in rows]).dropna().quantile([0.8, 0.9]).tolist()] * 3


def test_time_split_refuses(spark):
    df = spark.createDataFrame([(None, "a", math.inf)], "t double, s string, x double")
    with pytest.raises(DataError, match=r"TimeSplit\(.*\): orderCol: found no value in column 't', expected at least"):
        TimeSplit(orderCol="t").fit(df)
    with pytest.raises(DataError, match=r"orderCol: found the quantiles .* of column 'x', expected finite numbers"):
        TimeSplit(orderCol="x").fit(df)
    with pytest.raises(ColumnTypeError, match="orderCol names 's', found type string, expected a number, date or time"):
        TimeSplit(orderCol="s").fit(df)
    with pytest.raises(ParamError, match=r"cutPoints: found 1 values for the parts .*, expected 2"):
        TimeSplit(orderCol="t", cutPoints=[1]).fit(df)
    for wrong in ([2, 1], [1, 1], ["2024-01-01", "2024-01-02"]):
        with pytest.raises(ParamError, match=r"cutPoints: found .* expected rising numbers, as 't' is double"):
            TimeSplit(orderCol="t", cutPoints=wrong).fit(df)
    model = TimeSplit(orderCol="t", cutPoints=[1, 2]).fit(df)
    with pytest.raises(ColumnTypeError, match="found 't' of type date, expected a number as at fit; cast the column"):
        model.transform(df.select(F.current_date().alias("t")))


# LeaveLastOut


def events(n=300, seed=0):
    rng = random.Random(seed)
    return [(rng.choice([None, *"abcdefgh"]), rng.choice([None, *range(30)]), i % 60, {"m": i}) for i in range(n)]


EVENTS = "u string, t int, i int, m map<string, int>"


def test_leave_last_out_takes_the_newest_of_each_key(spark):
    rows = [(u, t, i, n) for n, (u, t, i, _) in enumerate(events())]
    stage = LeaveLastOut(keyCols=["u"], orderCol="t", tieCols=["i"], numTest=2, numValidation=3)
    made = map(stage.transform, shuffled(spark, rows, "u string, t int, i int, n int"))
    found = pd.DataFrame(collected_alike(made))
    whole = found.dropna(subset=["u", "t"]).sort_values(["t", "i"], kind="stable")
    newest = whole.groupby("u").cumcount(ascending=False)
    # Rows of one user, time and i may change places, so each such group is compared as a whole.
    expected = pd.Series(np.select([newest < 2, newest < 5], ["test", "validation"], "train"), whole.index)
    groups = [whole.u, whole.t, whole.i]
    assert expected.groupby(groups).apply(sorted).equals(whole.split.groupby(groups).apply(sorted))
    assert found.split[found.u.isna() | found.t.isna()].isna().all()
    assert len(found) == len(rows)


def test_leave_last_out_breaks_ties_alike_whatever_the_partitions(spark):
    rows = [(u, None if t is None else t % 3, i, m) for u, t, i, m in events()]
    stage = LeaveLastOut(keyCols=["u"], orderCol="t", splitNames=["a", "b", "c"])
    found = collected_alike([stage.transform(df).drop("m") for df in shuffled(spark, rows, EVENTS)])
    assert sum(r["split"] == "c" for r in found) == 8
    assert not any(r["split"] == "b" for r in found)


def test_leave_last_out_refuses(spark):
    df = spark.createDataFrame([("a", 1, {}, 1.5)], "u string, t int, m map<string, int>, x double")
    with pytest.raises(ColumnTypeError, match=r"LeaveLastOut\(.*\): orderCol names 'm', found type map<string,int>"):
        LeaveLastOut(keyCols=["u"], orderCol="m").transform(df)
    with pytest.raises(ColumnTypeError, match="tieCols names 'm', found type map<string,int>, expected a type"):
        LeaveLastOut(keyCols=["u"], orderCol="t", tieCols=["m"]).transform(df)
    with pytest.raises(ColumnTypeError, match="keyCols names 'x', found type double, expected string"):
        LeaveLastOut(keyCols=["x"], orderCol="t").transform(df)
    with pytest.raises(ParamError, match="splitNames: found 2 values for the parts"):
        LeaveLastOut(keyCols=["u"], orderCol="t", splitNames=["train", "test"]).transform(df)
    stream = spark.readStream.format("rate").load()
    with pytest.raises(DataError, match="found a stream, expected a batch, because all events of a key are needed"):
        LeaveLastOut(keyCols=["value"], orderCol="timestamp").transform(stream)

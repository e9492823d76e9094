"""SessionFeatures."""

import datetime
import random

import pandas as pd
import pytest
from feature.shuffled import collected_alike, shuffled

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.feature import SessionFeatures

pytestmark = pytest.mark.two_modes

UTC = datetime.timezone.utc
START = datetime.datetime(2024, 3, 31, tzinfo=UTC)
SCHEMA = "u string, t timestamp, n int"
NAMES = ["session", "positionInSession", "secondsSincePrevious", "secondsInSession"]


def events(count=300, seed=0):
    rng = random.Random(seed)
    times = [START + datetime.timedelta(seconds=rng.randrange(0, 4000) / 2) for _ in range(60)]
    return [(rng.choice([None, *"abcd"]), rng.choice([None, *times]), i) for i in range(count)]


def by_pandas(rows, gap):
    """Features of each event's number, from the distinct times of its user."""
    frame = pd.DataFrame(rows, columns=["u", "t", "n"])
    frame["t"] = pd.to_datetime(frame.t, utc=True)
    whole = frame.dropna()
    times = whole.groupby(["u", "t"]).size().rename("events").reset_index().sort_values(["u", "t"])
    user = times.groupby("u")
    times["since"] = user.t.diff().dt.total_seconds()
    times["session"] = (times.since.isna() | (times.since > gap)).groupby(times.u).cumsum()
    one = times.groupby(["u", "session"])
    times["position"] = one.events.cumsum() - times.events + 1
    times["long"] = (times.t - one.t.transform("min")).dt.total_seconds()
    made = frame.merge(times, on=["u", "t"], how="left").set_index("n")
    return made[["session", "position", "since", "long"]].sort_index()


@pytest.mark.parametrize("gap", [0.5, 30, 1e6])
def test_sessions_are_those_of_pandas(spark, gap):
    rows = events()
    stage = SessionFeatures(keyCols=["u"], orderCol="t", gap=gap)
    made = stage.transform(spark.createDataFrame(rows, SCHEMA))
    found = made.toPandas().set_index("n")[NAMES].sort_index().astype(float)
    expected = by_pandas(rows, gap).astype(float)
    pd.testing.assert_frame_equal(found, expected.set_axis(NAMES, axis=1), check_names=False, check_index_type=False)


def test_sessions_do_not_depend_on_the_order_of_rows(spark):
    stage = SessionFeatures(keyCols=["u"], orderCol="t", gap=20)
    assert collected_alike(stage.transform(df) for df in shuffled(spark, events(), SCHEMA))


def test_no_feature_looks_ahead(spark):
    # Whatever comes later, an event has the features that it had when it was the newest.
    rows = [r for r in events() if r[0] == "a" and r[1] is not None]
    half = sorted(r[1] for r in rows)[len(rows) // 2]
    stage = SessionFeatures(keyCols=["u"], orderCol="t", gap=20)
    all_of_them = stage.transform(spark.createDataFrame(rows, SCHEMA)).collect()
    early = stage.transform(spark.createDataFrame([r for r in rows if r[1] <= half], SCHEMA)).collect()
    later = {r.n: r for r in all_of_them}
    assert early
    assert all(later[r.n] == r for r in early)


def test_a_gap_of_just_its_length_does_not_end_a_session(spark):
    df = spark.createDataFrame([(1, t) for t in (0, 10, 21, 21, 31)], "u int, t bigint")
    made = SessionFeatures(keyCols=["u"], orderCol="t", gap=10, features=["session"], outputCols=["s"]).transform(df)
    assert sorted((r.t, r.s) for r in made.collect()) == [(0, 1), (10, 1), (21, 2), (21, 2), (31, 2)]


def test_refusals(spark):
    df = spark.createDataFrame([("a", 1, "x")], "u string, t int, s string")
    with pytest.raises(ParamError, match=r"SessionFeatures\(.*\): outputCols: found 1 names for the features"):
        SessionFeatures(keyCols=["u"], orderCol="t", outputCols=["a"]).transform(df)
    with pytest.raises(ParamError, match=r"features: found .* expected some of .* each once"):
        SessionFeatures(features=["session", "session"])
    with pytest.raises(ColumnTypeError, match="orderCol names 's', found type string"):
        SessionFeatures(keyCols=["u"], orderCol="s").transform(df)
    with pytest.raises(ParamError, match=r"gap: found 0\.0, expected a number above 0"):
        SessionFeatures(gap=0)

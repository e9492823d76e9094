"""DateTimeParts."""

import math
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import DateTimeParts
from aiok_spark.inference import LocalPipeline
from aiok_spark.kernels.time import CYCLIC, RANGES
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARTS = list(RANGES)
OF_DATES = [name for name in PARTS if name not in ("hour", "minute", "second")]
UTC = timezone.utc
ZONES = ["UTC", "Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca"]
EDGES = [
    datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),  # fractions are cut off, not rounded towards zero
    datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC),  # an hour is missing in Europe
    datetime(2024, 3, 31, 1, 0, 0, tzinfo=UTC),
    datetime(2024, 10, 27, 0, 30, 0, tzinfo=UTC),  # and one is there twice
    datetime(2024, 10, 27, 1, 30, 0, tzinfo=UTC),
    datetime(2011, 12, 30, 10, 0, 0, tzinfo=UTC),  # a day that Apia left out
    datetime(1937, 6, 30, 22, 40, 27, tzinfo=UTC),  # odd seconds in Amsterdam
    datetime(2080, 7, 1, 12, 0, 0, tzinfo=UTC),  # beyond the tables of time zones
    datetime(2021, 1, 3, 12, 0, 0, tzinfo=UTC),  # in the last week of the year before
    datetime(2019, 12, 30, 12, 0, 0, tzinfo=UTC),  # in the first week of the year after
]
INSTANTS = (
    st.none()
    | st.sampled_from(EDGES)
    | st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
)


def part_of(moment, name):
    """The documented meaning, by Python's own calendar."""
    _, week, day = moment.isocalendar()
    return {
        "year": moment.year,
        "quarter": math.ceil(moment.month / 3),
        "month": moment.month,
        "dayOfMonth": moment.day,
        "dayOfYear": moment.timetuple().tm_yday,
        "weekOfYear": week,
        "dayOfWeek": day,
        "hour": getattr(moment, "hour", None),
        "minute": getattr(moment, "minute", None),
        "second": getattr(moment, "second", None),
        "isWeekend": int(day >= 6),
    }[name]


def expected(name, moments, parts=PARTS):
    return {f"{name}_{p}": [None if m is None else part_of(m, p) for m in moments] for p in parts}


@SOME
@given(st.lists(INSTANTS, max_size=20), st.sampled_from(ZONES))
def test_instants_are_read_in_the_zone_everywhere(spark, moments, zone):
    moments = [*moments, *EDGES, None]
    stage = DateTimeParts(inputCols=["t"], parts=PARTS, timeZone=zone)

    def reference(rows):
        return expected("t", [t and t.astimezone(ZoneInfo(zone)) for t in rows["t"]])

    assert_all_executions_agree(stage, {"t": moments}, "t timestamp", spark, reference)


@SOME
@given(
    st.lists(st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), min_size=10, max_size=20),
    st.lists(st.none() | st.dates(), min_size=20, max_size=20),
)
def test_what_has_no_zone_is_taken_as_it_is_everywhere(spark, moments, days):
    days = days[: len(moments)]
    data, schema = {"n": moments, "d": days}, "n timestamp_ntz, d date"
    stage = DateTimeParts(inputCols=["d", "n"], parts=OF_DATES, timeZone="Asia/Tokyo")
    wanted = expected("d", days, OF_DATES) | expected("n", moments, OF_DATES)
    assert_all_executions_agree(stage, data, schema, spark, lambda _: wanted)
    stage = DateTimeParts(inputCols=["n"], parts=PARTS)
    assert_all_executions_agree(stage, data, schema, spark, lambda rows: expected("n", rows["n"]))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_cyclical_parts_are_points_of_a_circle(spark, zone):
    moments = [datetime(2023, 12, 31, 20, 0, tzinfo=UTC) + timedelta(hours=37 * i, minutes=i) for i in range(300)]
    stage = DateTimeParts(inputCols=["t"], cyclical=CYCLIC, timeZone=zone)
    first_and_number = {
        "quarter": (1, 4), "month": (1, 12), "dayOfMonth": (1, 31), "dayOfYear": (1, 366), "weekOfYear": (1, 53),
        "dayOfWeek": (1, 7), "hour": (0, 24), "minute": (0, 60), "second": (0, 60),
    }  # fmt: skip

    def reference(rows):
        made = {}
        for name, (first, n) in first_and_number.items():
            angles = [2 * math.pi / n * (part_of(t.astimezone(ZoneInfo(zone)), name) - first) for t in rows["t"]]
            made |= {f"t_{name}_sin": list(map(math.sin, angles)), f"t_{name}_cos": list(map(math.cos, angles))}
        return made

    assert_all_executions_agree(stage, {"t": moments}, "t timestamp", spark, reference)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_sessions_time_zone_does_not_matter(spark, zone):
    stage = DateTimeParts(inputCols=["t", "n"], parts=PARTS, timeZone=zone)
    # The plain timestamps are spelt out, as the session's time zone is what makes them of instants.
    rows = (
        "SELECT timestamp_seconds(1711846799 + id * 40000) AS t, TIMESTAMP_NTZ'2024-03-31 02:30:00' AS n FROM range(50)"
    )
    made = []
    for session in ("UTC", "Europe/Berlin"):
        try:
            spark.conf.set("spark.sql.session.timeZone", session)
            made.append([tuple(r) for r in stage.transform(spark.sql(rows)).drop("t", "n").collect()])
        finally:
            spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert made[0] == made[1]


def test_results_are_named_by_input_and_part_or_as_asked(spark):
    df = spark.sql("SELECT DATE'2024-02-29' AS d")
    stage = DateTimeParts(inputCols=["d"], parts=["year", "dayOfYear"], cyclical=["month"])
    made = stage.transform(df)
    assert made.columns == ["d", "d_year", "d_dayOfYear", "d_month_sin", "d_month_cos"]
    assert made.schema["d_dayOfYear"].metadata == {"aiok": {"cardinality": 367}}
    assert stage.copy({stage.outputCols: ["d", "b", "s", "c"]}).transform(df).first()[:2] == (2024, 60)
    with pytest.raises(ParamError, match=r"outputCols: found 1 names, expected 4: one for each of \['d_year', "):
        stage.copy({stage.outputCols: ["a"]}).transform(df)


def test_off_spark_a_datetime_with_a_zone_is_an_instant():
    local = LocalPipeline([DateTimeParts(inputCols=["t"], outputCols=["h"], parts=["hour"], timeZone="Asia/Tokyo")])
    plain, instant = datetime(9999, 12, 31, 23, 30), datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
    assert [local.transform({"t": t})["h"] for t in (plain, instant, None)] == [23, 8, None]
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01T23:30:00.123456789Z", None])})
    assert local.transform(frame)["h"].tolist()[0] == 8
    with pytest.raises(DataError, match=r"found t='2024-01-01' \(str\), .* expected a date or a datetime"):
        local.transform({"t": "2024-01-01"})


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ParamError, "parts, cyclical: found 0 parts of 1 inputCols, expected at least one of one"),
        ({"parts": ["hour"]}, ColumnTypeError, "names 'd', found type date, expected a timestamp for the parts"),
        ({"parts": ["year"], "inputCols": ["s"]}, ColumnTypeError, "found type string, expected timestamp, timestamp_"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_job(spark, params, error, message):
    df = spark.sql("SELECT DATE'2024-02-29' AS d, 's' AS s")
    with pytest.raises(error, match=message) as raised:
        DateTimeParts(**{"inputCols": ["d"], **params}).transform(df)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("DateTimeParts(DateTimeParts_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"parts": ["weekday"]}, "parts: found 'weekday' .*, expected one of 'year', 'quarter'"),
        ({"parts": "year"}, r"parts: found 'year' \(str\), expected a list of words, such as \['year', 'quarter'\]"),
        ({"parts": ["year", "year"]}, "expected each word at most once"),
        ({"cyclical": ["year"]}, "cyclical: found 'year' .*, expected one of 'quarter'"),
        ({"timeZone": "Mars"}, "timeZone: found 'Mars', expected a name of the time zone database"),
    ],
)
def test_wrong_words_are_refused_where_they_are_set(params, message):
    with pytest.raises(ParamError, match=message):
        DateTimeParts(inputCols=["d"], **params)


def test_dates_at_the_ends_of_the_calendar(spark):
    days = [date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10), date(1900, 2, 28), date(2000, 2, 29)]
    stage = DateTimeParts(inputCols=["d"], parts=OF_DATES)
    assert_all_executions_agree(stage, {"d": days}, "d date", spark, lambda rows: expected("d", days, OF_DATES))

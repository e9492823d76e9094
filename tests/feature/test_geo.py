"""HaversineDistance."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.feature import HaversineDistance
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = ["lat1", "lon1", "lat2", "lon2"]
SCHEMA = "lat1 double, lon1 double, lat2 double, lon2 double"
LATITUDES = st.floats(-90, 90) | st.sampled_from([-90.0, -0.0, 0.0, 45.0, 90.0])
LONGITUDES = st.floats(-180, 180) | st.sampled_from([-180.0, 0.0, 180.0, 270.0, 360.0])
BEYOND = st.sampled_from([None, math.nan, math.inf, 360.1, -1000.0])
PLACES = st.tuples(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
STAGE = HaversineDistance(inputCols=COLUMNS, outputCols=["km"])


def angle_between_vectors(lat1, lon1, lat2, lon2):
    """The same distance by other means: the angle between two vectors of three coordinates."""

    def vector(lat, lon):
        lat, lon = np.radians(np.longdouble(lat)), np.radians(np.longdouble(lon))
        return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    a, b = vector(lat1, lon1), vector(lat2, lon2)
    return float(6371.0088 * np.arctan2(np.sqrt((np.cross(a, b) ** 2).sum()), (a * b).sum()))


def columns(rows):
    return {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}


@SOME
@given(
    st.lists(PLACES, min_size=1, max_size=15), st.lists(st.tuples(LATITUDES, BEYOND, BEYOND, LONGITUDES), max_size=9)
)
def test_distances_are_the_same_everywhere(spark, places, nowhere):
    data = columns([*places, *nowhere, *[(c, d, a, b) for a, b, c, d in nowhere]])
    assert_all_executions_agree(STAGE, data, SCHEMA, spark, ulps=16)
    found = LocalPipeline([STAGE]).transform(data)["km"]
    assert found[: len(places)] == pytest.approx([angle_between_vectors(*p) for p in places], rel=1e-9, abs=1e-9)
    assert found[len(places) :] == [None] * (2 * len(nowhere))


def test_known_distances():
    half_way = math.pi * 6371.0088
    known = {
        (0.0, 0.0, 0.0, 0.0): 0.0,
        (90.0, 0.0, -90.0, 0.0): half_way,
        (12.5, 30.0, -12.5, -150.0): half_way,  # opposite ends of the Earth
        (0.0, 0.0, 0.0, 1.0): half_way / 180,
        (10.0, 190.0, 10.0, -170.0): 0.0,  # one place
        (0.0, 0.0, 1e-9, 0.0): half_way / 180 * 1e-9,  # a tenth of a millimetre
        (47.3769, 8.5417, 46.9480, 7.4474): 95.49,  # Zürich to Bern
    }
    found = LocalPipeline([STAGE]).transform(columns(list(known)))["km"]
    assert found == pytest.approx(list(known.values()), rel=1e-4, abs=1e-9)
    assert found[:6] == pytest.approx(list(known.values())[:6], rel=1e-14, abs=1e-9)


def test_near_opposite_ends_no_digits_are_lost():
    # The plain formula, asin(sqrt(a)), is 100 m off here.
    a, b = (20.0, 30.0), (-20.0 + 1e-6, -150.0)
    found = LocalPipeline([STAGE]).transform(columns([(*a, *b)]))["km"][0]
    assert found == pytest.approx((math.pi - math.radians(1e-6)) * 6371.0088, rel=1e-15)


def test_refusals(spark):
    df = spark.createDataFrame([(1.0, 2.0, 3.0, "4")], "a double, b double, c double, d string")
    with pytest.raises(ParamError, match=r"inputCols, outputCols: found \(3, 1\) names, expected \(4, 1\): latitude"):
        HaversineDistance(inputCols=["a", "b", "c"], outputCols=["km"]).transform(df)
    with pytest.raises(ColumnTypeError, match="inputCols names 'd', found type string, expected a numeric type"):
        HaversineDistance(inputCols=["a", "b", "c", "d"], outputCols=["km"]).transform(df)

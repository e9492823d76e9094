"""Several scores as one order."""

import math

from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.nas.ranking import aggregated, front


def test_ranks_are_added_up_as_logarithms():
    """Three candidates: ranks 1, 2, 3 by a; 3, 1.5, 1.5 by b."""
    scores = [{"a": 0.1, "b": 5.0}, {"a": 7.0, "b": -1.0}, {"a": 8.0, "b": -1.0}]
    expected = [
        math.log(1 / 3) + math.log(3 / 3),
        math.log(2 / 3) + math.log(1.5 / 3),
        math.log(3 / 3) + math.log(1.5 / 3),
    ]
    assert aggregated(scores, ["a", "b"]) == expected


def test_what_is_no_number_is_below_all():
    assert aggregated([{"a": None}, {"a": -1e300}], ["a"]) == [math.log(1 / 2), 0.0]


def test_units_do_not_matter():
    scores = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 1.0}, {"a": 2.0, "b": 9.0}]
    other = [{"a": math.exp(s["a"]), "b": 1000 * s["b"] - 5} for s in scores]
    assert aggregated(scores, ["a", "b"]) == aggregated(other, ["a", "b"])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_front_is_what_nobody_beats(points):
    points = [(float(x), float(y)) for x, y in points]
    kept = front(points)
    for place in range(len(points)):
        x, y = points[place]
        beaten = any((a >= x and b >= y) and (a > x or b > y) for a, b in points)
        same = any(points[k] == points[place] for k in kept)
        assert same != beaten
    assert len({points[k] for k in kept}) == len(kept)

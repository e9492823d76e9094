"""Which trial is the best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.tuning.objective import Metric, Objective, Trial, usable

AUC, SECONDS = Metric("auc", larger=True), Metric("seconds", larger=False)


def trials(*metrics, state="done"):
    return [Trial(i, {}, state, values) for i, values in enumerate(metrics, 1)]


def test_the_best_is_by_the_metrics_direction():
    found = trials({"auc": 0.7, "seconds": 3.0}, {"auc": 0.8, "seconds": 9.0}, {"auc": 0.8, "seconds": 5.0})
    assert Objective((AUC,)).best(found).number == 2  # the earlier one of equals
    assert Objective((SECONDS,)).best(found).number == 1
    assert Objective((AUC, SECONDS)).best(found).number == 3


def test_a_threshold_comes_before_the_metric():
    # "AUC at least 0.75, then least time"
    wanted = Objective((SECONDS, Metric("auc", True, optimized=False, threshold=0.75)))
    found = trials({"auc": 0.7, "seconds": 1.0}, {"auc": 0.8, "seconds": 9.0}, {"auc": 0.76, "seconds": 5.0})
    assert wanted.best(found).number == 3
    assert [trial.number for trial in wanted.front(found)] == [3]
    assert wanted.best(found[:1]).number == 1  # the least miss, where none is within
    assert wanted.front(found[:1]) == []


def test_only_what_is_done_counts():
    assert Objective((AUC,)).best(trials({"auc": 0.9}, state="pruned") + trials({}, state="failed")) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_the_front_is_what_nothing_beats(points):
    wanted = Objective((AUC, SECONDS))
    found = trials(*({"auc": float(a), "seconds": float(s)} for a, s in points))
    expected = {
        i for i, (a, s) in enumerate(points, 1) if not any((b >= a and t <= s) and (b, t) != (a, s) for b, t in points)
    }
    front = wanted.front(found)
    assert {trial.number for trial in front} == expected
    assert front[0].number == wanted.best(found).number


@pytest.mark.parametrize(
    ("value", "good"), [(1.0, True), (0, True), (float("nan"), False), (float("inf"), False), (None, False)]
)
def test_a_metric_is_a_finite_number(value, good):
    assert usable(value) == good

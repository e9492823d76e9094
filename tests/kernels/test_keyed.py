"""Sums of other folds, and rows that look alike; the rest is tried with the stages."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.kernels.keyed import look_alike, of_other_folds


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=9))
def test_the_sum_of_other_folds_leaves_one_out(sums):
    found = of_other_folds(np.array(sums))
    assert found.tolist() == [[sum(row) - own for own in row] for row in sums]


def test_nothing_of_a_fold_is_left_by_rounding():
    assert of_other_folds(np.array([[1e300, 1.0, 2.0]]))[0, 0] == 3.0


def folds(rng, keys, copies):
    """Rows of each of ``keys`` keys by fold, if every row has some equal ones."""
    contents = [rng.integers(0, 5, size) for size in rng.integers(1, 40, keys)]
    return np.array([np.bincount(np.repeat(each, copies), minlength=5) for each in contents])


def test_equal_rows_are_noticed_and_chance_is_not():
    rng = np.random.default_rng(0)
    for keys in (1, 10, 1000):
        assert sum(look_alike(folds(rng, keys, 1)) for _ in range(200)) <= 4  # of few keys, a false alarm is harmless
    assert all(look_alike(folds(rng, 1000, 2)) for _ in range(20))
    assert look_alike(np.array([[100, 0, 0, 0, 0]])) and not look_alike(np.array([[1, 0, 0, 0, 0]]))

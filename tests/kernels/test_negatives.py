"""Draws of items that were not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.kernels import negatives as kernels

WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 10.0])


def hashes(n, seed=0):
    return np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, n)


def shares(found):
    return np.bincount(found, minlength=len(WEIGHTS)) / len(found)


@pytest.mark.parametrize("tries", [kernels._TRIES, 1, 0])
def test_items_come_by_their_weights_without_those_that_were_seen(monkeypatch, tries):
    # With few tries most come by the other way, which must have the same distribution.
    monkeypatch.setattr(kernels, "_TRIES", tries)
    n = 40000
    group = np.arange(n) % 2
    seen, seen_by = np.array([4, 4, 0, -1], np.int32), np.array([0, 1, 1, 1])
    found = kernels.draw(hashes(n), group, seen, seen_by, np.cumsum(WEIGHTS), 2)
    for g, left in enumerate([[0, 1, 2, 3], [1, 2, 3]]):
        first, second = found[group == g].T
        p = np.where(np.isin(np.arange(5), left), WEIGHTS, 0.0)
        p /= p.sum()
        # The second comes from what the first left.
        q = sum(p[i] * np.where(np.arange(5) == i, 0.0, p) / (1 - p[i]) for i in left)
        assert np.abs(shares(first) - p).max() < 0.015
        assert np.abs(shares(second) - q).max() < 0.015
        assert (first != second).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 15),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 11)), max_size=40),
    st.lists(st.integers(0, 3), max_size=20),
)
def test_each_row_gets_what_is_left_and_nothing_else(items, number, pairs, groups):
    pairs = [(g, item) for g, item in pairs if item < items]
    group, rows = np.array(groups, np.int64), hashes(len(groups), items)
    seen, by = np.array([i for _, i in pairs], np.int32), np.array([g for g, _ in pairs], np.int64)
    totals = np.cumsum(np.arange(1.0, items + 1))
    found = kernels.draw(rows, group, seen, by, totals, number)
    assert found.shape == (len(groups), number)
    for g, drawn in zip(groups, found.tolist(), strict=True):
        left = set(range(items)) - {i for other, i in pairs if other == g}
        there = [i for i in drawn if i >= 0]
        assert len(set(there)) == len(there) == min(number, len(left))
        assert set(there) <= left
    # A row draws alike whatever rows are beside it.
    if groups:
        alone = kernels.draw(
            rows[:1], np.zeros(1, np.int64), seen[by == groups[0]], by[by == groups[0]] * 0, totals, number
        )
        assert alone.tolist() == found[:1].tolist()

"""``ahead``: results in order, within a budget, none lost, no wait without an end."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import DataError
from aiok_spark.data.prefetch import Call, ahead


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 4), st.integers(0, 60))
def test_results_come_in_order_and_within_the_budget(sizes, threads, budget):
    held, most, lock = 0, 0, threading.Lock()

    def make(i, size):
        nonlocal held, most
        with lock:
            held += size
            most = max(most, held)
        return i

    found = []
    for i in ahead((Call(lambda i=i, s=s: make(i, s), s, "") for i, s in enumerate(sizes)), threads, budget, 60.0):
        found.append(i)
        with lock:
            held -= sizes[i]
    assert found == list(range(len(sizes)))
    # Beside what the budget allows: the one that was given last, and one that may wait however large it is.
    assert most <= budget + 2 * max(sizes, default=0)


def test_calls_run_at_the_same_time():
    meet = threading.Barrier(3, timeout=30)
    assert list(ahead((Call(meet.wait, 0, "") for _ in range(3)), 3, 0, 60.0)) is not None


def test_an_error_reaches_the_caller():
    calls = [Call(lambda: 1, 0, ""), Call(lambda: 1 / 0, 0, ""), Call(lambda: 2, 0, "")]
    found = ahead(iter(calls), 2, 10, 60.0)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_wait_has_an_end_and_says_for_what():
    with pytest.raises(DataError, match=r"reading b\.parquet: found no answer in 0\.05 s.*timeout"):
        list(ahead(iter([Call(lambda: time.sleep(2), 0, "reading b.parquet")]), 1, 0, 0.05))

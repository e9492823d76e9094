"""Rows of a table by key, against a dict."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.kernels import lookup as kernels
from aiok_spark.kernels.hashing import xxhash64

TEXTS, NUMBERS = st.text(max_size=3), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3)
KEYS = st.tuples(TEXTS, NUMBERS)
ASKED = st.lists(st.tuples(st.none() | TEXTS, st.none() | NUMBERS), max_size=20)


def arrays(keys):
    return [pa.array([k for k, _ in keys], pa.string()), pa.array([n for _, n in keys], pa.int64())]


def find(table, asked):
    """All ways to look up, and what a dict gives."""
    keys, values = list(table), list(table.values())
    made = kernels.KeyedRows.build(arrays(keys), [pa.array(values, pa.float64())])
    batch = kernels.lookup(arrays(asked), made, [0.5])[0].to_pylist()
    rows = {key: i for i, key in enumerate(keys)}
    row = kernels.lookup_row(rows, made.values, [str, int], [0.5])
    return batch, [row(list(key))[0] for key in asked], [table.get(key, 0.5) for key in asked]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, st.none() | st.floats(allow_nan=False), min_size=1, max_size=20), ASKED)
def test_values_are_those_of_a_dict(table, asked):
    batch, rows, expected = find(table, asked + list(table))
    assert batch == rows == expected


def test_keys_are_compared_and_not_only_their_hashes(monkeypatch):
    calls = []

    def few(values, seed):  # the first salt collides, and the others leave 8 hashes
        calls.append(seed)
        return np.zeros(len(values), np.int64) if seed == calls[0] else xxhash64(values, seed) & np.int64(7 << 60)

    monkeypatch.setattr(kernels, "xxhash64", few)
    asked = [(str(i), i) for i in range(50)]
    batch, rows, expected = find({("1", 1): 1.0, ("30", 30): 30.0}, asked)
    assert batch == rows == expected
    assert len(set(calls)) > 1


def test_a_key_of_another_type_is_refused_and_not_missed():
    find_row = kernels.lookup_row({(1,): 0}, [pa.array([7.0])], [int], [None])
    assert find_row([1]) == [7.0] and find_row([2]) == find_row([None]) == [None]
    with pytest.raises(TypeError, match="a part of the key was int at fit"):
        find_row(["1"])

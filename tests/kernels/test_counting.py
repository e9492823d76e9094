"""Counts, against collections.Counter."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.kernels import counting

CELLS = st.lists(st.none() | st.text(max_size=2), max_size=40)
NUMBERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=40)


def batches(columns, size):
    """Record batches of at most ``size`` rows."""
    arrays = [pa.array(cells, kind) for cells, kind in columns]
    table = pa.table(arrays, [f"c{i}" for i in range(len(arrays))])
    return iter(table.to_batches(max_chunksize=size))


def totals(blobs):
    found = {}
    for batch in blobs:
        for row in batch.to_pylist():
            for cell in counting.read_counts(row["counts"]).to_pylist():
                group = found.setdefault(row["group"], {})
                assert cell["value"] not in group, "a value has one total"
                group[cell["value"]] = cell["count"]
    return found


@pytest.mark.parametrize("limit", [1, 128 << 20])
@given(CELLS, NUMBERS, st.integers(1, 50), st.integers(1, 3))
def test_partial_counts_of_any_split_merge_to_the_count_of_all(limit, texts, numbers, size, least):
    texts, numbers = texts[: len(numbers)], numbers[: len(texts)]
    columns = [(texts, pa.string()), (numbers, pa.int64()), (texts[::-1], pa.string())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_WAITING_BYTES", limit)
        patch.setattr(counting, "_HELD_BYTES", limit)
        partial = list(counting.count(batches(columns, size), [0, 1, 0]))
        half = len(partial) // 2
        found = totals(counting.merge(iter(partial[half:] + partial[:half]), least))
    expected = {0: Counter(texts) + Counter(texts), 1: Counter(numbers)}
    kept = {g: {v: n for v, n in c.items() if v is not None and n >= least} for g, c in expected.items()}
    assert found == {g: c for g, c in kept.items() if c}


@given(st.lists(st.none() | st.lists(st.none() | st.sampled_from(["a", "b", "é"]), max_size=3), max_size=20))
def test_the_values_of_lists_are_counted_one_by_one(rows):
    blobs = counting.count(batches([(rows, pa.list_(pa.string()))], 7), [4])
    expected = Counter(v for row in rows if row for v in row if v is not None)
    assert totals(counting.merge(blobs, 1)).get(4, {}) == dict(expected)


def test_large_totals_come_in_several_blobs(monkeypatch):
    monkeypatch.setattr(counting, "_BLOB_ROWS", 10)
    partial = list(counting.count(batches([(list(range(1000)), pa.int64())], 1000), [0]))
    assert len(partial) >= 100 and max(len(counting.read_counts(b["counts"][0].as_py())) for b in partial) == 10
    assert totals(counting.merge(iter(partial), 1)) == {0: dict.fromkeys(range(1000), 1)}


def test_all_partial_counts_of_a_value_have_the_same_bucket():
    left, right = (list(counting.count(batches([(c, pa.string())], 9), [0])) for c in (["a", "b"], ["b", "c", "d"]))
    places = [
        {
            v: b["bucket"][0].as_py()
            for b in side
            for v in counting.read_counts(b["counts"][0].as_py())["value"].to_pylist()
        }
        for side in (left, right)
    ]
    assert places[0]["b"] == places[1]["b"]

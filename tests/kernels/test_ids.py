"""Categories to ids, against plain dicts and the formula."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.kernels.hashing import null_key, seed_of, xxhash64
from aiok_spark.kernels.ids import Policy, hash_buckets, hash_row, lookup_keys, lookup_row, lookup_values
from aiok_spark.kernels.keyindex import KeyIndex

WORDS = ["a", "b", "", "ß", "a long word that does not fit into thirty-two bytes"]
SEED, NULL = seed_of(0), null_key(0)
IDS = {word: i + 2 for i, word in enumerate(WORDS)}
INDEX = KeyIndex.build(xxhash64(pa.array(WORDS), SEED), np.arange(2, 2 + len(WORDS), dtype=np.int32))
CELLS = st.none() | st.sampled_from(WORDS) | st.text(max_size=3)


def policy(unknown=0, null=1, refuse_unknown=False, refuse_null=False):
    return Policy(unknown, null, refuse_unknown, refuse_null, "Stage(uid)", "c")


def expected(cell, p):
    return p.null if cell is None else IDS.get(cell, p.unknown)


@given(st.lists(CELLS), st.sampled_from([0, None]), st.sampled_from([1, None]))
def test_lookup_is_a_dict_lookup_by_value_by_key_and_by_row(cells, unknown, null):
    p = policy(unknown, null)
    want = [expected(c, p) for c in cells]
    values = pa.array(cells, pa.string())
    keys = pa.array(np.where(values.is_null(), NULL, xxhash64(values, SEED)).astype(np.int64))
    assert lookup_values([values], INDEX, SEED, p)[0].to_pylist() == want
    assert lookup_keys([keys], INDEX, NULL, p)[0].to_pylist() == want
    assert [lookup_row(IDS, str, p)([c])[0] for c in cells] == want


@given(st.lists(st.none() | st.lists(CELLS)))
def test_lists_keep_their_order_their_nulls_and_their_emptiness(rows):
    p = policy()
    want = [None if row is None else [expected(c, p) for c in row] for row in rows]
    array = pa.array(rows, pa.list_(pa.string()))
    assert lookup_values([array], INDEX, SEED, p)[0].to_pylist() == want
    assert lookup_values([pa.concat_arrays([array, array]).slice(len(rows))], INDEX, SEED, p)[0].to_pylist() == want
    assert [lookup_row(IDS, str, p, is_list=True)([row])[0] for row in rows] == want


@given(st.lists(CELLS), st.integers(1, 2**31 - 2))
def test_buckets_are_one_plus_the_hash_modulo(cells, n):
    def bucket(cell):
        digest = int(np.uint64(xxhash.xxh64_intdigest(cell.encode(), SEED)).astype(np.int64))
        return 1 + digest % n  # Python's modulo is never negative, like SQL's pmod

    p = policy(None, 0)
    want = [0 if c is None else bucket(c) for c in cells]
    assert hash_buckets([pa.array(cells, pa.string())], n, SEED, p)[0].to_pylist() == want
    assert [hash_row(n, SEED, p)([c])[0] for c in cells] == want


def test_a_refused_value_is_named():
    with pytest.raises(ValueError, match=r"Stage\(uid\): oovPolicy='error' and column 'c' has .*found 'new'; clean"):
        lookup_values([pa.array(["a", "new"])], INDEX, SEED, policy(refuse_unknown=True))
    with pytest.raises(ValueError, match=r"nullPolicy='error' and column 'c' has nulls"):
        lookup_row(IDS, str, policy(refuse_null=True))([None])


def test_a_value_of_another_type_is_not_taken_for_unknown():
    with pytest.raises(TypeError, match="column 'c' was str at fit"):
        lookup_row(IDS, str, policy())([5])

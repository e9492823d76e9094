"""The table from keys to ids, against a dict."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.kernels.keyindex import KeyIndex

KEYS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 1, -(2**63), 2**63 - 1]), unique=True)


@given(KEYS, KEYS)
def test_find_is_a_dict_lookup(known, wanted):
    index = KeyIndex.build(np.array(known, np.int64), np.arange(len(known), dtype=np.int32))
    ids = dict(zip(known, range(len(known)), strict=True))
    asked = known + wanted
    assert index.find(np.array(asked, np.int64)).tolist() == [ids.get(key, -1) for key in asked]


def test_keys_that_share_their_top_bits_are_told_apart():
    known = np.arange(5000, dtype=np.int64)  # hashes never look like this; the table must still be right
    index = KeyIndex.build(known, known.astype(np.int32))
    assert (index.find(np.arange(-10, 6000)) == np.r_[[-1] * 10, known, [-1] * 1000]).all()

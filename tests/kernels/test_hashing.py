"""The 64-bit hash, against the reference library."""

import numpy as np
import pyarrow as pa
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.kernels.hashing import cross_keys, cross_values, hash_value, null_key, seed_of, value_keys, xxhash64

CALM = settings(deadline=None)  # the first call may wait for a busy machine
INT64 = st.integers(-(2**63), 2**63 - 1)


def reference(data: bytes, seed: int) -> int:
    return int(np.uint64(xxhash.xxh64_intdigest(data, seed)).astype(np.int64))


@CALM
@given(st.lists(st.text(max_size=80), max_size=30), INT64)
def test_strings_hash_as_xxh64_of_their_utf8_bytes(texts, salt):
    seed = seed_of(salt)
    expected = [reference(t.encode(), seed) for t in texts]
    assert xxhash64(pa.array(texts, pa.string()), seed).tolist() == expected
    assert [hash_value(t, seed) for t in texts] == expected


@CALM
@given(st.lists(INT64, max_size=30), INT64)
def test_integers_hash_as_xxh64_of_eight_bytes(numbers, salt):
    seed = seed_of(salt)
    expected = [reference(n.to_bytes(8, "little", signed=True), seed) for n in numbers]
    assert xxhash64(pa.array(numbers, pa.int64()), seed).tolist() == expected
    assert [hash_value(n, seed) for n in numbers] == expected


def test_small_integers_and_booleans_hash_as_their_64_bit_value():
    seed = seed_of(0)
    assert xxhash64(pa.array([1, 0], pa.int8()), seed).tolist() == xxhash64(pa.array([True, False]), seed).tolist()


def test_a_slice_hashes_as_its_own_values():
    texts = pa.array(["first", "a much longer text that fills more than one stripe of bytes", "", "é"])
    assert xxhash64(texts.slice(1), 7).tolist() == xxhash64(texts, 7).tolist()[1:]


def test_another_salt_gives_another_hash():
    assert xxhash64(pa.array(["a"]), seed_of(0)) != xxhash64(pa.array(["a"]), seed_of(1))


@CALM
@given(st.lists(st.tuples(st.none() | st.text(max_size=40), st.none() | INT64), max_size=20), INT64)
def test_a_cross_hashes_the_keys_one_after_the_other(rows, salt):
    seed, null = seed_of(salt), int(null_key(salt))
    expected, mask = [], 2**64 - 1
    for text, number in rows:
        first = null if text is None else hash_value(text, seed)
        second = null if number is None else hash_value(number, seed)
        expected.append(hash_value(second, hash_value(first, seed) & mask))
    texts, numbers = pa.array([t for t, _ in rows], pa.string()), pa.array([n for _, n in rows], pa.int64())
    assert cross_keys([value_keys(texts, seed), value_keys(numbers, seed)], seed).tolist() == expected
    assert [cross_values(row, seed) for row in rows] == expected
    assert [cross_values([t], seed) for t, _ in rows] == value_keys(texts, seed).tolist()

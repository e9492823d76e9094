"""Spark's 64-bit hash on Arrow arrays: the same value with and without a JVM.

``xxhash64(values, seed_of(salt))`` equals the SQL expression ``xxhash64(CAST(salt AS BIGINT),
value)``: XXH64 of the UTF-8 bytes of a string, or of a 64-bit integer, seeded with the hash of
the salt.

Reference: Yann Collet, xxHash, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = npt.NDArray[np.uint64]

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_PRIMES = tuple(int(p) for p in (_P1, _P2, _P3, _P4, _P5))
_WORD = 64
_MASK = 2**64 - 1
_SPARK_SEED = 42  # what SQL's xxhash64() starts from


def seed_of(salt: int) -> int:
    """Seed, in [0, 2^64), that stands for a salt: the hash of the salt as a 64-bit integer."""
    return int(_hash_longs(np.array([salt], np.int64), np.uint64(_SPARK_SEED))[0])


def null_key(salt: int) -> np.int64:
    """What SQL's ``xxhash64(salt, NULL)`` gives: it leaves out nulls, so the hash of the salt alone."""
    return np.uint64(seed_of(salt)).view(np.int64)


def xxhash64(values: pa.Array, seed: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Hash each value; what stands at null is meaningless.

    Parameters
    ----------
    values : pyarrow.Array
        Strings, or integers and booleans, which hash as 64-bit integers.
    seed : int or array of int64
        From ``seed_of``; or one for each value, such as the hash of the column before.
    """
    start = seed.view(np.uint64) if isinstance(seed, np.ndarray) else np.uint64(seed)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _hash_strings(pc.cast(values, pa.large_string()), start).view(np.int64)
    if values.null_count:
        values = pc.fill_null(values, pa.scalar(0, values.type))
    return _hash_longs(pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False), start).view(np.int64)


def hash_rows(columns: Sequence[pa.Array], seed: int) -> npt.NDArray[np.int64]:
    """SQL's ``xxhash64(salt, column, column, ...)`` with ``seed_of(salt)``: nulls are left out."""
    found = np.full(len(columns[0]), seed, np.uint64).view(np.int64)
    for values in columns:
        made = xxhash64(values, found)
        found = np.where(np.asarray(pc.is_null(values)), found, made) if values.null_count else made
    return found


def value_keys(values: pa.Array, seed: int) -> npt.NDArray[np.int64]:
    """Key of each value; of a null, SQL's: the seed itself. Each distinct string is hashed once."""
    null = np.uint64(seed).view(np.int64)
    if pa.types.is_string(values.type):
        coded = pc.dictionary_encode(values)
        keys = np.append(xxhash64(coded.dictionary, seed), null)  # at -1
        return keys[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]
    keys = xxhash64(values, seed)
    if values.null_count:
        keys[np.asarray(pc.is_null(values))] = null
    return keys


def cross_keys(keys: Sequence[npt.NDArray[np.int64]], seed: int) -> npt.NDArray[np.int64]:
    """One key of several, in their order: SQL's ``xxhash64(salt, first, second, ...)``; a single one is itself."""
    if len(keys) == 1:
        return keys[0]
    crossed: np.uint64 | Words = np.uint64(seed)
    for each in keys:
        crossed = _hash_longs(each, crossed)
    return np.asarray(crossed).view(np.int64)


def cross_values(values: Sequence[str | int | None], seed: int) -> int:
    """``cross_keys`` of the ``value_keys`` of single values."""
    keys = [_signed(seed) if v is None else hash_value(v, seed) for v in values]
    if len(keys) == 1:
        return keys[0]
    crossed = seed
    for each in keys:
        crossed = hash_value(each, crossed) & _MASK
    return _signed(crossed)


def hash_value(value: str | int, seed: int) -> int:
    """``xxhash64`` of a single string or integer, without the cost of arrays."""
    if not isinstance(value, (str, Integral, np.bool_)):
        raise TypeError("expected a text, an integer, a boolean or a date")
    mask = _MASK
    data = value.encode() if isinstance(value, str) else int(value).to_bytes(8, "little", signed=True)
    p1, p2, p3, p4, p5 = _PRIMES
    at, end = 0, len(data)
    if end >= 32:
        lanes = [(seed + p1 + p2) & mask, (seed + p2) & mask, seed, (seed - p1) & mask]
        while at + 32 <= end:
            for i in range(4):
                x = (lanes[i] + int.from_bytes(data[at : at + 8], "little") * p2) & mask
                lanes[i] = (((x << 31) | (x >> 33)) * p1) & mask
                at += 8
        h = sum((x << r) | (x >> (_WORD - r)) for x, r in zip(lanes, (1, 7, 12, 18), strict=True)) & mask
        for lane in lanes:
            x = (lane * p2) & mask
            h = ((h ^ ((((x << 31) | (x >> 33)) * p1) & mask)) * p1 + p4) & mask
    else:
        h = (seed + p5) & mask
    h = (h + end) & mask
    while at + 8 <= end:
        x = (int.from_bytes(data[at : at + 8], "little") * p2) & mask
        h ^= (((x << 31) | (x >> 33)) * p1) & mask
        h = (((h << 27) | (h >> 37)) * p1 + p4) & mask
        at += 8
    if at + 4 <= end:
        h ^= (int.from_bytes(data[at : at + 4], "little") * p1) & mask
        h = (((h << 23) | (h >> 41)) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        h ^= (byte * p5) & mask
        h = (((h << 11) | (h >> 53)) * p1) & mask
    h = ((h ^ (h >> 33)) * p2) & mask
    h = ((h ^ (h >> 29)) * p3) & mask
    h ^= h >> 32
    return _signed(h)


def _signed(word: int) -> int:
    return word - (1 << _WORD) if word >> (_WORD - 1) else word


def _rotate(x: Words, bits: int) -> Words:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


def _mix(h: Words) -> Words:
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))


def _round(lane: Words, word: Words) -> Words:
    return _rotate(lane + word * _P2, 31) * _P1


def _absorb(h: Words, word: Words) -> Words:
    return _rotate(h ^ _round(np.zeros_like(word), word), 27) * _P1 + _P4


def _hash_longs(x: npt.NDArray[np.int64], seed: np.uint64 | Words) -> Words:
    with np.errstate(over="ignore"):
        start = np.full(len(x), seed + _P5 + np.uint64(8), np.uint64)
        return _mix(_absorb(start, x.view(np.uint64)))


def _hash_strings(values: pa.Array, seed: np.uint64 | Words) -> Words:
    """XXH64 of all strings at once: each step advances every string that is long enough."""
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    data = values.buffers()[2]
    # Eight spare bytes, so that a word may be read at any byte of the data.
    raw = np.concatenate([np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8), np.zeros(8, np.uint8)])
    words = np.ndarray((len(raw) - 7,), "<u8", raw, strides=(1,))
    position, end = offsets[:-1].copy(), offsets[1:]
    length = end - position
    with np.errstate(over="ignore"):
        h = np.full(len(values), seed + _P5, np.uint64)
        long = np.nonzero(length >= 32)[0]
        if len(long):
            h[long] = _stripes(words, position, end, long, seed)
        h += length.astype(np.uint64)
        while len(active := np.nonzero(position + 8 <= end)[0]):
            h[active] = _absorb(h[active], words[position[active]])
            position[active] += 8
        active = np.nonzero(position + 4 <= end)[0]
        half = words[position[active]] & np.uint64(0xFFFFFFFF)
        h[active] = _rotate(h[active] ^ (half * _P1), 23) * _P2 + _P3
        position[active] += 4
        while len(active := np.nonzero(position < end)[0]):
            byte = raw[position[active]].astype(np.uint64)
            h[active] = _rotate(h[active] ^ (byte * _P5), 11) * _P1
            position[active] += 1
        return _mix(h)


def _stripes(
    words: Words,
    position: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    long: npt.NDArray[np.intp],
    seed: np.uint64 | Words,
) -> Words:
    """The 32-byte loop, for the strings ``long``; advances their ``position``."""
    starts = (seed + _P1 + _P2, seed + _P2, seed, seed - _P1)
    lanes = [np.full(len(position), s, np.uint64) for s in starts]
    while len(active := long[position[long] + 32 <= end[long]]):
        for i, lane in enumerate(lanes):
            lane[active] = _round(lane[active], words[position[active] + 8 * i])
        position[active] += 32
    v = [lane[long] for lane in lanes]
    h = _rotate(v[0], 1) + _rotate(v[1], 7) + _rotate(v[2], 12) + _rotate(v[3], 18)
    for lane in v:
        h = (h ^ _round(np.zeros_like(lane), lane)) * _P1 + _P4
    return h

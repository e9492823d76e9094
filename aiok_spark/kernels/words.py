r"""Words of texts, and what their frequency tells.

What is a word is said by tables that Spark and Python share, not by either's own idea of letters and of case:

* a capital letter below U+0530 (Latin, Greek, Cyrillic) becomes the one small letter that Unicode gives it;
* a word is a run of characters that are none of ``SEPARATORS``: ASCII but letters, digits and ``_``; the signs of
  Latin-1; U+2000 to U+2BFF (punctuation, arrows, symbols); the punctuation of CJK and its full-width forms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aiok_spark.kernels.hashing import xxhash64
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.lists import list_of, rows_of
from aiok_spark.kernels.program import RowKernel

CAPITALS = "".join(c for c in map(chr, range(0x530)) if c.lower() != c and len(c.lower()) == 1)
SMALL = "".join(c.lower() for c in CAPITALS)  # one by one, as a final sigma is small in its own way
SEPARATORS = (
    r"[\u0000-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u1680"
    r"\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ufe10-\ufe1f\ufe30-\ufe6f\uff00-\uff0f\uff1a-\uff20"
    r"\uff3b-\uff40\uff5b-\uff65]+"
)
_TO_SMALL = str.maketrans(CAPITALS, SMALL)
_BETWEEN = re.compile(SEPARATORS)
NO_BUCKET = 0  # of words outside the vocabulary


def words(text: str) -> list[str]:
    """The words of a text, in order, in small letters."""
    return [word for word in _BETWEEN.split(text.translate(_TO_SMALL)) if word]


def buckets(counts: npt.NDArray[np.int64], number: int) -> npt.NDArray[np.int32]:
    """Bucket, from 1, of each word, given how often each occurs, most frequent first.

    ``1 + number * (occurrences of the words before) // (occurrences of all)``: so each bucket has about as many
    occurrences as any other.
    """
    total = int(counts.sum())
    before = (np.cumsum(counts) - counts).tolist()
    return np.array([1 + number * n // total for n in before], np.int32)  # Python's integers do not overflow


@dataclass(frozen=True)
class Result:
    """What to tell of the words of a text.

    Attributes
    ----------
    kind : str
        "buckets": the bucket of each word, in order. "top": the ``width`` buckets with the most of the text's words,
        each a result of its own. "counts": how often the text has each of ``width`` words.
    width : int
        See ``kind``.
    """

    kind: str
    width: int


def word_values(columns: list[pa.Array], index: KeyIndex, seed: int, result: Result) -> list[pa.Array]:
    """Results of a column of texts; ``index`` has the bucket of a word's key, or for "counts" its place."""
    split = [words(text) for text in columns[0].to_pylist() if text is not None]
    lengths = np.zeros(len(columns[0]), np.int64)
    lengths[np.asarray(columns[0].is_valid())] = list(map(len, split))
    found = index.find(xxhash64(pa.array([word for row in split for word in row], pa.string()), seed))
    return _results(found, np.repeat(np.arange(len(lengths)), lengths), lengths, columns[0].is_null(), result)


def word_keys(columns: list[pa.Array], index: KeyIndex, result: Result) -> list[pa.Array]:
    """The same of lists of keys, which the JVM made of the words."""
    rows, keys = rows_of(columns[0])
    lengths = np.bincount(rows, minlength=len(columns[0]))
    found = index.find(keys.to_numpy(zero_copy_only=False))
    return _results(found, rows, lengths, columns[0].is_null(), result)


def _results(
    found: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    missing: pa.Array,
    result: Result,
) -> list[pa.Array]:
    known = found >= 0
    if result.kind == "counts":
        at = rows[known] * result.width + found[known]
        numbers = np.bincount(at, minlength=len(lengths) * result.width).astype(float)
        return [list_of(numbers, np.full(len(lengths), result.width))]
    if result.kind == "buckets":
        return [list_of(np.where(known, found, NO_BUCKET).astype(np.int32), lengths, missing)]
    top = np.full((len(lengths), result.width), NO_BUCKET, np.int32)
    pairs, often = np.unique(np.stack([rows[known], found[known]]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -often, pairs[0]))
    row, bucket = pairs[0][order], pairs[1][order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    first = rank < result.width
    top[row[first], rank[first]] = bucket[first]
    return [pa.array(top[:, i], mask=np.asarray(missing)) for i in range(result.width)]


def word_row(ids: dict[str, int], result: Result) -> RowKernel:
    """Like ``word_values``, for the text of one row; ``ids`` has what ``index`` has, by word."""

    def one(text: Any) -> list[Any]:
        if text is not None and not isinstance(text, str):
            raise TypeError("expected a text")
        found = [ids.get(word) for word in words(text or "")]
        known = [i for i in found if i is not None]
        if result.kind == "counts":
            return [_counts(known, result.width)]
        if text is None:
            return [None] * (result.width if result.kind == "top" else 1)
        if result.kind == "buckets":
            return [[NO_BUCKET if i is None else i for i in found]]
        often = Counter(known)
        top = sorted(often, key=lambda i: (-often[i], i))[: result.width]
        return top + [NO_BUCKET] * (result.width - len(top))

    return lambda values: one(values[0])


def _counts(places: Sequence[int], width: int) -> list[float]:
    numbers = [0.0] * width
    for at in places:
        numbers[at] += 1.0
    return numbers

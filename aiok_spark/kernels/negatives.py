"""Draw items that were not seen, by the hash of a row: the same whatever else is drawn, and wherever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import hash_rows, xxhash64
from aiok_spark.kernels.keyindex import KeyIndex

Ints = npt.NDArray[np.int64]

_TRIES = 64  # draws for each negative, before all that is left is looked at


@dataclass(frozen=True)
class Items:
    """What is drawn from.

    Attributes
    ----------
    values : pyarrow.Array
        The items.
    index : KeyIndex
        Place of each item among them, by its key.
    seed : int
        Of the keys (see ``hashing``).
    totals : array of float
        Running sum of the items' weights.
    """

    values: pa.Array = field(repr=False)
    index: KeyIndex = field(repr=False)
    seed: int
    totals: npt.NDArray[np.float64] = field(repr=False)

    @classmethod
    def build(cls, values: pa.Array, keys: Ints, seed: int, counts: Ints, power: float) -> Items:
        """Items with the weight ``count ** power`` each."""
        weights = counts.astype(np.float64) ** power
        return cls(values, KeyIndex.build(keys, np.arange(len(keys), dtype=np.int32)), seed, np.cumsum(weights))


def negatives_of_groups(columns: list[pa.Array], items: Items, number: int) -> list[pa.Array]:
    """Negatives of rows that share what they have seen.

    Parameters
    ----------
    columns : list of pyarrow.Array
        For each group the hashes of its rows (list of int64; null: no negatives), and the keys of the items that it
        has seen.
    items : Items
        What to draw from.
    number : int
        Negatives of each row.

    Returns
    -------
    list of pyarrow.Array
        For each group ``number`` items for each of its rows, one row after the other, null where there are no more.
    """
    rows, seen = columns
    hashes, group = _flat(rows)
    none = np.asarray(pc.is_null(hashes))
    keys, seen_by = _flat(seen)
    found = draw(
        pc.fill_null(hashes, 0).to_numpy(zero_copy_only=False),
        group,
        items.index.find(keys.to_numpy(zero_copy_only=False)),
        seen_by,
        items.totals,
        number,
    )
    found[none] = -1
    lengths = np.bincount(group, minlength=len(rows)) * number
    return [_lists(items.values, found.ravel(), lengths)]


def negatives_of_lists(columns: list[pa.Array], items: Items, number: int, keys: int, seed: int) -> list[pa.Array]:
    """Negatives of the items of lists: ``number`` for the first, then for the second, and so on.

    Parameters
    ----------
    columns : list of pyarrow.Array
        The lists; ``keys`` columns that tell rows apart; further items, or lists of them, that are not drawn.
    items : Items
        What to draw from.
    number : int
        Negatives of each item.
    keys : int
        How many columns are keys.
    seed : int
        From ``seed_of``.
    """
    lists, others = columns[0], columns[1 + keys :]
    _, row = _flat(lists)
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(lists)))])
    place = np.arange(len(row)) - starts[row]
    hashes = xxhash64(pa.array(place), hash_rows(columns[1 : 1 + keys], seed)[row])
    seen, seen_by = zip(*[_found(column, items) for column in [lists, *others]], strict=True)
    found = draw(hashes, row, np.concatenate(seen), np.concatenate(seen_by), items.totals, number)
    there = found >= 0
    lengths = np.bincount(row, weights=there.sum(axis=1), minlength=len(lists)).astype(np.int64)
    return [_lists(items.values, found[there], lengths, pc.is_null(lists) if lists.null_count else None)]


def draw(
    hashes: Ints,
    group: Ints,
    seen: npt.NDArray[np.int32],
    seen_by: Ints,
    totals: npt.NDArray[np.float64],
    number: int,
) -> Ints:
    """Different items for each row that its group has not seen, one after the other by their weights.

    Parameters
    ----------
    hashes, group : array of int64
        Hash of each row, and the group it belongs to.
    seen, seen_by : array
        Places of items that were seen (negative ones are left out), and by which group.
    totals : array of float
        Running sum of the items' weights.
    number : int
        Items for each row.

    Returns
    -------
    array of int64
        Places of items, of shape (rows, number); -1 where there are no more.

    Notes
    -----
    Draw j of a row is its hash continued by j, as a place in the running sum.  What was seen or drawn before is passed
    over.  A row that has too few after many draws gets the first of all others in an exponential race, which has the
    same distribution.
    """
    size = len(totals)
    known = seen >= 0
    taken = np.unique(seen_by[known] * size + seen[known])  # a pair of group and item as one number, in order
    groups = int(group.max()) + 1 if len(group) else 0
    left = size - np.bincount(taken // size, minlength=groups)
    wanted = np.minimum(left, number)[group]
    found, had = np.full((len(hashes), number), -1, np.int64), np.zeros(len(hashes), np.int64)
    rows = np.flatnonzero(wanted > 0)
    for j in range(_TRIES * number):
        if not len(rows):
            break
        drawn = np.minimum(np.searchsorted(totals, _shares(hashes[rows], j) * totals[-1], side="right"), size - 1)
        new = ~_among(taken, group[rows] * size + drawn) & ~(found[rows] == drawn[:, None]).any(axis=1)
        at = rows[new]
        found[at, had[at]] = drawn[new]
        had[at] += 1
        rows = rows[had[rows] < wanted[rows]]
    weights = np.diff(totals, prepend=0.0) if len(rows) else totals
    rows = rows[np.argsort(group[rows], kind="stable")]
    for some in np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1) if len(rows) else ():
        first, last = np.searchsorted(taken, np.array([0, 1]) * size + group[some[0]] * size)
        others = np.delete(np.arange(size), taken[first:last] % size)
        for row in some:
            arrival = -np.log1p(-_shares(hashes[row : row + 1], others + _TRIES * number)) / weights[others]
            arrival[np.searchsorted(others, found[row, : had[row]])] = np.inf
            best = np.argsort(arrival, kind="stable")[: wanted[row] - had[row]]
            found[row, had[row] : wanted[row]] = others[best]
    return found


def _shares(hashes: Ints, j: int | Ints) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) of the hashes continued by j."""
    hashes, each = np.broadcast_arrays(hashes, np.asarray(j, np.int64))
    top = xxhash64(pa.array(each), np.ascontiguousarray(hashes)).view(np.uint64) >> np.uint64(11)
    return top.astype(np.float64) * 2.0**-53


def _among(taken: Ints, wanted: Ints) -> npt.NDArray[np.bool_]:
    """Which of ``wanted`` are in ``taken``, which is in order."""
    if not len(taken):
        return np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(taken, wanted), len(taken) - 1)
    return taken[at] == wanted


def _flat(lists: pa.Array) -> tuple[pa.Array, Ints]:
    """The values of lists, and the row of each."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return lists.flatten(), np.repeat(np.arange(len(lists)), lengths)


def _found(column: pa.Array, items: Items) -> tuple[npt.NDArray[np.int32], Ints]:
    """Place of each item of a column, or of lists of items, and its row; -1 for null and what is no item."""
    values, row = _flat(column) if pa.types.is_list(column.type) else (column, np.arange(len(column)))
    found = items.index.find(xxhash64(values, items.seed))
    if values.null_count:
        found[np.asarray(pc.is_null(values))] = -1
    return found, row


def _lists(values: pa.Array, places: Ints, lengths: Sequence[int] | Ints, mask: pa.Array | None = None) -> pa.Array:
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values.take(pa.array(places, mask=places < 0)), mask=mask)

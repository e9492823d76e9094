"""A table from 64-bit keys to ids."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_SMALL = 1 << 16  # keys up to which the table may be sparse, as it stays in the processor's cache
_LAST = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class KeyIndex:
    """64-bit keys and the id of each, in a hash table that numpy can search.

    The keys are hashes, so evenly spread: their top bits are the slot where a search starts.  The
    slots hold the keys in ascending order with gaps (linear probing that keeps the order), so a
    search goes on while it sees smaller keys, which it rarely does.  A slot is empty if it holds the
    largest key, which ends every search.
    """

    keys: npt.NDArray[np.uint64] = field(repr=False)
    ids: npt.NDArray[np.int32] = field(repr=False)
    shift: int

    @classmethod
    def build(cls, keys: npt.NDArray[np.int64], ids: npt.NDArray[np.int32]) -> KeyIndex:
        """From unique keys in any order."""
        unsigned = keys.view(np.uint64)
        order = np.argsort(unsigned, kind="stable")
        unsigned, ids = unsigned[order], ids[order]
        bits = max(1, int(len(keys) * (4 if len(keys) <= _SMALL else 1.5)).bit_length())
        at = np.arange(len(keys))
        first = (unsigned >> np.uint64(64 - bits)).astype(np.int64)
        # Each key's own slot, or the one after its predecessor's where that is taken.
        slots = np.maximum.accumulate(first - at) + at
        size = max(1 << bits, int(slots[-1]) + 1 if len(slots) else 0) + 1
        table, values = np.full(size, _LAST), np.full(size, -1, np.int32)
        table[slots], values[slots] = unsigned, ids
        return cls(table, values, 64 - bits)

    def find(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Id of each key, -1 where it is unknown."""
        wanted = keys.view(np.uint64)
        slots = (wanted >> np.uint64(self.shift)).view(np.int64)
        found = self.keys.take(slots)
        searching = np.flatnonzero(found < wanted)
        while len(searching):
            slots[searching] += 1
            now = self.keys.take(slots[searching])
            found[searching] = now
            searching = searching[now < wanted[searching]]
        ids = self.ids.take(slots)
        ids[found != wanted] = -1
        return ids

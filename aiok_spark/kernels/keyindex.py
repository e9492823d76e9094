"""A table from 64-bit keys to ids."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class KeyIndex:
    """Sorted unique 64-bit keys and the id of each.

    The keys are hashes, so evenly spread: their top bits say where to look, and a table of
    2^bits starting points makes a look-up one or two memory reads instead of a binary search.
    """

    keys: npt.NDArray[np.uint64]
    ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32] = field(repr=False)
    shift: int

    @classmethod
    def build(cls, keys: npt.NDArray[np.int64], ids: npt.NDArray[np.int32]) -> KeyIndex:
        """From unique keys in any order."""
        unsigned = keys.view(np.uint64)
        order = np.argsort(unsigned, kind="stable")
        bits = max(1, int(2 * len(keys)).bit_length())
        shift = 64 - bits
        unsigned = unsigned[order]
        counts = np.bincount((unsigned >> np.uint64(shift)).astype(np.int64), minlength=1 << bits)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        # A last key above all others' bucket, so that a look-up never runs off the end.
        return cls(
            np.append(unsigned, np.uint64(2**64 - 1)),
            np.append(ids[order], np.int32(-1)).astype(np.int32),
            starts,
            shift,
        )

    def find(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Id of each key, -1 where it is unknown."""
        wanted = keys.view(np.uint64)
        at = self.starts[(wanted >> np.uint64(self.shift)).view(np.int64)]
        found = self.keys[at]
        open_ = np.nonzero(found < wanted)[0]  # the next key of the bucket may be the one
        last = len(self.keys) - 1
        while len(open_):
            at[open_] += 1
            now = self.keys[at[open_]]
            found[open_] = now
            open_ = open_[(now < wanted[open_]) & (at[open_] < last)]
        return np.where(found == wanted, self.ids[at], np.int32(-1))

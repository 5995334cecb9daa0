"""What a transformer made of the histories that it was trained on, so that nobody who has done nothing since is run
through it again.

A window of events is known by a digest of all that its state depends on, so that whoever acts is not found, and
another moment of asking is another window.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

DIGEST = 8
"""Bytes of a key: of a million windows, two have the same one with a chance of 3e-8."""


@dataclass(frozen=True)
class KnownStates:
    """States by key, in the order of the keys."""

    keys: NDArray[np.uint64]
    states: NDArray[np.float32]
    """(key, width)."""

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Returns the row of each of some keys, -1 where it is not known."""
        rows = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        return np.where(self.keys[rows] == keys, rows, -1) if len(self.keys) else np.full(len(keys), -1)


NONE = KnownStates(np.empty(0, np.uint64), np.empty((0, 0), np.float32))
"""Of a transformer that knows no history."""


def known(keys: NDArray[np.uint64], states: NDArray[np.float32]) -> KnownStates:
    """Returns states, parallel to the keys in any order, to be found by them."""
    keys, first = np.unique(keys, return_index=True)
    return KnownStates(keys, np.ascontiguousarray(states[first]))


def key_of(*parts: NDArray[np.integer]) -> int:
    """Returns the key of a window: of its events' items, their times and so on, each without a gap in memory."""
    digest = blake2b(digest_size=DIGEST)
    for part in parts:
        digest.update(part.data)
    return int.from_bytes(digest.digest(), "little")

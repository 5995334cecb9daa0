"""What a transformer made of the histories that it was trained on, so that nobody who has done nothing since is run
through it again.

A window of events is known by a digest of all that its state depends on, so that whoever acts is not found, and
another moment of asking is another window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import cast

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

    def rows(self, keys: Sequence[int]) -> list[int]:
        """Returns the row of each of some keys, -1 where it is not known; of one key ten times as fast as in numpy."""
        rows = [bisect_left(self._listed, key) for key in keys]
        known = len(self.keys)
        return [row if row < known and self._listed[row] == key else -1 for row, key in zip(rows, keys, strict=True)]

    @cached_property
    def _listed(self) -> Sequence[int]:
        """The keys in the same memory, as Python takes them."""
        return cast("Sequence[int]", np.ascontiguousarray(self.keys).data)


NONE = KnownStates(np.empty(0, np.uint64), np.empty((0, 0), np.float32))
"""Of a transformer that knows no history."""


def known(keys: Sequence[int], states: NDArray[np.float32]) -> KnownStates:
    """Returns states, parallel to the keys in any order, to be found by them."""
    sorted_keys, first = np.unique(np.array(keys, np.uint64), return_index=True)
    return KnownStates(sorted_keys, np.ascontiguousarray(states[first]))


def key_of(*parts: memoryview) -> int:
    """Returns the key of a window: of its events' items, their times and so on, each without a gap in memory."""
    digest = blake2b(digest_size=DIGEST)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")

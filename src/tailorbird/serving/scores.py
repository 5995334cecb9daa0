"""One row of a model's scores, and what answers need of it again and again while the user does nothing."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.top_k import best_items

ORDERED = 1000
"""Best items that are put in order once: twice the longest answer, so that a filter which forbids half of them finds
enough; of a row of ml-1m's 3,416 items that takes 60 µs, and a stricter filter has all items put in order."""
DERIVED = 6
"""Things made of a row that are kept: chances to be explored, and answers without and with a filter or two."""
LISTED = 50
"""Items of an answer of which something is kept; the usual one has 25, and the longest, of 500, take 70 kB each."""
DERIVED_BYTES = 32 << 10
"""Of `DERIVED` things of `LISTED` items, about: a ranked item takes 140 bytes with its places in a list and a dict."""

SCORE_DIGITS = 7
"""Spec recipes-and-runtime 4.2."""
ONE = 10.0**SCORE_DIGITS
"""In units of the last digit. To round to whole ones takes Python 0.10 µs, to so many digits 0.25."""

Mask = NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of its items to one question. What is derived from it is made once; it is thread-safe."""

    values: NDArray[np.float32]
    """(item) Higher is better, -inf never recommended."""
    _derived: dict[Hashable, tuple[Mask | None, Any]] = field(default_factory=dict)

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """The `ORDERED` best items that may be recommended, best first, ties by number."""
        return _finite(self.values, best_items(self.values[None, :], ORDERED)[0]).astype(np.int32)

    @cached_property
    def scale(self) -> Scale:
        """That of the whole catalogue."""
        return scale(self.values)

    def best(self, count: int, allowed: Mask | None = None) -> NDArray[np.integer[Any]]:
        """The `count` best items of those allowed, best first; fewer where there are fewer."""
        if count <= ORDERED:
            found = self.order if allowed is None else self.order[allowed[self.order]]
            if len(found) >= count or len(self.order) < ORDERED or len(self.values) <= ORDERED:
                return found[:count]
        values = self.values if allowed is None else np.where(allowed, self.values, -np.inf)
        return _finite(values, best_items(values[None, :], count)[0])

    def derived(self, what: Hashable, allowed: Mask | None, make: Callable[[], T], length: int = 0) -> T:
        """What `make` makes of the row and a mask; the newest `DERIVED` such are kept.

        Not kept is what is of more than `LISTED` items, its `length`, and what a mask that may be written to makes:
        such a one is of this request alone.
        """
        if length > LISTED or (allowed is not None and allowed.flags.writeable):
            return make()
        key = what, id(allowed)
        kept = self._derived.get(key)
        if kept is None or kept[0] is not allowed:
            kept = self._derived[key] = allowed, make()
            for old in list(self._derived)[:-DERIVED]:  # a copy, since other threads may add meanwhile
                self._derived.pop(old, None)
        found: T = kept[1]
        return found

    @property
    def size(self) -> int:
        """Bytes in memory, about: the row, its order, and what is derived, chances of all items among it."""
        return 2 * self.values.nbytes + 4 * ORDERED + DERIVED_BYTES


class Recent(Generic[T]):
    """What was made for those who asked a model lately; safe to use from many threads."""

    def __init__(self) -> None:
        self._held = 0
        self._kept: OrderedDict[Hashable, tuple[Hashable, T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, asker: Hashable, mark: Hashable) -> T | None:
        """What is kept for an asker, if it was made under this mark."""
        with self._lock:
            kept = self._kept.get(asker)
            if kept is None or kept[0] != mark:
                return None
            self._kept.move_to_end(asker)
            return kept[1]

    def keep(self, asker: Hashable, mark: Hashable, value: T, size: int, most: int) -> None:
        """Keeps what was made for an asker under a mark, of `size` bytes.

        most: bytes to hold; of more, those who asked longest ago are forgotten.
        """
        with self._lock:
            self._drop(asker)
            self._kept[asker] = mark, value, size
            self._held += size
            while self._held > most:
                self._drop(next(iter(self._kept)))

    def _drop(self, asker: Hashable) -> None:
        if (kept := self._kept.pop(asker, None)) is not None:
            self._held -= kept[2]


@dataclass(frozen=True)
class Scale:
    """What turns scores into shares of the probability by softmax (spec recipes-and-runtime 4.2)."""

    top: float
    total: float

    def shown(self, value: float) -> float:
        """The share of a score as clients get it."""
        return round(math.exp(value - self.top) / self.total * ONE) / ONE

    def shown_all(self, values: NDArray[np.float32]) -> list[float]:
        """`shown` of each."""
        shares = np.exp(values.astype(np.float64) - self.top) / self.total
        return list((np.rint(shares * ONE) / ONE).tolist())


def scale(values: NDArray[np.float32]) -> Scale:
    """The scale on which the shares of these scores sum to 1; all are 0 where none is finite."""
    top = float(values.max(initial=-np.inf))
    if not np.isfinite(top):
        return Scale(0.0, np.inf)
    return Scale(top, float(np.exp(values.astype(np.float64) - top).sum()))


def _finite(values: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(places[np.isfinite(values[places])])

"""One row of a model's scores, and what answers need of it again and again while the user does nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.top_k import best_items

ORDERED = 1000
"""Best items that are put in order once: twice the longest answer, so that a filter which forbids half of them finds
enough; of a row of ml-1m's 3,416 items that takes 60 µs, and a stricter filter has all items put in order."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of its items to one question. What is derived from it is made once; it is thread-safe."""

    values: NDArray[np.float32]
    """(item) Higher is better, -inf never recommended."""
    derived: dict[Any, Any] = field(default_factory=dict)
    """What others made of the row, by what they made it of."""

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The `ORDERED` best items that may be recommended, best first, ties by number."""
        return _finite(self.values, best_items(self.values[None, :], ORDERED)[0])

    @cached_property
    def scale(self) -> Scale:
        """That of the whole catalogue."""
        return scale(self.values)

    def best(self, count: int, allowed: Mask | None = None) -> NDArray[np.int64]:
        """The `count` best items of those allowed, best first; fewer where there are fewer."""
        if count <= ORDERED:
            found = self.order if allowed is None else self.order[allowed[self.order]]
            if len(found) >= count or len(self.order) < ORDERED or len(self.values) <= ORDERED:
                return found[:count]
        values = self.values if allowed is None else np.where(allowed, self.values, -np.inf)
        return _finite(values, best_items(values[None, :], count)[0])

    @property
    def size(self) -> int:
        """Bytes in memory, about: the row, its order, and as much again of what others derive."""
        return 2 * self.values.nbytes + 16 * ORDERED


class RecentScores:
    """The rows of those who asked a model lately; safe to use from many threads."""

    def __init__(self) -> None:
        self._held = 0
        self._rows: OrderedDict[Hashable, tuple[Hashable, Scores]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, asker: Hashable, mark: Hashable, make: Callable[[], Scores], most: int) -> Scores:
        """The row of an asker, made by `make` where there is none, or the one kept was made under another mark.

        most: bytes to hold; of more, those who asked longest ago are forgotten.
        """
        with self._lock:
            kept = self._rows.get(asker)
            if kept is not None and kept[0] == mark:
                self._rows.move_to_end(asker)
                return kept[1]
        scores = make()
        with self._lock:
            self._drop(asker)
            self._rows[asker] = mark, scores
            self._held += scores.size
            while self._held > most:
                self._drop(next(iter(self._rows)))
        return scores

    def has(self, asker: Hashable, mark: Hashable) -> bool:
        """Whether `of` would make nothing."""
        with self._lock:
            kept = self._rows.get(asker)
        return kept is not None and kept[0] == mark

    def _drop(self, asker: Hashable) -> None:
        if (kept := self._rows.pop(asker, None)) is not None:
            self._held -= kept[1].size


@dataclass(frozen=True)
class Scale:
    """What turns scores into shares of the probability by softmax (spec recipes-and-runtime 4.2)."""

    top: float
    total: float

    def shares(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The shares of some scores."""
        return np.asarray(np.exp(values.astype(np.float64) - self.top) / self.total)


def scale(values: NDArray[np.float32]) -> Scale:
    """The scale on which the shares of these scores sum to 1; all are 0 where none is finite."""
    top = float(values.max(initial=-np.inf))
    if not np.isfinite(top):
        return Scale(0.0, np.inf)
    return Scale(top, float(np.exp(values.astype(np.float64) - top).sum()))


def _finite(values: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(places[np.isfinite(values[places])])

"""The best columns of rows of scores, and what a place in a list is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = 4
"""Of a table of the scores, by length of the list: the best of so many columns' highest scores are nearly the list's.
Of 3,883, 10,000 and 100,000 scores the 100 highest take 13, 14 and 45 µs, by partition alone 27, 44 and 227."""


def best_items(scores: NDArray[np.float32], length: int) -> NDArray[np.int64]:
    """Returns the columns of the `length` highest scores of each row, best first, ties by column."""
    length = min(length, scores.shape[1])
    return np.array([first_items(row, length) for row in scores], np.int64).reshape(len(scores), length)


def first_items(scores: NDArray[Any], length: int) -> NDArray[np.int64]:
    """Returns the places of the `length` highest scores there are, best first, ties by place, also at the last one."""
    if not 0 < length < len(scores):
        return np.argsort(-scores, kind="stable")[:length]
    bound = _bound(scores, length)
    places = np.flatnonzero(scores >= bound if bound > -np.inf else scores > -np.inf)
    best = places[np.argsort(-scores[places], kind="stable")[:length]]
    if len(best) < length:  # the others are all alike
        best = np.append(best, np.flatnonzero(scores == -np.inf)[: length - len(best)])
    return best


def _bound(scores: NDArray[Any], length: int) -> float:
    """A number that at least `length` scores reach, and few more do; they are more than `length`."""
    columns = COLUMNS * length
    rows = len(scores) // columns
    if rows > 1:
        highest = scores[: rows * columns].reshape(rows, columns).max(axis=0)
        bound = np.partition(highest, -length)[-length]
        if bound > -np.inf:
            return float(bound)
    return float(np.partition(scores, -length)[-length])


def padded(items: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Returns a list at its length, cut or with -1 behind it."""
    return np.pad(items[:length], (0, max(0, length - len(items))), constant_values=-1)


def discounts(length: int) -> NDArray[np.float64]:
    """Returns what a hit at each rank counts in DCG, the first rank first (Jarvelin and Kekalainen, 2002)."""
    return np.asarray(1 / np.log2(np.arange(2, length + 2)))

"""The best columns of rows of scores, and what a place in a list is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_items(scores: NDArray[np.float32], length: int) -> NDArray[np.int64]:
    """Returns the columns of the `length` highest scores of each row, best first, ties by column."""
    length = min(length, scores.shape[1])
    best = np.sort(np.argpartition(-scores, length - 1, axis=1)[:, :length], axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def first_items(scores: NDArray[np.float32], length: int) -> NDArray[np.int64]:
    """Returns the places of the `length` highest scores there are, best first, ties by place, also at the last one."""
    if length >= len(scores):
        return np.argsort(-scores, kind="stable")
    candidates = np.flatnonzero(scores >= np.partition(scores, -length)[-length])
    return candidates[np.argsort(-scores[candidates], kind="stable")[:length]]


def padded(items: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Returns a list at its length, cut or with -1 behind it."""
    return np.pad(items[:length], (0, max(0, length - len(items))), constant_values=-1)


def discounts(length: int) -> NDArray[np.float64]:
    """Returns what a hit at each rank counts in DCG, the first rank first (Jarvelin and Kekalainen, 2002)."""
    return np.asarray(1 / np.log2(np.arange(2, length + 2)))

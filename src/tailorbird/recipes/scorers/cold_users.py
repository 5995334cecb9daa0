"""Someone without a history gets what users do first, and what is popular now (spec recipes-and-runtime 1.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions

FIRST_ITEMS = 10
"""How many of a user's first rows tell what users do first: as many as the longest history of a newcomer in P6 of
bench/quality; not tuned."""
UNSEEN = 1e-3
"""Rows that an item has beforehand, so that logs are finite: a thousandth of a first row; not tuned."""


def first_shares(data: Interactions) -> NDArray[np.float32]:
    """Returns the log share of each item among the first rows of all users."""
    place = np.arange(len(data.user)) - user_bounds(data)[data.user]
    counts = np.bincount(data.item[place < FIRST_ITEMS], minlength=len(data.items)) + UNSEEN
    return np.asarray(np.log(counts / counts.sum()), np.float32)


def logits(first: NDArray[np.float32], recent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the geometric mean of two shares, all as logs."""
    return np.asarray((first + recent) / 2, np.float32)

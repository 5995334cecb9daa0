"""Which of their own items people come back to: buckets of how often and how recently.

Buckets have no scores of their own: the blend learns one for each, next to the weights of the scorers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.recipe import Query

BUCKETS = 12
"""Two (once or oftener) for each of the six places that `buckets` tells apart."""


def buckets(query: Query) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Returns a history's distinct items and the bucket of each.

    A bucket tells whether the item occurred once or more often, whether its last occurrence is of the same
    second as the newest interaction, and its place among the recent items (0, 1-2, 3 and more; of older
    seconds 0-4, 5-29, 30 and more).
    """
    if not len(query.items):
        return np.empty(0, np.int32), np.empty(0, np.int64)
    backwards = query.items[::-1]
    items, first, occurrences = np.unique(backwards, return_index=True, return_counts=True)
    place = np.argsort(np.argsort(first))
    same_second = query.timestamps[::-1][first] == query.timestamps[-1]
    recent = np.where(same_second, np.digitize(place, [1, 3]), 3 + np.digitize(place, [5, 30]))
    return items.astype(np.int32), 2 * recent + (occurrences > 1)


def positions(queries: Sequence[Query]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Returns row, column and bucket of every item in every query's history."""
    found = [buckets(query) for query in queries]
    rows = np.repeat(np.arange(len(queries)), [len(items) for items, _ in found])
    columns = np.concatenate([*(items for items, _ in found), np.empty(0, np.int32)])
    return rows, columns, np.concatenate([*(bucket for _, bucket in found), np.empty(0, np.int64)])

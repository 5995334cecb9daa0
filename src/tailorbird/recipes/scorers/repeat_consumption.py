"""Which of their own items people come back to: buckets of how often and how recently.

Buckets have no scores of their own: the blend learns one for each, next to the weights of the scorers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.sums import queries_of

BUCKETS = 12
"""Two (once or oftener) for each of the six places that `buckets` tells apart."""
OLD = 30
"""Rank of an item among the recent ones from which on all count alike."""
BY_RANK = np.stack([np.digitize(np.arange(OLD + 1), [1, 3]), 3 + np.digitize(np.arange(OLD + 1), [5, OLD])])
"""Half of the bucket of a rank: of the newest second, and of an older one."""


def buckets(query: Query) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Returns a history's distinct items and the bucket of each.

    A bucket tells whether the item occurred once or more often, whether its last occurrence is of the same
    second as the newest interaction, and its place among the recent items (0, 1-2, 3 and more; of older
    seconds 0-4, 5-29, 30 and more).
    """
    from tailorbird.recipes.scorers import kernels

    asked = queries_of([query])
    found = asked.recent(int(query.items.max(initial=-1)) + 1)
    bucket = np.empty(len(found.items), np.int64)
    kernels.buckets(found.bounds, found.place, found.repeated, asked.times, asked.histories.bounds, BY_RANK, bucket)
    return found.items, bucket

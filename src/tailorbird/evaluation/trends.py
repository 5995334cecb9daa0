"""The offline metric of aws-trending-now: how much of the growth to come was foreseen.

Growth is that of an item's share, as for the recipe: the interactions of the last interval beyond what the item's
share of the one before comes to. The last interval of the data is the test window: the model sees what lies before
it (spec recipes-and-runtime 3.2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tailorbird.evaluation.ranking import DIGITS, LIST_LENGTH, top_lists
from tailorbird.recipes import trending
from tailorbird.recipes.recipe import Interactions, Model, from_nobody

ACCURACY = "trending_prediction_accuracy"
"""AWS does not publish the key (spec recipes-and-runtime 3.2)."""


def accuracy(train: Callable[[Interactions], Model], data: Interactions, interval: int) -> float:
    """Returns the growth of the 25 items recommended over that of the 25 that grew most, 0 to 1, to 4 digits.

    interval: seconds. 0 where nothing grew, or nothing lies before the window.
    """
    times, end = data.stated_times, trending.last_end(int(data.timestamp.max(initial=0)), interval)
    before = times < end - interval
    if not before.any():
        return 0.0
    model = train(data.rows(before))
    previous, last = trending.counts(len(data.items), data.item, times, end, interval)
    growth = last - trending.traffic(previous, last) * previous
    (shown,) = top_lists(model, [from_nobody()])
    best = np.sort(growth)[::-1][:LIST_LENGTH].clip(0).sum()
    foreseen = growth[shown[shown >= 0]].sum()
    return round(float(np.clip(foreseen / best, 0, 1)), DIGITS) if best > 0 else 0.0

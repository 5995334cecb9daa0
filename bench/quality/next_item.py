"""What P1, P2 and P3 share: one item to foretell, the last of a user, from all that came before it.

Histories are removed from the rankings, and whole catalogues are ranked. A question carries the time of its truth,
which is what a request would carry.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quality.metrics import Unseen, ranking
from quality.protocol import Contestant
from tailorbird.evaluation import Scorer, Split
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions, Query

METRICS = ("NDCG@10", "HR@10")


def last_of_each(data: Interactions) -> Split:
    """Returns everything but each user's last item to train on, and that as the truth."""
    last = user_bounds(data)[1:] - 1
    kept = np.ones(len(data.user), bool)
    kept[last] = False
    return Split(data.rows(kept), *questions(data, np.arange(len(data.users))))


def questions(data: Interactions, users: NDArray[np.int64]) -> tuple[tuple[Query, ...], tuple[NDArray[np.int32], ...]]:
    """Returns for each of the users all but the last item, and the last."""
    bounds = user_bounds(data)
    queries, truths = [], []
    for start, end in zip(bounds[users].tolist(), bounds[users + 1].tolist(), strict=True):
        before = slice(start, end - 1)
        queries.append(Query(data.item[before], data.timestamp[before], now=int(data.timestamp[end - 1])))
        truths.append(data.item[end - 1 : end])
    return tuple(queries), tuple(truths)


def strict(one: Contestant) -> Contestant:
    """Returns a contestant that does not train on each user's last item but one, as most published ones do not.

    Those tune on it; our recipes choose by held-out users, so that they may have it for training. It is in the
    question either way.
    """

    def train(data: Interactions, seed: int) -> Scorer:
        return one.train(last_of_each(data).train, seed)

    return replace(one, name=f"{one.name}, strict", train=train)


def measure(model: Scorer, split: Split) -> dict[str, float]:
    """Returns the metrics with histories removed."""
    return ranking(Unseen(model), split.queries, split.truths, METRICS)

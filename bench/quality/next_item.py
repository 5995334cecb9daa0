"""What P1, P2 and P3 share: one item to foretell, the last of a user, from all that came before it.

Histories are removed from the rankings, and whole catalogues are ranked. A question carries the time of its truth,
which is what a request would carry.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quality.metrics import Unseen, ranking
from quality.peers.linear import EASE, ITEM_KNN, POPULAR
from quality.peers.rules import RULES
from quality.protocol import ALL, Values
from tailorbird.evaluation.ranking import Ranker, RankingSplit
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions, Query

METRICS = ("NDCG@10", "HR@10")
VALIDATION = 2000
"""Questions that settings of peers are chosen on."""


def last_of_each(data: Interactions) -> RankingSplit:
    """Returns everything but each user's last item to train on, and that as the truth."""
    bounds = user_bounds(data)
    kept = np.ones(len(data.user), bool)
    kept[bounds[1:][np.diff(bounds) > 0] - 1] = False
    return RankingSplit(data.rows(kept), *questions(data, np.flatnonzero(np.diff(bounds) > 1)))


def questions(data: Interactions, users: NDArray[np.int64]) -> tuple[tuple[Query, ...], tuple[NDArray[np.int32], ...]]:
    """Returns for each of the users all but the last item, and the last."""
    bounds = user_bounds(data)
    queries, truths = [], []
    for start, end in zip(bounds[users].tolist(), bounds[users + 1].tolist(), strict=True):
        before = slice(start, end - 1)
        queries.append(Query(data.item[before], data.timestamp[before], now=int(data.timestamp[end - 1])))
        truths.append(data.item[end - 1 : end])
    return tuple(queries), tuple(truths)


def strict(split: RankingSplit) -> RankingSplit:
    """Returns the split without each user's last training item, which most published work does not train on.

    They tune on it; our recipes choose by held-out users, so that they may have it for training. It is in the
    question either way.
    """
    return replace(split, train=last_of_each(split.train).train)


def order_only(data: Interactions) -> Interactions:
    """Returns the data without metadata, a row's time being its place in the user's history."""
    places = np.arange(len(data.user)) - user_bounds(data)[data.user]
    return replace(data, timestamp=places.astype(np.int64), item_columns={})


def measure(model: Ranker, split: RankingSplit) -> Values:
    """Returns the metrics with histories removed."""
    return ranking(Unseen(model), split.queries, split.truths, METRICS)


def validation(split: RankingSplit, seed: int) -> RankingSplit:
    """Returns a split one step further back: the last training item of some of the users is the truth."""
    back = last_of_each(split.train)
    asked = np.random.default_rng(seed).permutation(len(back.queries))[:VALIDATION]
    return RankingSplit(back.train, *(tuple(each[number] for number in asked) for each in (back.queries, back.truths)))


QUICK = (
    replace(
        EASE,
        grid=tuple(
            {"regularisation": regularisation, "last": last}
            for regularisation in (20.0, 100.0, 500.0, 2500.0)
            for last in (1, 3, 10, ALL)
        ),
    ),
    replace(
        ITEM_KNN,
        grid=tuple(
            {"neighbours": neighbours, "shrink": shrink, "last": last}
            for neighbours in (20, 100, 500)
            for shrink in (0.0, 5.0, 20.0, 100.0)
            for last in (1, 2, 5, ALL)
        ),
    ),
    RULES,
    POPULAR,
)
"""Peers that train in minutes."""

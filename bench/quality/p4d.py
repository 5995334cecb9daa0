"""P4d: the films of P4 once a user, films already seen left out, standard NDCG.

In P4 every watch repeats a click, which lifts everybody; here nothing can be repeated.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from quality import p4
from quality.metrics import Unseen, ranking
from quality.peers.linear import EASE, ITEM_KNN, POPULAR
from quality.protocol import TIMES, Protocol, Values, recipe
from tailorbird.evaluation.ranking import Ranker, RankingSplit, split
from tailorbird.recipes.recipe import Interactions

METRICS = ("NDCG@25", "NDCG@10", "HR@10", "recall@25", "MRR@25")


@cache
def load(folder: Path) -> Interactions:
    """Reads P4's rows and keeps each user's first with each item."""
    data = p4.load(folder)
    pairs = data.user.astype(np.int64) * len(data.items) + data.item
    return data.rows(np.sort(np.unique(pairs, return_index=True)[1]))


def measure(model: Ranker, asked: RankingSplit) -> Values:
    """Returns the metrics with each query's history removed from its list."""
    return ranking(Unseen(model), asked.queries, asked.truths, METRICS)


PROTOCOLS = (
    Protocol(
        "P4d",
        "next films without repeats, MovieLens small",
        "MovieLens ml-latest-small, ratings above 1, one row a user and item; split as P4; seen items removed; "
        "standard NDCG",
        TIMES,
        METRICS,
        lambda folder, seed: split(load(folder), seed),
        measure,
        (recipe("aws-user-personalization"), EASE, ITEM_KNN, POPULAR),
        validation=lambda asked, seed: split(asked.train, seed),
        validations=5,
        drawn=True,
        seeds=20,
    ),
)

"""P6: users whom the training did not see, after 1, 3, 5 and 10 events.

A random 80 % of MovieLens 1M's users train. Of each other user a random fifth of the films is the truth (strong
generalisation, as Liang et al., Variational autoencoders for collaborative filtering, WWW 2018), and the first
films of the rest are the question. Used: order alone; a row's time is its place in the user's history.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from quality.metrics import Unseen, ranking
from quality.peers.implicit_models import ALS, BPR
from quality.peers.linear import EASE, ITEM_KNN, POPULAR
from quality.protocol import ALL, ORDER, Protocol, Values, recipe
from tailorbird.evaluation.ranking import Ranker, RankingSplit
from tailorbird.recipes.matrices import keep_users, user_bounds
from tailorbird.recipes.recipe import Interactions, Query

EVENTS = (1, 3, 5, 10)
AFTER = tuple(f"NDCG@10 after {events}" for events in EVENTS)


@cache
def load(folder: Path) -> Interactions:
    """Reads the rows in the order that the literature uses: 6,040 users, 3,416 films."""
    rows = pl.read_parquet(folder / "ml-1m" / "interactions.parquet").drop_nulls("sas_position")
    rows = rows.sort("user_id", "sas_position")
    items, item = np.unique(rows["item_id"].to_numpy(), return_inverse=True)
    users, user = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
    return Interactions(
        users=users.astype(str),
        items=items.astype(str),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=rows["sas_position"].cast(pl.Int64).to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
    )


def split(data: Interactions, seed: int) -> RankingSplit:
    """Returns four queries a test user, one after each number of events."""
    rng = np.random.default_rng(seed)
    test = rng.random(len(data.users)) < 0.2
    bounds = user_bounds(data)
    queries, truths = [], []
    for user in np.flatnonzero(test).tolist():
        start, end = int(bounds[user]), int(bounds[user + 1])
        asked = np.zeros(end - start, bool)
        asked[rng.permutation(end - start)[: (end - start) // 5]] = True
        rest = start + np.flatnonzero(~asked)
        for events in EVENTS:
            queries.append(Query(data.item[rest[:events]], data.timestamp[rest[:events]]))
            truths.append(np.sort(data.item[start:end][asked]))
    return RankingSplit(keep_users(data, ~test), tuple(queries), tuple(truths))


def measure(model: Ranker, split: RankingSplit) -> Values:
    """Returns NDCG@10 after each number of events, and each user's mean of them."""
    gains = ranking(Unseen(model), split.queries, split.truths, ["NDCG@10"])["NDCG@10"].reshape(-1, len(EVENTS))
    return {"NDCG@10": gains.mean(axis=1), **dict(zip(AFTER, gains.T, strict=True))}


PROTOCOLS = (
    Protocol(
        "P6",
        "films for a newcomer after the first 1, 3, 5, 10, MovieLens 1M",
        "MovieLens 1M; users whom the training did not see, after their first 1, 3, 5 and 10 films; a random fifth of "
        "their films is the truth; seen items removed; judged for each number",
        ORDER,
        ("NDCG@10", *AFTER),
        lambda folder, seed: split(load(folder), seed),
        measure,
        (
            recipe("aws-user-personalization"),
            replace(
                EASE,
                grid=tuple({"regularisation": value, "last": ALL} for value in (3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6)),
            ),
            replace(
                ITEM_KNN,
                grid=tuple(
                    {"neighbours": neighbours, "shrink": shrink, "last": ALL}
                    for neighbours in (300, 1000, 3000)
                    for shrink in (20.0, 100.0, 500.0, 2500.0, 12500.0)
                ),
            ),
            ALS,
            BPR,
            POPULAR,
        ),
        validation=lambda outer, seed: split(outer.train, seed),
        judged_by=AFTER,
        drawn=True,
    ),
)

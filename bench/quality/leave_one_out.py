"""P1 and P2: each user's last item, from all that came before it; P3: the same after a moment that divides the data.

P1 and P2: the last item of each user is the truth and everything before it trains, the second last included: the
recipe chooses on it or learns from it as it will. Our recipe is also trained without it ("strict"), as most published
figures are, and asked with it. P3 trains on all rows up to the 0.9 quantile of all times; users with a later row are
asked for their last item by all others (Gusak et al., Time to Split, RecSys 2025). Histories are removed from the
rankings, and whole catalogues ranked.

Data: MovieLens 1M in the order and with the 3,416 films of SASRec (the data have times for half the users only, so
that a row's time is its place); Amazon Beauty, Sports and Outdoors as of S3-Rec, times to the day.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from quality.metrics import Unseen, ranking
from quality.p6 import load as load_films
from quality.peers.linear import ITEM_KNN, POPULAR
from quality.protocol import Contestant, Protocol, recipe
from tailorbird.evaluation import Scorer, Split
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Column, Interactions, Query

METRICS = ("NDCG@10", "HR@10")
LATEST = 0.1
"""Share of the rows that P3 tests on."""
OURS = "aws-user-personalization-v2"


@cache
def load_reviews(folder: Path, name: str) -> Interactions:
    """Reads reviews in the order of S3-Rec, with brands and categories as metadata."""
    rows = pl.read_parquet(folder / name / "interactions.parquet").sort("user_id", "position")
    items, item = np.unique(rows["item_id"].to_numpy(), return_inverse=True)
    users, user = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
    told = pl.DataFrame({"item_id": items}).join(
        pl.read_parquet(folder / name / "items.parquet"), on="item_id", how="left", maintain_order="left"
    )
    attributes = told["attributes"].cast(pl.List(pl.String)).list.join("|").to_list()
    return Interactions(
        users=users.astype(str),
        items=items.astype(str),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=rows["timestamp"].cast(pl.Int64).to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
        item_columns={"ATTRIBUTES": Column("categorical", np.array(attributes, object))},
    )


def last_of_each(data: Interactions) -> Split:
    """Returns a question a user, asked at the time of the truth."""
    last = user_bounds(data)[1:] - 1
    kept = np.ones(len(data.user), bool)
    kept[last] = False
    return Split(data.rows(kept), *_asked(data, np.arange(len(data.users))))


def after(data: Interactions, share: float = LATEST) -> Split:
    """Returns the rows before the latest `share`, and a question for each user with a later one."""
    moment = np.quantile(data.timestamp, 1 - share)
    last = user_bounds(data)[1:] - 1
    return Split(data.rows(data.timestamp <= moment), *_asked(data, np.flatnonzero(data.timestamp[last] > moment)))


def _asked(data: Interactions, users: np.ndarray) -> tuple[tuple[Query, ...], tuple[np.ndarray, ...]]:
    bounds = user_bounds(data)
    queries, truths = [], []
    for start, end in zip(bounds[users].tolist(), bounds[users + 1].tolist(), strict=True):
        before = slice(start, end - 1)
        queries.append(Query(data.item[before], data.timestamp[before], now=int(data.timestamp[end - 1])))
        truths.append(data.item[end - 1 : end])
    return tuple(queries), tuple(truths)


def without_validation(one: Contestant) -> Contestant:
    """Returns a contestant that is not trained on what is last in the training part."""

    def train(data: Interactions, seed: int) -> Scorer:
        return one.train(last_of_each(data).train, seed)

    return replace(one, name=f"{one.name}, strict", train=train)


def measure(model: Scorer, split: Split) -> dict[str, float]:
    """Returns the metrics with histories removed."""
    return ranking(Unseen(model), split.queries, split.truths, METRICS)


def _protocol(name: str, title: str, used: str, **more: object) -> Protocol:
    return Protocol(name, title, used, METRICS, measure=measure, over_peers=None, **more)  # type: ignore[arg-type]


REVIEWS = "order, timestamps, brands and categories, the day of the request"

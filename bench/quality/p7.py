"""P7: item to item. One item of a basket is given; what else is in it?

The newest tenth of the baskets are the questions, 2,000 of them at most: a random item of each that the older baskets
know, by the seed; its truth are the others. A basket is what a user bought at one second. Everything is ranked,
nothing left out but the item itself. The peers count users or baskets, whichever does better on validation data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from quality.metrics import ndcg
from quality.peers.related import COSINE, EASE, RP3_BETA
from quality.protocol import Contestant, Protocol, Values, recipe
from tailorbird.evaluation import ranking
from tailorbird.recipes import popularity
from tailorbird.recipes.matrices import session_item, users_per_item
from tailorbird.recipes.recipe import Column, Interactions, Query, from_nobody, silent

QUESTIONS = 2000
LEAST_ROWS = 30
"""Of an item in complete-journey, which has 68,509 items, most of them hardly ever bought."""
METRICS = ("recall@25", "recall@10", "NDCG@25", "coverage", "popularity")
Described = Mapping[str, tuple[Literal["numeric", "categorical", "textual"], Mapping[str, object]]]
"""Columns of items by name: their kind, and the value of each item id."""


@cache
def online_retail(folder: Path) -> Interactions:
    """Reads the purchases of known customers; the metadata are the product names."""
    rows = pl.read_parquet(folder / "online-retail" / "interactions.parquet").filter(
        (pl.col("event_type") == "purchase") & pl.col("user_id").is_not_null()
    )
    named = rows.drop_nulls("description").group_by("item_id", "description").len().sort("len", "description")
    return arrays(rows, {"NAME": ("textual", dict(named.select("item_id", "description").iter_rows()))})


@cache
def complete_journey(folder: Path) -> Interactions:
    """Reads groceries; the metadata are department, category, type, brand and maker."""
    rows = pl.read_parquet(folder / "complete-journey" / "interactions.parquet")
    items = pl.read_parquet(folder / "complete-journey" / "items.parquet").cast(pl.String)
    columns: Described = {
        name.upper(): ("categorical", dict(items.select("item_id", name).iter_rows()))
        for name in ("department", "product_category", "product_type", "brand", "manufacturer_id")
    }
    return arrays(rows.filter(pl.len().over("item_id") >= LEAST_ROWS), columns)


def arrays(rows: pl.DataFrame, columns: Described) -> Interactions:
    """Rows of user_id, item_id and timestamp as recipes want them; repeated rows count once."""
    rows = rows.select(pl.col("user_id", "item_id").cast(pl.String), "timestamp").unique(maintain_order=True)
    rows = rows.sort("user_id", "timestamp", maintain_order=True)
    users, user = np.unique(rows["user_id"].to_numpy().astype(str), return_inverse=True)
    items, item = np.unique(rows["item_id"].to_numpy().astype(str), return_inverse=True)
    return Interactions(
        users=users,
        items=items,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=rows["timestamp"].to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
        item_columns={
            name: Column(kind, np.array([values.get(item) for item in items.tolist()], object))
            for name, (kind, values) in columns.items()
        },
    )


def cut(data: Interactions, seed: int) -> ranking.RankingSplit:
    """Cuts off the newest tenth of the baskets and asks about them."""
    begins = (np.diff(data.user, prepend=-1) != 0) | (np.diff(data.timestamp, prepend=-1) != 0)
    starts = np.sort(data.timestamp[begins])
    older = data.timestamp < starts[int(0.9 * len(starts))]
    known = np.bincount(data.item[older], minlength=len(data.items)) > 0
    newer = session_item(data.rows(~older), gap=0)
    rng = np.random.default_rng([7, seed])
    queries: list[Query] = []
    truths: list[NDArray[np.int32]] = []
    for number in rng.permutation(newer.shape[0]).tolist():
        basket = newer.indices[newer.indptr[number] : newer.indptr[number + 1]]
        basket = basket[known[basket]]
        if len(basket) > 1 and len(queries) < QUESTIONS:
            queries.append(from_nobody(int(rng.choice(basket))))
            truths.append(np.setdiff1d(basket, [queries[-1].item]).astype(np.int32))
    return ranking.RankingSplit(data.rows(older), tuple(queries), tuple(truths))


def measure(model: ranking.Ranker, split: ranking.RankingSplit) -> Values:
    """Returns `METRICS`: recall is over min(k, others); popularity the mean percentile of what is shown, up to 1."""
    lists = ranking.top_lists(model, list(split.queries))
    hits = np.array([np.isin(row, truth) for row, truth in zip(lists, split.truths, strict=True)])
    sizes = np.array([len(truth) for truth in split.truths])
    percentile = np.argsort(np.argsort(users_per_item(split.train), kind="stable")) / (len(model.items) - 1)
    shown = lists[lists >= 0]
    return {
        "recall@25": hits.sum(axis=1) / np.minimum(sizes, 25),
        "recall@10": hits[:, :10].sum(axis=1) / np.minimum(sizes, 10),
        "NDCG@25": ndcg(hits, sizes),
        "coverage": np.array(len(np.unique(shown)) / len(model.items)),
        "popularity": np.array(percentile[shown].mean()),
    }


def without_metadata(ours: Contestant) -> Contestant:
    """The recipe, trained without the items' columns."""
    return replace(
        ours,
        name=f"{ours.name}, no metadata",
        train=lambda data, seed: ours.train(replace(data, item_columns={}), seed),
    )


POPULAR = Contestant("popularity", lambda data, seed: popularity.train(data, popularity.Settings(), silent))
SIMILAR = recipe("aws-similar-items")
CONTESTANTS = (SIMILAR, without_metadata(SIMILAR), recipe("aws-sims"), COSINE, RP3_BETA, EASE, POPULAR)

PROTOCOLS = tuple(
    Protocol(
        name,
        question,
        f"{title}; the newest tenth of the baskets, one item given, the others asked for",
        "order, times and metadata",
        METRICS,
        lambda folder, seed, load=load: cut(load(folder), seed),  # type: ignore[misc]
        measure,
        contestants,
        validation=lambda split, seed: cut(split.train, seed),
        drawn=True,
    )
    for name, question, title, load, contestants in (
        ("P7", "bought together, gift shop", "gifts of a British shop", online_retail, CONTESTANTS),
        (
            "P7g",
            "bought together, groceries",
            "groceries of 2,469 households, items with 30 rows or more",
            complete_journey,
            tuple(one for one in CONTESTANTS if one is not EASE),
        ),
    )
)

"""P8: cold items. A tenth of the items is hidden whole, and ranked together with the others by metadata.

Each seed hides other items and takes other test users, a tenth of all. Questions: one random warm item and one random
cold item of each test user, in online-retail of each basket; the truth of both is what else the user did, or what
else the basket holds. Everything is ranked, nothing left out but the item itself.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from quality import p7
from quality.metrics import ndcg
from quality.p7 import POPULAR, arrays
from quality.peers.related import RANDOM, RIDGE
from quality.protocol import Protocol, Values, recipe
from tailorbird.evaluation import ranking
from tailorbird.recipes.matrices import keep_users, session_item, user_item
from tailorbird.recipes.recipe import Interactions, from_nobody

SHARE = 0.1
"""Of the items that are hidden, and of the users that are asked about."""
MOST_USERS = 1500
DEEP = 100
METRICS = ("cold recall@100", "NDCG@25", "cold place", "NDCG@25 cold asked")


@cache
def ml_1m(folder: Path) -> Interactions:
    """Reads the ratings of users whose times are known; the metadata are genres, year and title."""
    rows = pl.read_parquet(folder / "ml-1m" / "interactions.parquet").drop_nulls("timestamp")
    films = pl.read_parquet(folder / "ml-1m" / "items.parquet").with_columns(pl.col("item_id").cast(pl.String))
    values = {name: dict(films.select("item_id", name).iter_rows()) for name in ("genres", "year", "title")}
    return some_users(
        arrays(
            rows,
            {
                "GENRES": ("categorical", values["genres"]),
                "YEAR": ("numeric", values["year"]),
                "TITLE": ("textual", values["title"]),
            },
        )
    )


@cache
def online_retail(folder: Path) -> Interactions:
    """Reads P7's purchases."""
    return some_users(p7.online_retail(folder))


def some_users(data: Interactions) -> Interactions:
    """Returns the rows of at most `MOST_USERS` random users."""
    return keep_users(data, np.random.default_rng(8).permutation(len(data.users)) < MOST_USERS)


def cut(data: Interactions, within_basket: bool, seed: int) -> ranking.RankingSplit:
    """Hides items and users, and draws the questions."""
    rng = np.random.default_rng([8, seed])
    cold = rng.random(len(data.items)) < SHARE
    test = rng.random(len(data.users)) < SHARE
    newer = keep_users(data, test)
    found = session_item(newer, gap=0) if within_basket else user_item(newer)
    queries, truths = [], []
    for did in np.split(found.indices, found.indptr[1:-1]):
        for able in (did[~cold[did]], did[cold[did]]):
            if len(able) and len(did) > 1:
                queries.append(from_nobody(int(rng.choice(able))))
                truths.append(np.setdiff1d(did, [queries[-1].item]).astype(np.int32))
    older = keep_users(data, ~test)
    return ranking.RankingSplit(older.rows(~cold[older.item]), tuple(queries), tuple(truths))


def measure(model: ranking.Ranker, split: ranking.RankingSplit) -> Values:
    """Returns `METRICS`.

    Asked about a warm item: the share of the true cold items among the first 100; NDCG@25 on everything true; the
    mean place of the true cold items as a percentile, 0.5 for a random one. Asked about a cold item: NDCG@25.
    """
    cold = np.bincount(split.train.item, minlength=len(model.items)) == 0
    lists = ranking.top_lists(model, list(split.queries), len(model.items))
    of_cold = np.array([cold[query.item] for query in split.queries])
    hits = np.array([np.isin(row[:25], truth) for row, truth in zip(lists, split.truths, strict=True)])
    gains = ndcg(hits, np.array([len(truth) for truth in split.truths]))
    found, places = [], []
    for number in np.flatnonzero(~of_cold).tolist():
        truth = split.truths[number]
        true = np.flatnonzero(np.isin(lists[number], truth[cold[truth]]))
        if len(true):
            found.append((true < DEEP).mean())
            places.append(1 - true.mean() / len(model.items))
    return dict(zip(METRICS, (np.array(found), gains[~of_cold], np.array(places), gains[of_cold]), strict=True))


PROTOCOLS = tuple(
    Protocol(
        name,
        question,
        f"{title}, {MOST_USERS} users; a tenth of the items hidden whole, ranked together with the others",
        "order, times and metadata",
        METRICS,
        lambda folder, seed, load=load, basket=basket: cut(load(folder), basket, seed),  # type: ignore[misc]
        measure,
        (recipe("aws-similar-items"), recipe("aws-semantic-similarity"), recipe("aws-sims"), RIDGE, POPULAR, RANDOM),
        validation=lambda split, seed, basket=basket: cut(split.train, basket, seed + 1000),  # type: ignore[misc]
        judged_by=METRICS[:2],
        drawn=True,
    )
    for name, question, title, load, basket in (
        ("P8", "films that nobody has seen yet, MovieLens 1M", "MovieLens 1M", ml_1m, False),
        (
            "P8r",
            "products that nobody has bought yet, gift shop",
            "gifts of a British shop, within a basket",
            online_retail,
            True,
        ),
    )
)

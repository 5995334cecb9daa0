"""P8: cold items. A tenth of the items is hidden whole, and ranked together with the others by metadata.

Each draw hides other items and takes other test users, a tenth of all. Questions: one random warm item and one
random cold item of each test user; the truth of both is what else the user did, in online-retail what else the
basket holds. Everything is ranked, nothing left out but the item itself. Used: order and time of the interactions
(of ml-1m's users those whose times are known), genres, year and title; product names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from quality.p7 import NOTHING, Baskets, Trainer, arrays, online_retail, recipe
from quality.peers import related as peers
from tailorbird import evaluation
from tailorbird.recipes import item_vectors, popularity
from tailorbird.recipes.matrices import keep_users, session_item, user_item
from tailorbird.recipes.recipe import Interactions, Query, silent

SHARE = 0.1
"""Of the items that are hidden, and of the users that are asked about."""
MOST_USERS = 1500
DEEP = 100


def ml_1m(folder: Path) -> Baskets:
    """The ratings of the users whose times are known; the metadata are genres, year and title."""
    rows = pl.read_parquet(folder / "ml-1m" / "interactions.parquet").drop_nulls("timestamp")
    films = pl.read_parquet(folder / "ml-1m" / "items.parquet")
    ids = films["item_id"].cast(pl.String).to_list()
    kinds = {"genres": "categorical", "year": "numeric", "title": "textual"}
    columns = {name.upper(): (kind, dict(zip(ids, films[name].to_list(), strict=True))) for name, kind in kinds.items()}
    typed = rows.select(pl.col("user_id", "item_id").cast(pl.String), "timestamp")
    return Baskets("ml-1m", typed, columns)


@dataclass(frozen=True)
class Exam:
    """Rows of warm items to train on, and questions with their truths; warm ones first, then cold ones."""

    train: Interactions
    cold: NDArray[np.bool_]
    asked: tuple[list[int], list[int]]
    truths: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]


def cut(data: Interactions, within_basket: bool, seed: int) -> Exam:
    """Hides items and users, and draws the questions."""
    rng = np.random.default_rng(seed)
    cold = rng.random(len(data.items)) < SHARE
    test = rng.random(len(data.users)) < SHARE
    newer = keep_users(data, test)
    found = session_item(newer, gap=0) if within_basket else user_item(newer)
    asked: tuple[list[int], list[int]] = ([], [])
    truths: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for did in np.split(found.indices.astype(np.int64), found.indptr[1:-1]):
        for kind, able in enumerate((did[~cold[did]], did[cold[did]])):
            if len(able) and len(did) > 1:
                asked[kind].append(int(rng.choice(able)))
                truths[kind].append(np.setdiff1d(did, asked[kind][-1]))
    older = keep_users(data, ~test)
    return Exam(older.rows(~cold[older.item]), cold, asked, truths)


METRICS = ("NDCG@25", "cold R@100", "cold place", "cold asked")


def measure(model: evaluation.Scorer, exam: Exam) -> tuple[float, ...]:
    """`METRICS`.

    Asked about a warm item: NDCG@25 on everything true; the share of the true cold items among the first 100; their
    mean place as a percentile, 0.5 for a random one. Asked about a cold item: NDCG@25.
    """
    warm, cold = (
        evaluation.top_lists(model, [Query(*NOTHING, item=item) for item in asked], len(model.items))
        for asked in exam.asked
    )
    found, places = [], []
    for row, truth in zip(warm, exam.truths[0], strict=True):
        true = np.flatnonzero(np.isin(row, truth[exam.cold[truth]]))
        if len(true):
            found.append((true < DEEP).mean())
            places.append(1 - true.mean() / len(row))
    return ndcg(warm, exam.truths[0]), float(np.mean(found)), float(np.mean(places)), ndcg(cold, exam.truths[1])


def ndcg(lists: NDArray[np.int64], truths: Sequence[NDArray[np.int64]]) -> float:
    """The mean NDCG@25."""
    discounts = 1 / np.log2(np.arange(2, 27))
    hits = np.array([np.isin(row[:25], truth) for row, truth in zip(lists, truths, strict=True)])
    return float((hits @ discounts / [discounts[: len(truth)].sum() for truth in truths]).mean())


def run(folder: Path, draws: int) -> None:
    """Prints a table for each data set: mean and standard deviation over the draws."""
    for read, within_basket in ((ml_1m, False), (online_retail, True)):
        source = read(folder)
        data = arrays(source.rows, np.unique(source.rows["item_id"].to_numpy().astype(str)), source.columns)
        data = keep_users(data, np.random.default_rng(0).permutation(len(data.users)) < MOST_USERS)
        exams = [cut(data, within_basket, seed) for seed in range(draws)]
        print(
            f"P8 {source.name}: {len(data.user):,} rows, {len(data.users):,} users, {len(data.items):,} items; ", end=""
        )
        print(
            f"{draws} draws of about {len(exams[0].asked[0])} questions about warm items, {len(exams[0].asked[1])} cold"
        )
        print(f"{'':34}" + "".join(f"{name:>15}" for name in METRICS))
        show("random", exams, lambda rows: _random(rows))
        show("popularity", exams, lambda rows: popularity.train(rows, popularity.Settings(), silent))
        for strength in (1.0, 10.0):
            show(f"ridge to item vectors, {strength:g}", exams, lambda rows, by=strength: _ridge(rows, by))  # type: ignore[misc]
        show("aws-sims", exams, recipe("aws-sims"))
        show("aws-semantic-similarity", exams, recipe("aws-semantic-similarity"))
        show("aws-similar-items", exams, recipe("aws-similar-items"))


def _random(data: Interactions) -> evaluation.Scorer:
    count = len(data.items)
    return peers.Related(data.items, np.random.default_rng(0).random((count, count)).astype(np.float32))


def _ridge(data: Interactions, strength: float) -> evaluation.Scorer:
    content = item_vectors.fit(data.item_columns, len(data.items), 100, seed=0).encode(
        data.item_columns, len(data.items)
    )
    cold = np.bincount(data.item, minlength=len(data.items)) == 0
    return peers.Related(data.items, peers.ridge_to_vectors(user_item(data), content, cold, strength))


def show(name: str, exams: Sequence[Exam], train: Trainer) -> None:
    """Trains and measures on every draw and prints one line."""
    table = np.array([measure(train(exam.train), exam) for exam in exams])
    cells = zip(table.mean(axis=0), table.std(axis=0), strict=True)
    print(f"{name:34}" + "".join(f"{mean:>8.4f}±{spread:.4f}" for mean, spread in cells), flush=True)

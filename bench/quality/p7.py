"""P7: item to item. One item of a basket is given; what else is in it?

The newest tenth of the baskets are the questions, one each: a random item of the basket (one more draw, another item)
that the older baskets know; its truth are the others. Everything is ranked, nothing left out but the item itself.
Used: order and time of the interactions; metadata only where the table says so. The peers' settings, and whether
they count users or baskets, are chosen on the newest tenth of the older baskets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from quality.peers import related as peers
from tailorbird import evaluation
from tailorbird.recipes import RECIPES, popularity, settings_of
from tailorbird.recipes.matrices import session_item, user_item, users_per_item
from tailorbird.recipes.recipe import Column, Interactions, Query, silent

QUESTIONS = 2000
LEAST_ROWS = {"online-retail": 1, "complete-journey": 30}
"""Items with fewer rows are left out: complete-journey has 68,509 items, most of them hardly ever bought."""
MOST_EASE = 8000
"""Items up to which EASE is run."""
NOTHING = np.empty(0, np.int32), np.empty(0, np.int64)


@dataclass(frozen=True)
class Baskets:
    """The rows of one data set: user, item, timestamp; and metadata of the items by id."""

    name: str
    rows: pl.DataFrame
    columns: dict[str, tuple[str, dict[str, object]]]
    """Kind and values by item id."""


def online_retail(folder: Path) -> Baskets:
    """Purchases of known customers; the metadata are the product names."""
    rows = pl.read_parquet(folder / "online-retail" / "interactions.parquet").filter(
        (pl.col("event_type") == "purchase") & pl.col("user_id").is_not_null()
    )
    named = rows.drop_nulls("description").group_by("item_id", "description").len().sort("len", "description")
    names: dict[str, object] = dict(named.select("item_id", "description").iter_rows())
    return Baskets("online-retail", _typed(rows), {"NAME": ("textual", names)})


def complete_journey(folder: Path) -> Baskets:
    """Groceries; the metadata are department, category, type, brand and maker."""
    rows = _typed(pl.read_parquet(folder / "complete-journey" / "interactions.parquet"))
    items = pl.read_parquet(folder / "complete-journey" / "items.parquet")
    ids = items["item_id"].cast(pl.String).to_list()
    names = ("department", "product_category", "product_type", "brand", "manufacturer_id")
    columns = {
        name.upper(): ("categorical", dict(zip(ids, items[name].cast(pl.String).to_list(), strict=True)))
        for name in names
    }
    return Baskets("complete-journey", rows, columns)


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col("user_id").cast(pl.String), pl.col("item_id").cast(pl.String), "timestamp").unique(
        maintain_order=True
    )


def arrays(
    rows: pl.DataFrame, items: NDArray[np.str_], columns: dict[str, tuple[str, dict[str, object]]]
) -> Interactions:
    """Rows as recipes want them."""
    rows = rows.sort("user_id", "timestamp", maintain_order=True)
    users, user = np.unique(rows["user_id"].to_numpy().astype(str), return_inverse=True)
    return Interactions(
        users=users,
        items=items,
        user=user.astype(np.int32),
        item=np.searchsorted(items, rows["item_id"].to_numpy().astype(str)).astype(np.int32),
        timestamp=rows["timestamp"].to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
        item_columns={
            name: Column(kind, np.array([values.get(item) for item in items.tolist()], object))  # type: ignore[arg-type]
            for name, (kind, values) in columns.items()
        },
    )


@dataclass(frozen=True)
class Exam:
    """Older rows to train on, and the baskets after them: distinct items that the older rows know."""

    train: Interactions
    baskets: tuple[NDArray[np.int64], ...]

    def questions(self, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """A random item of each of `QUESTIONS` baskets at most, and the others."""
        rng = np.random.default_rng(seed)
        for number in rng.permutation(len(self.baskets))[:QUESTIONS].tolist():
            basket = self.baskets[number]
            place = int(rng.integers(len(basket)))
            yield int(basket[place]), np.delete(basket, place)


def cut(rows: pl.DataFrame, items: NDArray[np.str_], columns: dict[str, tuple[str, dict[str, object]]]) -> Exam:
    """Cuts off the newest tenth of the baskets; a basket is what a user bought at one second."""
    starts = rows.select("user_id", "timestamp").unique()["timestamp"].sort()
    start = starts[int(0.9 * len(starts))]
    train = arrays(rows.filter(pl.col("timestamp") < start), items, columns)
    known = np.bincount(train.item, minlength=len(items)) > 0
    newer = arrays(rows.filter(pl.col("timestamp") >= start), items, {})
    found = session_item(newer, gap=0)
    baskets = [np.sort(each[known[each]]) for each in np.split(found.indices.astype(np.int64), found.indptr[1:-1])]
    return Exam(train, tuple(basket for basket in baskets if len(basket) > 1))


METRICS = ("recall@10", "recall@25", "NDCG@25", "coverage", "popularity")


def measure(model: evaluation.Scorer, exam: Exam, seed: int) -> tuple[float, ...]:
    """`METRICS`: recall is over min(k, others); popularity the mean percentile of what is shown, up to 1."""
    asked, truths = zip(*exam.questions(seed), strict=True)
    lists = evaluation.top_lists(model, [Query(*NOTHING, item=item) for item in asked])
    hits = np.array([np.isin(row, truth) for row, truth in zip(lists, truths, strict=True)])
    sizes = np.array([len(truth) for truth in truths])
    discounts = 1 / np.log2(np.arange(2, 27))
    ideal = np.cumsum(discounts)[np.minimum(sizes, 25) - 1]
    percentile = np.argsort(np.argsort(users_per_item(exam.train), kind="stable")) / (len(model.items) - 1)
    shown = lists[lists >= 0]
    return (
        float((hits[:, :10].sum(axis=1) / np.minimum(sizes, 10)).mean()),
        float((hits.sum(axis=1) / np.minimum(sizes, 25)).mean()),
        float((hits @ discounts / ideal).mean()),
        len(np.unique(shown)) / len(model.items),
        float(percentile[shown].mean()),
    )


def run(folder: Path, draws: int) -> None:
    """Prints a table for each data set: mean and standard deviation over the draws, seconds to train."""
    for read in (online_retail, complete_journey):
        baskets = read(folder)
        rows = baskets.rows.filter(pl.len().over("item_id") >= LEAST_ROWS[baskets.name])
        items = np.unique(rows["item_id"].to_numpy().astype(str))
        exam = cut(rows, items, baskets.columns)
        start = int(exam.train.timestamp.max())
        validation = cut(rows.filter(pl.col("timestamp") <= start), items, {})
        plain = replace(exam, train=replace(exam.train, item_columns={}))
        print(f"P7 {baskets.name}: {len(exam.train.user):,} older rows, {len(exam.train.users):,} users, ", end="")
        print(f"{len(items):,} items; {len(exam.baskets):,} newer baskets, {draws} draws of {QUESTIONS} at most")
        print(f"{'':46}" + "".join(f"{name:>15}" for name in METRICS) + f"{'seconds':>9}")
        show("popularity", exam, draws, lambda rows: popularity.train(rows, popularity.Settings(), silent))
        for name, grid in GRIDS.items():
            if name != "EASE" or len(items) <= MOST_EASE:
                chosen, train = tuned(grid, validation)
                show(f"{name}, {chosen}", exam, draws, train)
        show("aws-sims", plain, draws, recipe("aws-sims"))
        show("aws-similar-items", plain, draws, recipe("aws-similar-items"))
        show("aws-similar-items with metadata", exam, draws, recipe("aws-similar-items"))


Trainer = Callable[[Interactions], evaluation.Scorer]

GRIDS: dict[str, tuple[Callable[..., peers.Weights], tuple[tuple[float, ...], ...]]] = {
    "cosine": (peers.cosine, ((0.0,), (10.0,), (50.0,), (200.0,))),
    "RP3-beta": (peers.rp3_beta, ((0.8, 0.1), (0.8, 0.2), (0.8, 0.4), (1.0, 0.1), (1.0, 0.2), (1.0, 0.4))),
    "EASE": (peers.ease, ((100.0,), (500.0,), (2000.0,), (10000.0,))),
}
"""Peers with the settings to choose from."""


def tuned(peer: tuple[Callable[..., peers.Weights], tuple[tuple[float, ...], ...]], exam: Exam) -> tuple[str, Trainer]:
    """The peer with the settings, and the rows to count, of the highest recall@25 on an exam."""

    def trainer(baskets: bool, settings: tuple[float, ...]) -> Trainer:
        def train(data: Interactions) -> evaluation.Scorer:
            matrix = session_item(data, gap=0) if baskets else user_item(data)
            return peers.Related(data.items, peer[0](matrix, *settings))

        return train

    choices = [(baskets, settings) for baskets in (False, True) for settings in peer[1]]
    gains = [measure(trainer(*choice)(exam.train), exam, seed=0)[1] for choice in choices]
    baskets, settings = choices[int(np.argmax(gains))]
    return f"{'baskets' if baskets else 'users'} {' '.join(map(str, settings))}", trainer(baskets, settings)


def recipe(name: str) -> Trainer:
    """A recipe with its defaults."""
    found = RECIPES[name]
    return lambda rows: found.train(rows, settings_of(found, {}, {}), silent)


def show(name: str, exam: Exam, draws: int, train: Trainer) -> None:
    """Trains once, measures every draw and prints one line."""
    began = time.perf_counter()
    model = train(exam.train)
    seconds = time.perf_counter() - began
    table = np.array([measure(model, exam, seed) for seed in range(draws)])
    cells = zip(table.mean(axis=0), table.std(axis=0), strict=True)
    print(
        f"{name:46}" + "".join(f"{mean:>8.4f}±{spread:.4f}" for mean, spread in cells) + f"{seconds:>9.1f}", flush=True
    )

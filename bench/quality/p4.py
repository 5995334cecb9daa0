"""P4: what Amazon Personalize printed for the MovieLens clicks and watches of its own workshop.

Each draw holds out about a tenth of the users; the oldest 90 % of their rows are the question and the newest
10 % the truth (spec recipes-and-runtime 3). Used: order and time of the interactions, for the popularity as of
the question's time; no metadata, no event types. Related items are asked for each distinct item of the truths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird import evaluation
from tailorbird.recipes import RECIPES, popularity, settings_of
from tailorbird.recipes.recipe import Interactions, Query, Recipe, silent

METRICS = {
    "coverage": "coverage",
    "MRR@25": "mean_reciprocal_rank_at_25",
    "NDCG@5": "normalized_discounted_cumulative_gain_at_5",
    "NDCG@10": "normalized_discounted_cumulative_gain_at_10",
    "NDCG@25": "normalized_discounted_cumulative_gain_at_25",
    "P@5": "precision_at_5",
    "P@10": "precision_at_10",
    "P@25": "precision_at_25",
}
PRINTED = {
    "aws-user-personalization": (0.0791, 0.2690, 0.2279, 0.2687, 0.3321, 0.0750, 0.0571, 0.0379),
    "aws-sims": (0.1861, 0.1669, 0.1889, 0.2234, 0.2895, 0.0824, 0.0588, 0.0418),
    "aws-personalized-ranking": (0.0038, 0.0537, 0.0578, 0.0707, 0.0956, 0.0189, 0.0132, 0.0113),
}
"""Amazon's own figures for one draw each, September 2020 (spec recipes-and-runtime 3.3)."""


@dataclass(frozen=True)
class LastTwo:
    """The peer that any serious model must beat: the last two distinct items, then popular unseen ones."""

    popular: evaluation.Scorer

    @property
    def items(self) -> NDArray[np.str_]:
        """The items of the popular model."""
        return self.popular.items

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores."""
        scores = self.popular.score(queries)
        for row, query in enumerate(queries):
            scores[row, query.items] = -1
            for rank, item in enumerate(list(dict.fromkeys(query.items[::-1].tolist()))[:2]):
                scores[row, item] = 1e6 - rank
        return scores


def load(folder: Path) -> Interactions:
    """Reads the workshop's interactions; the catalogue is all 9,742 films."""
    rows = pl.read_parquet(folder / "ml-latest-small" / "personalize_poc_interactions.parquet")
    rows = rows.sort("user_id", "timestamp", maintain_order=True)
    films = pl.read_parquet(folder / "ml-latest-small" / "items.parquet", columns=["item_id"])
    items, numbers = np.unique(
        pl.concat([rows["item_id"], films["item_id"].cast(pl.Int64)]).to_numpy(), return_inverse=True
    )
    users, user = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
    return Interactions(
        users=users.astype(str),
        items=items.astype(str),
        user=user.astype(np.int32),
        item=numbers[: len(rows)].astype(np.int32),
        timestamp=rows["timestamp"].to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
    )


def run(folder: Path, draws: int) -> None:
    """Prints the table: mean and standard deviation over the draws, and seconds to train and measure one."""
    data = load(folder)
    splits = [evaluation.split(data, seed) for seed in range(draws)]
    asked = sum(len(held_out.queries) for held_out in splits) / draws
    print(f"P4: {len(data.user):,} rows, {len(data.users)} users, {len(data.items):,} items; ", end="")
    print(f"{draws} draws of about {asked:.0f} test users")
    print(f"{'':38}" + "".join(f"{name:>15}" for name in METRICS) + f"{'seconds':>9}")
    show("popularity", splits, _popular, "USER_PERSONALIZATION")
    show("last two, then popular unseen", splits, lambda rows: LastTwo(_popular(rows)), "USER_PERSONALIZATION")
    for name, figures in PRINTED.items():
        recipe = RECIPES[name]
        show(name, splits, _trainer(recipe), recipe.recipe_type)
        print(f"{'  printed by Amazon':38}" + "".join(f"{figure:>15.4f}" for figure in figures))


def _popular(data: Interactions) -> evaluation.Scorer:
    return popularity.train(data, popularity.Settings(), silent)


def _trainer(recipe: Recipe) -> Callable[[Interactions], evaluation.Scorer]:
    settings = settings_of(recipe, {}, {})
    return lambda rows: recipe.train(rows, settings, silent)


def show(
    name: str,
    splits: Sequence[evaluation.Split],
    train: Callable[[Interactions], evaluation.Scorer],
    recipe_type: str,
) -> None:
    """Trains and measures on every split and prints one line."""
    began = time.perf_counter()
    results = [evaluation.measure(train(held_out.train), held_out, recipe_type) for held_out in splits]
    seconds = (time.perf_counter() - began) / len(splits)
    table = np.array([[result[key] for key in METRICS.values()] for result in results])
    cells = zip(table.mean(axis=0), table.std(axis=0), strict=True)
    print(
        f"{name:38}" + "".join(f"{mean:>8.4f}±{spread:.4f}" for mean, spread in cells) + f"{seconds:>9.1f}", flush=True
    )

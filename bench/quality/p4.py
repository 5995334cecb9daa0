"""P4: what Amazon Personalize printed for the MovieLens clicks and watches of its own workshop.

Each draw holds out about a tenth of the users; the oldest 90 % of their rows are the question and the newest
10 % the truth (spec recipes-and-runtime 3). Used: order and time of the interactions, for the popularity as of
the question's time; no metadata, no event types. Related items are asked for each distinct item of the truths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from quality.protocol import TIMES, Contestant, Protocol, Published, Values, recipe
from tailorbird.evaluation import ranking
from tailorbird.recipes import popularity
from tailorbird.recipes.recipe import Interactions, Query, silent

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

    popular: ranking.Ranker

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


@cache
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


def popular(data: Interactions, seed: int) -> ranking.Ranker:
    """Trains the peer that any model should beat; nothing is drawn."""
    return popularity.train(data, popularity.Settings(), silent)


def protocol(
    name: str,
    question: str,
    recipes: tuple[str, ...],
    peers: tuple[Contestant, ...],
    questions: str,
    asked: Callable[[ranking.RankingSplit], ranking.RankingSplit] = lambda split: split,
) -> Protocol:
    """Returns the protocol for recipes that are asked alike, beside what Amazon printed of them."""

    def measure(model: ranking.Ranker, split: ranking.RankingSplit) -> Values:
        figures = ranking.measure(model, split)
        return {name: np.array(figures[key]) for name, key in METRICS.items()}

    return Protocol(
        name,
        question,
        "MovieLens clicks and watches of Amazon's workshop; a random 90 % of users train, of the others the oldest "
        f"90 % of rows go in and the newest 10 % are the truth; {questions}; the service's own NDCG",
        TIMES,
        ("NDCG@10", *(metric for metric in METRICS if metric != "NDCG@10")),
        lambda folder, seed: asked(ranking.split(load(folder), seed)),
        measure,
        (*(recipe(one) for one in recipes), *peers),
        drawn=True,
        published=tuple(
            Published(f"Amazon's {one}", TIMES, dict(zip(METRICS, PRINTED[one], strict=True))) for one in recipes
        ),
        seeds=20,
    )


PROTOCOLS = (
    protocol(
        "P4",
        "next events, MovieLens clicks of Amazon's workshop",
        ("aws-user-personalization", "aws-personalized-ranking"),
        (
            Contestant("last two items, then popular", lambda data, seed: LastTwo(popular(data, seed))),
            Contestant("popular", popular),
        ),
        "one question a test user",
    ),
    protocol(
        "P4-related",
        "related films, MovieLens clicks of Amazon's workshop",
        ("aws-sims",),
        (Contestant("popular", popular),),
        "one question an item of the truths",
        ranking.about_items,
    ),
)

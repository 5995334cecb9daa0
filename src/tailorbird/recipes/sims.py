"""aws-sims: items that the same users interacted with, the same for everyone.

    similarity(i, j) = together(i, j) / users(j) ** (popularity_discount_factor / 2)

`together` counts the users who interacted with both, and counts them more often the closer the two lie in the
user's history, and the oftener both came in one basket. A discount of 1 orders like the cosine (correlation alone),
0 like the count (popular items first). Each item keeps its `NEIGHBOURS` most similar. Pairs with too few common
users have no similarity; only an item that has fewer neighbours than a list is long gets them too, behind the others,
the closest and most popular first. Behind those, and for a request without a known item, come the popular items.

Source: spec recipes-and-runtime 1.3 and 1.4; Linden et al., Amazon.com Recommendations, 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.matrices import cut_histories, reach, users_per_item, within_percentiles
from tailorbird.recipes.pairs import Groups, grouped, in_blocks, whole
from tailorbird.recipes.recipe import Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import RELATED_ITEMS
from tailorbird.recipes.settings import hyperparameter
from tailorbird.recipes.top_k import first_items, padded
from tailorbird.storage.arrays import load_arrays, save_arrays

NEIGHBOURS = 200
"""Most similar items kept of each: eight lists of 25, so that a filter has something left; beyond them come popular
items."""
WINDOW = 30
"""Places that count as close: not tuned by itself; with it and `CLOSE`, all figures that Amazon printed for SIMS are
beaten in P4."""
DECAY = 0.95
"""A place: the last of the window counts a fifth of a neighbour."""
CLOSE = 3.0
"""Weight of two neighbouring rows of one user, against 1 for the user having both items at all: as `WINDOW`."""
BASKET = 1.0
"""Weight of two items in one basket, what one user did in the same second, against 1 for two neighbouring rows: as much
as P4 bears, where ratings of one second are no baskets."""
BASKET_DAMPING = 0.5
"""A basket of n items weighs 1 / n ** this: between each pair alike and each basket alike; not tuned by itself."""
LIST_LENGTH = 25
"""Items with fewer neighbours than a list is long get weak ones behind them: that of a default answer."""
WEAK_CLOSE = 6.0
"""As `CLOSE`, and twice as much: where few users tell, what lies close by tells more. Not tuned by itself."""
WEAK_POPULARITY = 0.25
"""Power by which popular items come first among weak ones: chance is the likelier, the rarer both are. Not tuned by
itself."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of spec recipes-and-runtime 1.3.

    The last default differs from AWS's 0.9: that would drop the tenth of the items that most requests are
    about. A value that is given is obeyed to the letter.
    """

    popularity_discount_factor: float = hyperparameter(0.5, low=0, high=1, tunable=True)
    min_cointeraction_count: int = hyperparameter(3, low=0, high=10, tunable=True)
    min_user_history_length_percentile: float = hyperparameter(0.005, kind="F", low=0, high=1)
    max_user_history_length_percentile: float = hyperparameter(0.995, kind="F", low=0, high=1)
    min_item_interaction_count_percentile: float = hyperparameter(0.01, kind="F", low=0, high=1)
    max_item_interaction_count_percentile: float = hyperparameter(1.0, kind="F", low=0, high=1)


@dataclass(frozen=True)
class Sims:
    """For each item its neighbours, most similar first; and the users of each item."""

    items: NDArray[np.str_]
    neighbours: NDArray[np.int32]
    """(item, neighbour) item numbers, -1 where there are fewer."""
    popularity: NDArray[np.float32]
    """Distinct users of each item, divided by one more than their maximum: less than 1."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item): neighbours score 1 and more by rank, others their popularity below 1."""
        scores = np.tile(self.popularity, (len(queries), 1))
        ranks = np.arange(self.neighbours.shape[1], 0, -1, dtype=np.float32)
        for row, query in enumerate(queries):
            if query.item is not None:
                found = self.neighbours[query.item]
                scores[row, found[found >= 0]] = ranks[found >= 0]
                scores[row, query.item] = -np.inf
        return scores

    def best(self, queries: Sequence[Query], length: int) -> NDArray[np.int64]:
        """Returns each item's neighbours and behind them the popular items, see `recipe.ListingModel`."""
        room = self.neighbours.shape[1]
        popular = first_items(self.popularity, length + room + 1)
        lists = np.empty((len(queries), length), np.int64)
        for row, query in enumerate(queries):
            if query.item is None:
                lists[row] = padded(popular, length)
                continue
            found = self.neighbours[query.item]
            if length > room or found[length - 1] < 0:
                found = found[found >= 0]
                others = popular[~np.isin(popular, [*found.tolist(), query.item])]
                found = padded(np.concatenate([found, others]), length)
            lists[row] = found[:length]
        return lists

    def save(self, folder: Path) -> None:
        """Writes one .npy file a field."""
        save_arrays(folder, items=self.items, neighbours=self.neighbours, popularity=self.popularity)

    @classmethod
    def load(cls, folder: Path) -> Sims:
        """Reads what `save` wrote."""
        return cls(*load_arrays(folder, "items", "neighbours", "popularity"))


def train(data: Interactions, settings: Settings, progress: Progress) -> Sims:
    """Counts co-interactions in blocks of items and keeps each item's best neighbours."""
    return _sims(data, settings, progress, np.arange(len(data.items)), NEIGHBOURS)


def answering(data: Interactions, settings: Settings, progress: Progress, queries: Sequence[Query]) -> Sims:
    """As `train`, with lists of `LIST_LENGTH` for the items that are asked about and none for the others."""
    asked = np.unique([query.item for query in queries if query.item is not None]).astype(np.int64)
    return _sims(data, settings, progress, asked, LIST_LENGTH)


def _sims(data: Interactions, settings: Settings, progress: Progress, asked: NDArray[np.int64], room: int) -> Sims:
    """A model with `room` neighbours of each item that is asked about."""
    from tailorbird.recipes.scorers import neighbour_kernels

    progress(0.0, "counting users per item")
    users = users_per_item(data)
    # The popular items first, which most pairs are with: together they stay in the processor's cache.
    names = np.argsort(-users, kind="stable").astype(np.int32)
    number = np.empty_like(names)
    number[names] = np.arange(len(names), dtype=np.int32)
    kept = cut_histories(data, settings.min_user_history_length_percentile, settings.max_user_history_length_percentile)
    kept = replace(kept, item=number[kept.item])
    keep = within_percentiles(
        users,
        settings.min_item_interaction_count_percentile,
        settings.max_item_interaction_count_percentile,
    )[names]
    of_users, of_baskets = grouped(kept, kept.user), baskets(kept)
    del kept  # as large as the data
    weight = whole(BASKET * np.maximum(of_baskets.sizes, 1) ** -BASKET_DAMPING)
    near = whole(DECAY ** np.arange(reach(len(of_users.items), WINDOW)))
    common = np.maximum(users[names], 1)
    strong = CLOSE, common ** (settings.popularity_discount_factor / 2)
    weak = WEAK_CLOSE, common**WEAK_POPULARITY
    least = max(settings.min_cointeraction_count, 1)
    neighbours = np.full((len(names), min(room, len(names))), -1, np.int32)
    order = np.sort(number[asked])

    def place(items: slice) -> None:
        counted = of_users.parts, (*of_baskets.parts, weight), near
        neighbour_kernels.nearest(order[items], *counted, keep, least, LIST_LENGTH, strong, weak, names, neighbours)

    for items, _ in in_blocks(of_users.pairs()[order], place):
        progress(items.stop / len(order), f"item {items.stop} of {len(order)}")
    return Sims(data.items, neighbours, (users / (users.max() + 1)).astype(np.float32))


def baskets(data: Interactions) -> Groups:
    """Returns the items of each basket, of several rows that a user has in the same second."""
    follows = (np.diff(data.user, prepend=-1) == 0) & (np.diff(data.timestamp, prepend=0) <= 0)
    several = follows | np.append(follows[1:], False)
    return grouped(data.rows(several), np.cumsum(~follows[several], dtype=np.int32) - 1)


RECIPES = (
    Recipe(
        "aws-sims",
        RELATED_ITEMS,
        "Items that the same users interacted with; the same answer for everyone.",
        Settings,
        train,
        Sims,
        answering,
        feature_transformation="sims",
        when="On an item's page, and in a basket: more like this. Items with few interactions have few neighbours.",
        learns_from="interactions: who, with what, and how close to each other in the user's history",
        paper="Linden, Smith and York, Amazon.com Recommendations: Item-to-Item Collaborative Filtering, 2003.",
    ),
)

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
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import (
    closeness,
    count_together,
    cut_histories,
    damped,
    session_item,
    user_item,
    users_per_item,
    within_percentiles,
)
from tailorbird.recipes.recipe import Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import RELATED_ITEMS
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

NEIGHBOURS = 200
WINDOW = 30
DECAY = 0.95
CLOSE = 3.0
"""Weight of two neighbouring rows of one user, against 1 for the user having both items at all."""
BASKET = 1.0
"""Weight of two items in one basket, what one user did in the same second, against 1 for two neighbouring rows."""
BASKET_DAMPING = 0.5
"""A basket of n items weighs 1 / n ** this."""
LIST_LENGTH = 25
"""Items with fewer neighbours than a list is long get weak ones behind them."""
WEAK_CLOSE = 6.0
WEAK_POPULARITY = 0.25


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

    def save(self, folder: Path) -> None:
        """Writes one .npy file a field."""
        save_arrays(folder, items=self.items, neighbours=self.neighbours, popularity=self.popularity)

    @classmethod
    def load(cls, folder: Path) -> Sims:
        """Reads what `save` wrote."""
        return cls(*load_arrays(folder, "items", "neighbours", "popularity"))


def train(data: Interactions, settings: Settings, progress: Progress) -> Sims:
    """Counts co-interactions in blocks of items and keeps each item's best neighbours."""
    progress(0.0, "counting users per item")
    users = users_per_item(data)
    kept = cut_histories(data, settings.min_user_history_length_percentile, settings.max_user_history_length_percentile)
    keep = within_percentiles(
        users,
        settings.min_item_interaction_count_percentile,
        settings.max_item_interaction_count_percentile,
    )
    matrix = user_item(kept) @ sparse.diags_array(keep.astype(np.float32))
    close = closeness(kept, WINDOW, DECAY, backwards=1.0)
    baskets = damped(session_item(kept, gap=0), BASKET_DAMPING / 2)
    of_item = sparse.csr_matrix(baskets.T)
    discount = np.maximum(users, 1) ** (settings.popularity_discount_factor / 2)
    neighbours = np.full((len(data.items), min(NEIGHBOURS, len(data.items))), -1, np.int32)
    for items, together in count_together(sparse.csr_matrix(matrix)):
        strong = together.multiply(together >= max(settings.min_cointeraction_count, 1)).tocsr()
        near = sparse.csr_matrix(close[items] + np.float32(BASKET) * (of_item[items] @ baskets))
        pairs = similar(items, strong, near, discount)
        few = np.bincount(pairs.rows - items.start, minlength=together.shape[0]) < LIST_LENGTH
        weak = weakly_similar(items, sparse.csr_matrix(together - strong), near, users, few)
        place_best(neighbours, *(np.concatenate(both) for both in zip(pairs, weak, strict=True)))
        progress(items.stop / len(data.items), f"item {items.stop} of {len(data.items)}")
    return Sims(data.items, neighbours, (users / (users.max() + 1)).astype(np.float32))


class Pairs(NamedTuple):
    """Parallel arrays: an item, another one, and how similar they are."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


def similar(
    items: slice, together: sparse.csr_matrix, close: sparse.csr_matrix, discount: NDArray[np.float64]
) -> Pairs:
    """Returns the pairs with enough common users; `together` and `close` are (items of the slice, item)."""
    rows, columns, values = weighed(items, together, close, CLOSE)
    return Pairs(rows, columns, values / discount[columns])


def weakly_similar(
    items: slice,
    together: sparse.csr_matrix,
    close: sparse.csr_matrix,
    users: NDArray[np.int64],
    few: NDArray[np.bool_],
) -> Pairs:
    """Returns the pairs with some common users, but not enough, of the items in the mask `few`.

    Their values are below zero, so that they stand behind all similar ones.
    """
    wanted = sparse.diags_array(few.astype(np.float32))
    rows, columns, values = weighed(items, sparse.csr_matrix(wanted @ together), close, WEAK_CLOSE)
    weak = values * np.maximum(users[columns], 1) ** WEAK_POPULARITY
    return Pairs(rows, columns, weak / (1 + weak) - 1)


def weighed(items: slice, together: sparse.csr_matrix, close: sparse.csr_matrix, weight: float) -> Pairs:
    """Returns the pairs of `together` with their common users, the close ones counted more."""
    pairs = sparse.coo_matrix(together + weight * close.multiply(together > 0))
    rows = pairs.row.astype(np.int64) + items.start
    other = (rows != pairs.col) & (pairs.data > 0)
    return Pairs(rows[other], pairs.col[other].astype(np.int64), pairs.data[other].astype(np.float64))


def place_best(
    neighbours: NDArray[np.int32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    """Writes each row's columns into `neighbours`, highest value first, as many as there is room for."""
    order = np.lexsort((columns, -values, rows))
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    fits = rank < neighbours.shape[1]
    neighbours[rows[fits], rank[fits]] = columns[fits]


RECIPES = (
    Recipe(
        "aws-sims",
        RELATED_ITEMS,
        "Items that the same users interacted with; the same answer for everyone.",
        Settings,
        train,
        Sims,
        feature_transformation="sims",
        when="On an item's page, and in a basket: more like this. Items with few interactions have few neighbours.",
        learns_from="interactions: who, with what, and how close to each other in the user's history",
        paper="Linden, Smith and York, Amazon.com Recommendations: Item-to-Item Collaborative Filtering, 2003.",
    ),
)

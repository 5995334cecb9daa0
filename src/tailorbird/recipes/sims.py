"""aws-sims: items that the same users interacted with, the same for everyone.

    similarity(i, j) = together(i, j) / users(j) ** (popularity_discount_factor / 2)

`together` counts the users who interacted with both, and counts them more often the closer the two lie in
the user's history. A discount of 1 orders like the cosine (correlation alone), 0 like the count (popular
items first). Each item keeps its `NEIGHBOURS` most similar; behind them, and for an item without neighbours
or a request without a known item, come the popular items.

Source: spec recipes-and-runtime 1.3 and 1.4; Linden et al., Amazon.com Recommendations, 2003.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import (
    closeness,
    cut_histories,
    user_item,
    users_per_item,
    within_percentiles,
)
from tailorbird.recipes.recipe import Interactions, Progress, Query
from tailorbird.recipes.settings import hyperparameter

NEIGHBOURS = 200
BLOCK_PAIRS = 20_000_000
"""Bound on the item pairs counted at a time: about 240 MB."""
WINDOW = 20
DECAY = 0.9
CLOSE = 4.0
"""Weight of two neighbouring rows of one user, against 1 for the user having both items at all."""


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
        for name in ("items", "neighbours", "popularity"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


def train(data: Interactions, settings: Settings, progress: Progress) -> Sims:
    """Counts co-interactions in blocks of items and keeps each item's best neighbours."""
    progress(0.0, "counting users per item")
    users = users_per_item(data)
    kept = cut_histories(
        data, settings.min_user_history_length_percentile, settings.max_user_history_length_percentile
    )
    keep = within_percentiles(
        users,
        settings.min_item_interaction_count_percentile,
        settings.max_item_interaction_count_percentile,
    )
    matrix = user_item(kept) @ sparse.diags_array(keep.astype(np.float32))
    close = closeness(kept, WINDOW, DECAY, backwards=1.0)
    discount = np.maximum(users, 1) ** (settings.popularity_discount_factor / 2)
    neighbours = np.full((len(data.items), min(NEIGHBOURS, len(data.items))), -1, np.int32)
    for items, together in count_together(sparse.csr_matrix(matrix)):
        rows, columns, values = similar(items, together, close, settings.min_cointeraction_count, discount)
        place_best(neighbours, rows, columns, values)
        progress(items.stop / len(data.items), f"item {items.stop} of {len(data.items)}")
    return Sims(data.items, neighbours, (users / (users.max() + 1)).astype(np.float32))


def count_together(matrix: sparse.csr_matrix) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Yields slices of items and how many users each shares with every item, (items of the slice, item)."""
    by_item = sparse.csr_matrix(matrix.T)
    pairs = np.cumsum(by_item @ np.diff(matrix.indptr))
    start = 0
    while start < len(pairs):
        before = pairs[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(pairs, before + BLOCK_PAIRS, "right")))
        yield slice(start, stop), sparse.csr_matrix(by_item[start:stop] @ matrix)
        start = stop


def similar(
    items: slice,
    together: sparse.csr_matrix,
    close: sparse.csr_matrix,
    fewest: int,
    discount: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Returns item, other item and similarity of the pairs with enough common users."""
    enough = together.multiply(together >= max(fewest, 1)).tocsr()
    nearby = close[items].multiply(enough > 0)
    pairs = sparse.coo_matrix(enough + CLOSE * nearby)
    rows = pairs.row + items.start
    other = rows != pairs.col
    rows, columns = rows[other], pairs.col[other]
    return rows, columns, pairs.data[other] / discount[columns]


def place_best(
    neighbours: NDArray[np.int32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float64],
) -> None:
    """Writes each row's columns into `neighbours`, highest value first, as many as there is room for."""
    order = np.lexsort((columns, -values, rows))
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    fits = rank < neighbours.shape[1]
    neighbours[rows[fits], rank[fits]] = columns[fits]


def load(folder: Path) -> Sims:
    """Reads what `Sims.save` wrote."""
    items, neighbours, popularity = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("items", "neighbours", "popularity")
    )
    return Sims(items, neighbours, popularity)

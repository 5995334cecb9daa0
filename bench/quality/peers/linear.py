"""Item-to-item peers: popularity, nearest neighbours by cosine, and EASE.

Sources: Sarwar et al., Item-based collaborative filtering recommendation algorithms, WWW 2001; Steck,
Embarrassingly shallow autoencoders for sparse data, WWW 2019. All of them may look at recent items only, since
the protocols ask what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from quality.protocol import ALL, Contestant
from tailorbird.recipes import popularity
from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query, silent
from tailorbird.recipes.scorers import decayed_popularity
from tailorbird.recipes.scorers.scorer import recent_items, weighted_histories

BLOCK = 1000
"""Items whose neighbours are sought at a time."""


@dataclass(frozen=True)
class ItemToItem:
    """Scores are the sum of the weights from the last distinct items of the history."""

    items: NDArray[np.str_]
    weights: NDArray[np.float32] | sparse.csr_matrix
    """(from item, to item)."""
    last: int

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores."""
        histories = [recent_items(query, self.last) for query in queries]
        ones = np.ones(max(map(len, histories), default=0), np.float32)
        scores = weighted_histories(histories, ones, len(self.items)) @ self.weights
        return scores.toarray() if sparse.issparse(scores) else np.asarray(scores, np.float32)


def train_popular(data: Interactions, seed: int) -> popularity.Popularity:
    """Counts distinct users; nothing is drawn."""
    return popularity.train(data, popularity.Settings(), silent)


@dataclass(frozen=True)
class Recent:
    """Popularity as of the time of the question."""

    items: NDArray[np.str_]
    counts: decayed_popularity.DecayedPopularity

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) counts."""
        return self.counts.score(queries)


def train_recent(data: Interactions, seed: int, days: float) -> Recent:
    """Counts, a row's weight halving in so many days; nothing is drawn."""
    return Recent(data.items, decayed_popularity.train(data, days * 86400))


def train_ease(data: Interactions, seed: int, regularisation: float, last: int) -> ItemToItem:
    """Solves the ridge regression of every item on all others, through the smaller of the two Gram matrices."""
    return ItemToItem(data.items, _ease_weights(_Same(data), regularisation), last)


@dataclass(frozen=True)
class _Same:
    """Data that are equal to nothing but themselves, so that they can be a key."""

    data: Interactions

    def __hash__(self) -> int:
        return id(self.data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.data is self.data


@lru_cache(maxsize=1)  # a grid asks for the same weights with several `last`, one after the other
def _ease_weights(same: _Same, regularisation: float) -> NDArray[np.float32]:
    matrix = user_item(same.data)
    if matrix.shape[0] < matrix.shape[1]:  # Woodbury
        rows = matrix.toarray()
        inverse = np.eye(rows.shape[1], dtype=np.float32) - rows.T @ (_inverse(rows @ rows.T, regularisation) @ rows)
    else:
        inverse = _inverse((matrix.T @ matrix).toarray(), regularisation)
    weights: NDArray[np.float32] = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def _inverse(gram: NDArray[np.float32], regularisation: float) -> NDArray[np.float32]:
    """Returns the inverse of the regularised matrix by Cholesky, several times as fast as the general one.

    Single precision is enough: regularisation keeps the condition number in the thousands.
    """
    gram[np.diag_indices_from(gram)] += np.float32(regularisation)
    factor, wrong = lapack.spotrf(gram.T, lower=1, overwrite_a=1)
    inverse, bad = lapack.spotri(factor, lower=1, overwrite_c=1)
    if wrong or bad:
        raise ValueError("the regularised Gram matrix is not positive definite")
    for start in range(0, len(inverse), BLOCK):  # LAPACK fills one triangle
        rows, rest = slice(start, start + BLOCK), slice(start, None)
        inverse[rows, rest] = np.tril(inverse[rows, rest]) + np.triu(inverse[rest, rows].T, 1)
    return np.ascontiguousarray(inverse)


def train_item_knn(data: Interactions, seed: int, neighbours: int, shrink: float, last: int) -> ItemToItem:
    """Keeps each item's nearest neighbours by the cosine of their users, shrunk where these are few."""
    return ItemToItem(data.items, _nearest(_Same(data), neighbours, shrink), last)


@lru_cache(maxsize=1)
def _nearest(same: _Same, neighbours: int, shrink: float) -> sparse.csr_matrix:
    matrix = user_item(same.data)
    norms = np.sqrt(np.bincount(matrix.indices, minlength=matrix.shape[1]))
    blocks = []
    for start in range(0, len(norms), BLOCK):
        here = np.arange(start, min(start + BLOCK, len(norms)))
        alike = (matrix[:, here].T @ matrix).toarray()
        alike /= norms[here, None] * norms + shrink + 1e-9  # nobody may have the items
        alike[here - start, here] = 0
        cut = min(neighbours, len(norms) - 1)
        alike[alike < np.partition(alike, -cut, axis=1)[:, [-cut]]] = 0
        blocks.append(sparse.csr_matrix(alike, dtype=np.float32))
    return sparse.csr_matrix(sparse.vstack(blocks))


POPULAR = Contestant("popular", train_popular)
RECENT = Contestant(
    "recently popular", train_recent, grid=tuple({"days": days} for days in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0))
)
EASE = Contestant(
    "EASE",
    train_ease,
    grid=tuple(
        {"regularisation": regularisation, "last": last}
        for regularisation in (200.0, 800.0, 3000.0)
        for last in (5, 10, 50, ALL)
    ),
)
ITEM_KNN = Contestant(
    "item-kNN",
    train_item_knn,
    grid=tuple(
        {"neighbours": neighbours, "shrink": shrink, "last": last}
        for neighbours in (20, 50, 300)
        for shrink in (0.0, 20.0, 100.0)
        for last in (2, 5, 20)
    ),
)

"""Peers: published ways to relate items, written as compactly as they are defined.

Each gives weights (item asked about, item). `matrix` is a (user or basket, item) matrix of ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from quality.protocol import NO_METADATA, NO_TIMES, Contestant
from tailorbird.evaluation.ranking import Ranker
from tailorbird.recipes import item_vectors
from tailorbird.recipes.matrices import main_directions, session_item, unit, user_item
from tailorbird.recipes.recipe import Interactions, Query

Weights = sparse.csr_matrix | NDArray[np.float32]


@dataclass(frozen=True)
class Related:
    """Scores items by their weight in the row of the item that is asked about."""

    items: NDArray[np.str_]
    weights: Weights

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores; the item itself is left out."""
        asked = [query.item or 0 for query in queries]
        rows = self.weights[asked]
        scores = np.array(rows.toarray() if isinstance(rows, sparse.csr_matrix) else rows, np.float32)
        scores[np.arange(len(asked)), asked] = -np.inf
        return scores


def cosine(matrix: sparse.csr_matrix, shrinkage: float) -> sparse.csr_matrix:
    """Returns cosines, shrunk towards 0 where few have both items (Deshpande & Karypis, TOIS 2004)."""
    together = sparse.coo_matrix(matrix.T @ matrix)
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    values = together.data / (np.sqrt(counts[together.row] * counts[together.col]) + shrinkage)
    return sparse.csr_matrix((values, (together.row, together.col)), shape=together.shape)


def rp3_beta(matrix: sparse.csr_matrix, alpha: float, beta: float) -> sparse.csr_matrix:
    """Returns the probabilities of three steps, each to the power alpha, over popularity to the power beta.

    Source: Christoffel, Paudel, Newell & Bernstein, Blockbusters and Wallflowers, RecSys 2015.
    """
    counts, lengths = (np.maximum(np.asarray(matrix.sum(axis=axis)).ravel(), 1) for axis in (0, 1))
    there = sparse.csr_matrix(sparse.diags_array(counts**-alpha) @ matrix.T)
    back = sparse.csr_matrix(sparse.diags_array(lengths**-alpha) @ matrix)
    return sparse.csr_matrix(there @ back @ sparse.diags_array(counts**-beta))


def ease(matrix: sparse.csr_matrix, regularisation: float) -> NDArray[np.float32]:
    """Returns the item weights of Steck, Embarrassingly Shallow Autoencoders, WWW 2019."""
    gram = (matrix.T @ matrix).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    return np.asarray(-inverse / np.diag(inverse), np.float32)


def ridge_to_vectors(
    matrix: sparse.csr_matrix, content: NDArray[np.float32], cold: NDArray[np.bool_], regularisation: float
) -> NDArray[np.float32]:
    """Returns cosines of item vectors: of warm items from a singular value decomposition, of cold ones by regression.

    content: (item, dimension), what is known of the items' metadata.
    Source: Gantner et al., Learning Attribute-to-Feature Mappings for Cold-Start Recommendations, ICDM 2010.
    """
    counts = np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1)
    weighed = sparse.csr_matrix(matrix @ sparse.diags_array(counts**-0.5), dtype=np.float32)
    directions = main_directions(weighed, 100, seed=0)
    vectors = unit(directions * np.linalg.norm(weighed @ directions, axis=0))
    known = np.hstack([content, np.ones((len(content), 1), np.float32)])
    gram = known[~cold].T @ known[~cold] + regularisation * np.eye(known.shape[1])
    vectors[cold] = unit(known[cold] @ np.linalg.solve(gram, known[~cold].T @ vectors[~cold]))
    return np.asarray(vectors @ vectors.T, np.float32)


def _counting(weights: Callable[..., Weights]) -> Callable[..., Ranker]:
    """Trains on baskets, what a user did at one second, or on users."""

    def train(data: Interactions, seed: int, baskets: bool, **settings: float) -> Ranker:
        return Related(data.items, weights(session_item(data, gap=0) if baskets else user_item(data), **settings))

    return train


def _ridge(data: Interactions, seed: int, regularisation: float) -> Ranker:
    count = len(data.items)
    content = item_vectors.fit(data.item_columns, count, 100, seed).encode(data.item_columns, count)
    cold = np.bincount(data.item, minlength=count) == 0
    return Related(data.items, ridge_to_vectors(user_item(data), content, cold, regularisation))


def _random(data: Interactions, seed: int) -> Ranker:
    count = len(data.items)
    return Related(data.items, np.random.default_rng([9, seed]).random((count, count)).astype(np.float32))


BOTH = (True, False)
COSINE = Contestant(
    "cosine with shrinkage",
    _counting(cosine),
    grid=tuple(
        {"baskets": baskets, "shrinkage": s}
        for baskets in BOTH
        for s in (0.0, 10.0, 50.0, 200.0, 800.0, 3200.0, 12800.0)
    ),
    uses=NO_METADATA,
)
RP3_BETA = Contestant(
    "RP3-beta",
    _counting(rp3_beta),
    grid=tuple(
        {"baskets": baskets, "alpha": alpha, "beta": beta}
        for baskets in BOTH
        for alpha in (0.4, 0.6, 0.8, 1.0)
        for beta in (0.0, 0.1, 0.2, 0.4)
    ),
    uses=NO_METADATA,
)
EASE = Contestant(
    "EASE",
    _counting(ease),
    grid=tuple({"baskets": baskets, "regularisation": r} for baskets in BOTH for r in (2e3, 1e4, 5e4, 2e5, 1e6)),
    uses=NO_METADATA,
)
RIDGE = Contestant(
    "ridge from metadata to item vectors",
    _ridge,
    grid=tuple({"regularisation": 10.0**power} for power in range(1, 8)),
    uses=NO_TIMES,
)
RANDOM = Contestant("random", _random, popularity=True)

"""Peers from the library implicit: ALS (Hu, Koren and Volinsky, ICDM 2008) and BPR (Rendle et al., UAI 2009).

A query's user is folded in: users of the test are none of the training's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality.protocol import UNORDERED, Contestant
from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.scorer import recent_items, weighted_histories


@dataclass(frozen=True)
class FoldedIn:
    """Item factors, and how a history becomes a user's factors: by least squares, or as the items' mean."""

    items: NDArray[np.str_]
    model: Any
    by_mean: bool

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores."""
        factors = self.model.item_factors
        histories = [recent_items(query, len(self.items)) for query in queries]
        ones = np.ones(len(self.items), np.float32)
        rows = weighted_histories(histories, ones, len(self.items))
        if self.by_mean:
            users = (rows @ factors) / np.maximum(np.diff(rows.indptr), 1)[:, None]
            users[:, -1] = 1  # the last factor of BPR's items is their bias
        else:
            users = self.model.recalculate_user(np.arange(len(queries)), rows)
        return np.asarray(users @ factors.T, np.float32)


def train_als(data: Interactions, seed: int, factors: int, alpha: float) -> FoldedIn:
    """Factorises the (user, item) matrix of ones; `alpha` is the weight of a one beside that of a zero."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=factors, alpha=alpha, regularization=0.05, random_state=seed, num_threads=1)
    model.fit(user_item(data), show_progress=False)
    return FoldedIn(data.items, model, by_mean=False)


def train_bpr(data: Interactions, seed: int, factors: int) -> FoldedIn:
    """Learns that what a user has is better than what they have not, from pairs."""
    from implicit.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors=factors, iterations=100, random_state=seed, num_threads=1)
    model.fit(user_item(data), show_progress=False)
    return FoldedIn(data.items, model, by_mean=True)


ALS = Contestant(
    "iALS (implicit)",
    train_als,
    grid=tuple(
        {"factors": factors, "alpha": alpha} for factors in (16, 32, 64, 128) for alpha in (1.0, 4.0, 16.0, 64.0)
    ),
    uses=UNORDERED,
)
BPR = Contestant(
    "BPR (implicit)",
    train_bpr,
    grid=tuple({"factors": factors} for factors in (16, 32, 64, 128)),
    uses=UNORDERED,
)

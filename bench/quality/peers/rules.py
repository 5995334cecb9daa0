"""Sequential rules: what followed what, counted.

Source: Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018 (SR): a pair counts
one over the distance; here the items before the last say something too, each less than the one after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quality.protocol import ORDER, Contestant
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.scorer import recent_items, weighted_histories

LONGEST = 50


@dataclass(frozen=True)
class Rules:
    """How often one item followed another within `window` places of a history, nearer ones counting more."""

    items: NDArray[np.str_]
    follows: sparse.csr_matrix
    """(item, item that followed)."""
    decay: float
    """What the last item but one says, beside the last."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores."""
        weights = (self.decay ** np.arange(LONGEST)).astype(np.float32)
        histories = [recent_items(query, LONGEST) for query in queries]
        return np.asarray((weighted_histories(histories, weights, len(self.items)) @ self.follows).toarray())


def train_rules(data: Interactions, seed: int, window: int, decay: float) -> Rules:
    """Counts the pairs; nothing is drawn."""
    shape = (len(data.items), len(data.items))
    follows = sparse.csr_matrix(([], ([], [])), shape=shape, dtype=np.float32)
    for distance in range(1, window + 1):
        pairs = data.user[:-distance] == data.user[distance:]
        if not pairs.any():  # no history is as long
            break
        ones = np.full(int(pairs.sum()), 1 / distance, np.float32)
        places = data.item[:-distance][pairs], data.item[distance:][pairs]
        follows = sparse.csr_matrix(follows + sparse.csr_matrix((ones, places), shape=shape))
    return Rules(data.items, follows, decay)


RULES = Contestant(
    "sequential rules",
    train_rules,
    grid=tuple(
        {"window": window, "decay": decay} for window in (1, 5, 20, 50, 200) for decay in (0.1, 0.3, 0.5, 0.7, 0.9)
    ),
    uses=ORDER,
)

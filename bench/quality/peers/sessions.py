"""Session-kNN: the items of the most alike past sessions.

Source: Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018 (V-SKNN): recent
clicks of the question weigh more, both for finding neighbours and for what the neighbours say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quality.protocol import Contestant
from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.scorer import recent_items, weighted_histories

LONGEST = 50


@dataclass(frozen=True)
class SessionNeighbours:
    """Past sessions as rows of ones, oldest first, each divided by the root of its length."""

    items: NDArray[np.str_]
    sessions: sparse.csr_matrix
    neighbours: int
    decay: float

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) sums of the likeness of the neighbours that have the item."""
        histories = [recent_items(query, LONGEST) for query in queries]
        weights = (self.decay ** np.arange(LONGEST)).astype(np.float32)
        alike = sparse.csr_matrix(weighted_histories(histories, weights, len(self.items)) @ self.sessions.T)
        alike.sort_indices()
        for row in range(len(queries)):
            start, end = alike.indptr[row], alike.indptr[row + 1]
            # The newest of equally alike sessions first.
            order = np.argsort(alike.data[start:end][::-1], kind="stable")[: -self.neighbours]
            alike.data[start:end][::-1][order] = 0
        return np.asarray((alike @ (self.sessions > 0)).toarray(), np.float32)


def train_session_knn(data: Interactions, seed: int, neighbours: int, decay: float) -> SessionNeighbours:
    """Keeps the sessions; there is nothing to learn."""
    sessions = user_item(data)
    lengths = np.diff(sessions.indptr)
    sessions.data /= np.sqrt(np.repeat(lengths, lengths))
    return SessionNeighbours(data.items, sessions, neighbours, decay)


SESSION_KNN = Contestant(
    "session-kNN",
    train_session_knn,
    grid=tuple(
        {"neighbours": neighbours, "decay": decay} for neighbours in (100, 500, 2000) for decay in (0.3, 0.5, 0.7, 0.85)
    ),
)

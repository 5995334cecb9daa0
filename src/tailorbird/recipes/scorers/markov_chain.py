"""What follows what: a decayed first-order Markov chain over each user's distinct items.

Each pair of items at most `WINDOW` places apart counts `DECAY` to the power of the distance, backwards half of
it; a history's score for an item is the decayed sum of its recent items' transition shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import closeness
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.scorer import csr_rows, load_csr, log_share, save_csr
from tailorbird.recipes.scorers.sums import SparseRows, add_sparse_rows, histories_of, recent, rows_of, zeros

WINDOW = 20
DECAY = 0.9
BACKWARDS = 0.5
LAST = 20
WEIGHTS = (DECAY ** np.arange(LAST)).astype(np.float32)
FLOOR = 0.0005
RARE = 3.0
"""Items followed less often than this have their shares damped instead of divided by next to nothing."""


@dataclass(frozen=True)
class MarkovChain:
    """Transition shares: row i tells what comes around item i."""

    shares: sparse.csr_matrix

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of the decayed sum of transition shares."""
        items = self.shares.shape[1]
        given = recent(histories_of(queries), LAST, items).weighted(WEIGHTS)
        return log_share(add_sparse_rows(given, self._rows, zeros(len(queries), items)), FLOOR)

    @cached_property
    def _rows(self) -> SparseRows:
        return rows_of(self.shares)

    def save(self, folder: Path) -> None:
        """Writes the shares."""
        save_csr(folder, "shares", self.shares)


def train(data: Interactions) -> MarkovChain:
    """Counts the pairs, and divides each item's by their sum."""
    counts = closeness(data, WINDOW, DECAY, BACKWARDS)
    scale = 1 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), RARE)
    shares = sparse.csr_matrix(sparse.diags_array(scale.astype(np.float32)) @ counts)
    shares.sort_indices()
    return MarkovChain(shares)


def load(folder: Path) -> MarkovChain:
    """Reads what `MarkovChain.save` wrote."""
    return MarkovChain(load_csr(folder, "shares", csr_rows(folder, "shares")))

"""What else those did who did this: for each item, how its users' (or sessions') other interactions share out.

A user with many items tells less of each pair than one with few, so their pairs count 1 / items ** `DAMPING`.
To an item's pairs some are added that share out as everything does (a Dirichlet prior): an item of which little is
known is followed by what is popular.

Source: the random walk of Christoffel et al., Blockbusters and Wallflowers, RecSys 2015; the prior of Zhai &
Lafferty, A Study of Smoothing Methods for Language Models, SIGIR 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import count_together, damped
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.scorer import load_csr, save_csr
from tailorbird.storage.arrays import load_arrays, save_arrays

DAMPING = 0.8
NEIGHBOURS = 1000
"""Largest shares kept of each item."""
PRIOR = 100.0
"""Pairs added to those of each item, in the weight of pairs of single items."""


@dataclass(frozen=True)
class CoOccurrence:
    """Row i tells what happens together with item i."""

    pairs: sparse.csr_matrix
    totals: NDArray[np.float32]
    """Of each item's pairs, also of those that are not kept."""
    popularity: NDArray[np.float32]
    """Share of each item in everything; more than 0."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of the shares in the pairs of each query's newest item."""
        asked = [int(query.items[-1]) for query in queries]
        pairs = self.pairs[asked].toarray() + np.float32(PRIOR) * self.popularity
        return np.asarray(np.log(pairs) - np.log(self.totals[asked] + PRIOR)[:, None], np.float32)

    def save(self, folder: Path) -> None:
        """Writes the pairs and two arrays."""
        save_csr(folder, "pairs", self.pairs)
        save_arrays(folder, totals=self.totals, popularity=self.popularity)


def train(matrix: sparse.csr_matrix) -> CoOccurrence:
    """Counts pairs in a (user or session, item) matrix of ones."""
    counts = np.asarray(matrix.sum(axis=0)).ravel() + 0.5
    blocks = [_largest(together, items.start) for items, together in count_together(damped(matrix, DAMPING / 2))]
    pairs = sparse.csr_matrix(sparse.vstack([kept for kept, _ in blocks]), dtype=np.float32)
    totals = np.concatenate([total for _, total in blocks]).astype(np.float32)
    return CoOccurrence(pairs, totals, (counts / counts.sum()).astype(np.float32))


def _largest(together: sparse.csr_matrix, first: int) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """The rows without the items themselves, cut to their largest `NEIGHBOURS`; and the rows' sums before that."""
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    values = np.where(together.indices == rows + first, 0, together.data)
    kept = []
    for start, end in pairwise(together.indptr.tolist()):
        count = min(NEIGHBOURS, end - start)
        if count:
            kept.append(start + np.sort(np.argpartition(-values[start:end], count - 1)[:count]))
    chosen = np.concatenate([*kept, np.empty(0, np.int64)])
    largest = sparse.csr_matrix((values[chosen], (rows[chosen], together.indices[chosen])), shape=together.shape)
    return largest, np.bincount(rows, values, together.shape[0]).astype(np.float64)


def load(folder: Path) -> CoOccurrence:
    """Reads what `CoOccurrence.save` wrote."""
    totals, popularity = load_arrays(folder, "totals", "popularity")
    return CoOccurrence(load_csr(folder, "pairs", len(popularity)), totals, popularity)

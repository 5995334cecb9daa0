"""What else those did who did this: for each item, how its users' (or sessions') other interactions share out.

A user with many items tells less of each pair than one with few, so their pairs count 1 / items ** `DAMPING`.
Shares are mixed with those of popularity: an item of which little is known is followed by what everyone does.

Source: the random walk of Paudel et al., RP3-beta, TiiS 2017, with the mixing of Zhai & Lafferty, SIGIR 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.ingredients.ingredient import load_csr, save_csr
from tailorbird.recipes.matrices import count_together, damped
from tailorbird.recipes.recipe import Query

DAMPING = 0.8
NEIGHBOURS = 1000
"""Largest shares kept of each item."""
POPULARITY = 0.1
"""Weight of popularity in the mixture."""


@dataclass(frozen=True)
class Together:
    """Row i tells how what happens together with item i shares out."""

    shares: sparse.csr_matrix
    popularity: NDArray[np.float32]
    """Share of each item in everything; more than 0."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of the shares of each query's newest item."""
        asked = [int(query.items[-1]) for query in queries]
        mixed = (1 - POPULARITY) * self.shares[asked].toarray() + POPULARITY * self.popularity
        return np.asarray(np.log(mixed), np.float32)

    def save(self, folder: Path) -> None:
        """Writes the shares and the popularity."""
        save_csr(folder, "shares", self.shares)
        np.save(folder / "popularity.npy", self.popularity, allow_pickle=False)


def train(matrix: sparse.csr_matrix) -> Together:
    """Counts pairs in a (user or session, item) matrix of ones."""
    counts = np.asarray(matrix.sum(axis=0)).ravel() + 0.5
    blocks = [_largest(together, items.start) for items, together in count_together(damped(matrix, DAMPING / 2))]
    shares = sparse.csr_matrix(sparse.vstack(blocks), dtype=np.float32)
    return Together(shares, (counts / counts.sum()).astype(np.float32))


def _largest(together: sparse.csr_matrix, first: int) -> sparse.csr_matrix:
    """The rows as shares, without the items themselves and all but their largest `NEIGHBOURS`."""
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    values = np.where(together.indices == rows + first, 0, together.data)
    shares = values / np.maximum(np.bincount(rows, values, together.shape[0]), 1e-12)[rows]
    kept = []
    for start, end in pairwise(together.indptr.tolist()):
        count = min(NEIGHBOURS, end - start)
        if count:
            kept.append(start + np.sort(np.argpartition(-shares[start:end], count - 1)[:count]))
    chosen = np.concatenate([*kept, np.empty(0, np.int64)])
    return sparse.csr_matrix((shares[chosen], (rows[chosen], together.indices[chosen])), shape=together.shape)


def load(folder: Path) -> Together:
    """Reads what `Together.save` wrote."""
    popularity = np.load(folder / "popularity.npy", mmap_mode="r", allow_pickle=False)
    return Together(load_csr(folder, "shares", len(popularity)), popularity)

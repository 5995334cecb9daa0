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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.pairs import groups_of, in_blocks, whole
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.scorer import load_csr, save_csr
from tailorbird.recipes.scorers.sums import SparseRows, bounds_of
from tailorbird.storage.arrays import load_arrays, save_arrays

DAMPING = 0.8
"""Between 0, each pair alike, and 1, each user or session alike; not tuned, RP3-beta chose a power of .6 of its random
walk on both shops of P7 (docs/reference/quality.md)."""
NEIGHBOURS = 1000
"""Largest shares kept of each item: twice the longest answer of 500, so that a filter has something left; 8 MB a
thousand items."""
PRIOR = 100.0
"""Pairs added to those of each item, in the weight of pairs of single items; not tuned by itself, cosine wanted a
shrinkage of 800 rows, the largest that was tried, on both shops of P7."""


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
    from tailorbird.recipes.scorers import pair_kernels

    counts = np.asarray(matrix.sum(axis=0)).ravel() + 0.5  # so that the log of one that nobody had is finite
    groups = groups_of(matrix.indptr, matrix.indices, matrix.shape[1])
    weights = whole(np.maximum(groups.sizes, 1) ** -DAMPING)
    pairs = groups.pairs()
    room = np.minimum(pairs, min(NEIGHBOURS, len(pairs)))

    def largest(items: slice) -> tuple[SparseRows, NDArray[np.int64]]:
        starts = bounds_of(room[items])
        indices, data = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        found, total = np.empty(len(starts) - 1, np.int64), np.empty(len(starts) - 1, np.int64)
        pair_kernels.largest(items.start, *groups.parts, weights, starts, indices, data, found, total)
        kept = np.arange(starts[-1]) - np.repeat(starts[:-1], room[items]) < np.repeat(found, room[items])
        return SparseRows(found, indices[kept], data[kept]), total

    blocks = [rows for _, rows in in_blocks(pairs, largest)]
    found, indices, data = (np.concatenate(part) for part in zip(*(rows for rows, _ in blocks), strict=True))
    totals = (np.concatenate([total for _, total in blocks]) / pair_kernels.ONE).astype(np.float32)
    largest_pairs = sparse.csr_matrix((data, indices, bounds_of(found)), shape=(len(pairs), len(pairs)))
    return CoOccurrence(largest_pairs, totals, (counts / counts.sum()).astype(np.float32))


def load(folder: Path) -> CoOccurrence:
    """Reads what `CoOccurrence.save` wrote."""
    totals, popularity = load_arrays(folder, "totals", "popularity")
    return CoOccurrence(load_csr(folder, "pairs", len(popularity)), totals, popularity)

"""Questions and matrices in the form that the compiled loops of `kernels` take, which are loaded at the first question.

What scipy.sparse would say with matrices of one row each takes it ten times as long as the sums themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.recipe import Query


class WeightedItems(NamedTuple):
    """Weighted numbers of each question: those of question q are at bounds[q]:bounds[q + 1]."""

    bounds: NDArray[np.int64]
    number: NDArray[np.int32]
    weight: NDArray[np.float32]

    @property
    def question(self) -> NDArray[np.int64]:
        """Whose each number is."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


class Histories(NamedTuple):
    """The interactions of questions one after the other, each history's oldest first."""

    bounds: NDArray[np.int64]
    items: NDArray[np.int32]


class RecentItems(NamedTuple):
    """Distinct items of histories, each history's most recent first."""

    bounds: NDArray[np.int64]
    items: NDArray[np.int32]
    place: NDArray[np.int64]
    """Where in `Histories.items` each occurs last."""
    repeated: NDArray[np.bool_]
    """Whether it occurs there more than once."""

    @property
    def rank(self) -> NDArray[np.int64]:
        """Place of each among the recent items of its history, 0 for the most recent."""
        return np.arange(len(self.items)) - np.repeat(self.bounds[:-1], np.diff(self.bounds))

    def weighted(self, weights: NDArray[np.float32]) -> WeightedItems:
        """Returns the items, the k-th of each history with the weight `weights[k]`."""
        return WeightedItems(self.bounds, self.items, weights[self.rank])


class SparseRows(NamedTuple):
    """The parts of a sparse matrix, of the types that the loops are compiled for."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]


def bounds_of(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns (lengths + 1): where each of some parts begins when they lie one after the other, and the end."""
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def histories_of(queries: Sequence[Query]) -> Histories:
    """Returns what was done by who asks."""
    parts = [np.asarray(query.items, np.int32) for query in queries]
    return Histories(bounds_of([len(part) for part in parts]), np.concatenate([*parts, np.empty(0, np.int32)]))


def recent(histories: Histories, last: int | None, items: int) -> RecentItems:
    """Returns the distinct items of histories, at most `last` of each; `items`: how many items there are.

    Raises:
        IndexError: a history has an item that there is not; the loops would write past their arrays.
    """
    from tailorbird.recipes.scorers import kernels

    if histories.items.view(np.uint32).max(initial=0) >= max(items, 1):
        raise IndexError(f"A history has an item whose number is not among those of {items} items.")
    lengths = np.diff(histories.bounds)
    starts = bounds_of(lengths if last is None else np.minimum(lengths, last))
    room = int(starts[-1])
    index, place, repeated = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, bool)
    counts, slot = np.empty(len(lengths), np.int64), np.zeros(items, np.int32)
    kernels.distinct(histories.items, histories.bounds, starts, slot, index, place, repeated, counts)
    bounds = bounds_of(counts)
    found = RecentItems(bounds, index, place, repeated)
    if bounds[-1] == room:
        return found
    kept = np.arange(bounds[-1]) + np.repeat(starts[:-1] - bounds[:-1], counts)
    return RecentItems(bounds, index[kept], place[kept], repeated[kept])


def rows_of(matrix: sparse.csr_matrix) -> SparseRows:
    """Returns the matrix's parts, copied only where they are of another type."""
    return SparseRows(
        np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, np.int32), np.asarray(matrix.data, np.float32)
    )


def nonzero(given: NDArray[np.float32]) -> WeightedItems:
    """Returns what of a (question, number) array is not zero."""
    question, index = np.nonzero(given)
    return WeightedItems(
        bounds_of(np.bincount(question, minlength=len(given))), index.astype(np.int32), given[question, index]
    )


def add_rows(given: WeightedItems, matrix: NDArray[np.float32], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Adds to (question, column) the weighted rows of a dense matrix, and returns it."""
    from tailorbird.recipes.scorers import kernels

    kernels.add_rows(*given, matrix, out)
    return out


def add_sparse_rows(given: WeightedItems, rows: SparseRows, out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Adds to (question, column) the weighted rows of a sparse matrix, and returns it."""
    from tailorbird.recipes.scorers import kernels

    kernels.add_sparse_rows(*given, *rows, out)
    return out


def zeros(questions: int, columns: int) -> NDArray[np.float32]:
    """Returns something to add to."""
    return np.zeros((questions, columns), np.float32)

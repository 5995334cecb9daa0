"""Questions and matrices in the form that the compiled loops of `kernels` take, which are loaded at the first question.

What scipy.sparse would say with matrices of one row each takes it ten times as long as the sums themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.recipe import Query

END_OF_TIME = np.iinfo(np.int64).max
"""After any moment."""
SHORT = 1 << 16
"""Columns whose numbers have room in 16 bits."""


class WeightedItems(NamedTuple):
    """Weighted numbers of each question: those of question q are at bounds[q]:bounds[q + 1]."""

    bounds: NDArray[np.int64]
    number: NDArray[np.int32]
    weight: NDArray[np.float32]

    def times(self, factor: NDArray[np.float32]) -> WeightedItems:
        """Returns them with the weights of each question multiplied by a factor (question)."""
        factors = factor if len(factor) == 1 else np.repeat(factor, lengths_of(self.bounds))
        return self._replace(weight=self.weight * factors)


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

    def ranks(self) -> NDArray[np.int64]:
        """Returns the place of each among those of its history, 0 for the most recent."""
        return np.arange(len(self.items)) - np.repeat(self.bounds[:-1], lengths_of(self.bounds))

    def weighted(self, weights: NDArray[np.float32]) -> WeightedItems:
        """Returns the newest items of each history, the k-th with the weight `weights[k]`."""
        most = len(weights)
        if len(self.bounds) == 2:  # one history: nothing is copied
            bounds = np.minimum(self.bounds, most)
            return WeightedItems(bounds, self.items[:most], weights[: bounds[1]])
        ranks = self.ranks()
        kept = ranks < most
        return WeightedItems(
            bounds_of(np.minimum(lengths_of(self.bounds), most)), self.items[kept], weights[ranks[kept]]
        )


class Queries(tuple[Query, ...]):
    """Queries that are asked together, and what several scorers look at of them, which is made once."""

    @cached_property
    def histories(self) -> Histories:
        """What was done by who asks."""
        parts = [np.asarray(query.items, np.int32) for query in self]
        items = np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.int32)])
        return Histories(bounds_of([len(part) for part in parts]), items)

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """When that was: parallel to the items of `histories`."""
        parts = [np.asarray(query.timestamps, np.int64) for query in self]
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.int64)])

    @cached_property
    def moments(self) -> NDArray[np.int64]:
        """What each is asked as of, in epoch seconds; the end of time where neither it nor the history says."""
        return np.array([asked_at(query, END_OF_TIME) for query in self], np.int64)

    @cached_property
    def _distinct(self) -> RecentItems:
        from tailorbird.recipes.scorers import kernels

        histories = self.histories
        room, bounds = len(histories.items), np.zeros_like(histories.bounds)
        index, place, repeated = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, bool)
        kernels.distinct(histories.items, histories.bounds, index, place, repeated, bounds)
        found = bounds[-1]
        return RecentItems(bounds, index[:found], place[:found], repeated[:found])

    @cached_property
    def _highest(self) -> int:
        """The largest number of an item, taken as unsigned."""
        return int(self.histories.items.view(np.uint32).max(initial=0))

    def recent(self, items: int) -> RecentItems:
        """Returns the distinct items of the histories; `items`: how many items there are.

        Raises:
            IndexError: a history has an item that there is not; the loops would write past their arrays.
        """
        if self._highest >= max(items, 1):
            raise IndexError(f"A history has an item whose number is not among those of {items} items.")
        return self._distinct


def asked_at(query: Query, otherwise: int) -> int:
    """Returns the epoch second that a query is about."""
    if query.now is not None:
        return query.now
    return int(query.timestamps[-1]) if len(query.timestamps) else otherwise


def queries_of(queries: Sequence[Query]) -> Queries:
    """Returns the queries as such that scorers share."""
    return queries if isinstance(queries, Queries) else Queries(queries)


class SparseRows(NamedTuple):
    """The parts of a sparse matrix, of the types that the loops are compiled for."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.integer[Any]]
    """uint16 where that has room for the number of columns, since it takes half the memory of int32."""
    data: NDArray[np.float32]


def bounds_of(lengths: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns (lengths + 1): where each of some parts begins when they lie one after the other, and the end."""
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.add.accumulate(lengths, out=bounds[1:])
    return bounds


def lengths_of(bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns how long each of the parts is that begin there; as numpy.diff in a seventh of its time."""
    return bounds[1:] - bounds[:-1]


def rows_of(matrix: sparse.csr_matrix) -> SparseRows:
    """Returns the matrix's parts, copied only where they are of another type."""
    kind = np.uint16 if matrix.shape[1] <= SHORT else np.int32
    return SparseRows(
        np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, kind), np.asarray(matrix.data, np.float32)
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


@contextmanager
def borrowed_zeros(size: int) -> Iterator[NDArray[np.float32]]:
    """Lends zeros to a loop that leaves them as such; those of a large catalogue cost a millisecond to make."""
    try:
        held = _LENT.pop()
    except IndexError:
        held = np.zeros(size, np.float32)
    if len(held) < size:
        held = np.zeros(size, np.float32)
    yield held[:size]
    _LENT.append(held)  # not after an exception, which may have left something


_LENT: list[NDArray[np.float32]] = []
"""As many as were asked for at a time, in as many threads."""


def zeros(questions: int, columns: int) -> NDArray[np.float32]:
    """Returns something to add to."""
    return np.zeros((questions, columns), np.float32)

"""EASE: the item-to-item weights that best rebuild every user's items from their other items.

The weights are B = I - P / diag(P) with P = (X'X + lambda I)^-1, X the (user, item) matrix of ones. With few items
B is kept as it is. With many, P is kept through the users' Gram matrix: P = (I - X' K X) / lambda with
K = (X X' + lambda I)^-1, so that memory and time go with the users squared and cubed, not with the items.

Source: Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019; the identity is Woodbury's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.coarse_rows import CoarseRows
from tailorbird.recipes.scorers.merged import Part, alone
from tailorbird.recipes.scorers.scorer import added, load_csr, save_csr
from tailorbird.recipes.scorers.sums import (
    SparseRows,
    add_rows,
    add_sparse_rows,
    borrowed_zeros,
    nonzero,
    queries_of,
    rows_of,
    zeros,
)
from tailorbird.storage.arrays import load_arrays, save_arrays

REGULARISATION = 200.0
"""In the range that validation chooses: 100 on Amazon Beauty, 800 on MovieLens small (docs/reference/quality.md); 50
lost 8 % of its own NDCG@25 on MovieLens 100K. One value for all, since the blend learns how far to trust it."""
MOST_ITEMS = 4000
"""Up to here B is kept: 4000 items cost 64 MB and a second or two, for any number of users."""
MOST_USERS = 2500
"""Beyond `MOST_ITEMS`, the users seen last are used: 2500 cost 25 MB, and some milliseconds a query."""
LAST = 200
"""Distinct recent items of a history that count; those before weigh less than a fourteenth each."""
WEIGHTS = (1 / np.sqrt(1 + np.arange(LAST))).astype(np.float32)
"""By recency, falling slowly: peers chose the last 3 items on Amazon Beauty, 10 on MovieLens small, and all of them for
newcomers (docs/reference/quality.md)."""
BLOCK = 4096
"""Items of a table that is dense for a while: 40 MB for `MOST_USERS`."""
SPARSE = 0.4
"""Share of the users that have to do with a history up to which their rows of the kernel are added up one by one: of
2,500 users with a share of .16 that takes 0.23 ms, the whole product 0.96; of 604 with .86, 60 and 25 µs."""
FLOOR = 0.003
"""Weight at which an item is as good as unrelated: weights below it, many of them negative, are noise; not tuned."""


@dataclass(frozen=True)
class FewItems:
    """B, as (from item, to item)."""

    weights: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of each item's rebuilt weight; recent items weigh more."""
        return alone("ease", self.part, queries, len(self.weights), np.log(FLOOR))

    @cached_property
    def part(self) -> Part:
        """As `MergedScorer` says."""
        rows = CoarseRows(self.weights)
        return rows.numbers, rows.unit, WEIGHTS, FLOOR

    def save(self, folder: Path) -> None:
        """Writes the weights."""
        save_arrays(folder, weights=self.weights)


@dataclass(frozen=True)
class ManyItems:
    """X, K and lambda diag(P)."""

    matrix: sparse.csr_matrix
    kernel: NDArray[np.float32]
    diagonal: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of each item's rebuilt weight; recent items weigh more."""
        return added(self, queries, len(self.diagonal), np.log(FLOOR))

    def add(self, queries: Sequence[Query], factor: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """As `AddingScorer` says."""
        from tailorbird.recipes.scorers import raising_kernels

        found, has = queries_of(queries).recent(len(self.diagonal)), self._by_user
        users = add_sparse_rows(found.weighted(WEIGHTS), self._by_item, zeros(len(queries), len(self.kernel)))
        some = nonzero(users)
        if len(some.number) < SPARSE * users.size:
            users = add_rows(some, self.kernel, np.zeros_like(users))
        else:
            users = users @ self.kernel
        with borrowed_zeros(len(self.diagonal)) as sums:
            raising_kernels.rebuilt(
                users,
                has.indptr,
                has.indices,
                found.bounds,
                found.items,
                WEIGHTS,
                self.diagonal,
                FLOOR,
                factor,
                sums,
                out,
            )

    @cached_property
    def _by_item(self) -> SparseRows:
        return rows_of(sparse.csr_matrix(self.matrix.T))

    @cached_property
    def _by_user(self) -> SparseRows:
        return rows_of(self.matrix)

    def save(self, folder: Path) -> None:
        """Writes the matrix, the kernel and the diagonal."""
        save_csr(folder, "matrix", self.matrix)
        save_arrays(folder, kernel=self.kernel, diagonal=self.diagonal)


def train(data: Interactions) -> FewItems | ManyItems:
    """Solves the regression in closed form."""
    matrix = user_item(data)
    if len(data.items) <= MOST_ITEMS:
        inverse = _regularised_inverse(sparse.csr_matrix(matrix.T))
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return FewItems(np.ascontiguousarray(weights, np.float32))
    matrix = matrix[newest_users(data, MOST_USERS)]
    kernel = _regularised_inverse(matrix).astype(np.float32)
    diagonal = np.ones(matrix.shape[1])
    for start in range(0, matrix.shape[1], BLOCK):
        block = matrix[:, start : start + BLOCK].toarray()
        diagonal[start : start + BLOCK] -= np.einsum("ui,ui->i", block, kernel @ block)
    return ManyItems(matrix, kernel, diagonal.astype(np.float32))


def _regularised_inverse(rows: sparse.csr_matrix) -> NDArray[np.float64]:
    gram = (rows @ rows.T).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += REGULARISATION
    return np.asarray(linalg.inv(gram, overwrite_a=True, check_finite=False))


def newest_users(data: Interactions, most: int) -> NDArray[np.int64]:
    """Returns the numbers, ascending, of at most `most` users: those whose last interaction is newest."""
    return np.sort(np.argsort(-last_seen(data), kind="stable")[:most])


def last_seen(data: Interactions) -> NDArray[np.int64]:
    """Returns the time of each user's last interaction, or the least int64 of someone without any."""
    last = np.full(len(data.users), np.iinfo(np.int64).min)
    np.maximum.at(last, data.user, data.timestamp)
    return last


def load(folder: Path) -> FewItems | ManyItems:
    """Reads what `save` wrote."""
    if (folder / "weights.npy").exists():
        return FewItems(*map(np.asarray, load_arrays(folder, "weights")))
    kernel, diagonal = map(np.asarray, load_arrays(folder, "kernel", "diagonal"))
    return ManyItems(load_csr(folder, "matrix", len(diagonal)), kernel, diagonal)

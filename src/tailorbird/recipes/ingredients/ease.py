"""EASE: the item-to-item weights that best rebuild every user's items from their other items.

The weights are B = I - P / diag(P) with P = (X'X + lambda I)^-1, X the (user, item) matrix of ones. P is kept
through the users' Gram matrix: P = (I - X' K X) / lambda with K = (X X' + lambda I)^-1, so that memory and time
go with the users squared and cubed, not with the items.

Source: Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019; the identity is Woodbury's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from tailorbird.recipes.ingredients.ingredient import (
    load_csr,
    log_share,
    recent_items,
    save_csr,
    weighted_histories,
)
from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query

REGULARISATION = 200.0
MOST_USERS = 4000
"""Of more users, those with the newest interactions are used: 4000 cost 64 MB and a second or two."""
LAST = 200
"""Distinct recent items of a history that count."""
WEIGHTS = (1 / np.sqrt(1 + np.arange(LAST))).astype(np.float32)
FLOOR = 0.02


@dataclass(frozen=True)
class Ease:
    """X, K and lambda diag(P)."""

    matrix: sparse.csr_matrix
    kernel: NDArray[np.float32]
    diagonal: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of each item's rebuilt weight; recent items weigh more."""
        histories = [recent_items(query, LAST) for query in queries]
        history = weighted_histories(histories, WEIGHTS, self.matrix.shape[1])
        scores = -(history - (history @ self.matrix.T @ self.kernel) @ self.matrix) / self.diagonal
        scores = np.asarray(scores, np.float32)
        scores[history.nonzero()] += history.data
        return log_share(scores, FLOOR)

    def save(self, folder: Path) -> None:
        """Writes the matrix, the kernel and the diagonal."""
        save_csr(folder, "matrix", self.matrix)
        np.save(folder / "kernel.npy", self.kernel, allow_pickle=False)
        np.save(folder / "diagonal.npy", self.diagonal, allow_pickle=False)


def train(data: Interactions) -> Ease:
    """Solves the regression in closed form."""
    matrix = user_item(data)[newest_users(data, MOST_USERS)]
    gram = (matrix @ matrix.T).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += REGULARISATION
    kernel = linalg.inv(gram, overwrite_a=True, check_finite=False).astype(np.float32)
    diagonal = np.ones(matrix.shape[1])
    for start in range(0, matrix.shape[1], 4096):
        block = matrix[:, start : start + 4096].toarray()
        diagonal[start : start + 4096] -= np.einsum("ui,ui->i", block, kernel @ block)
    return Ease(matrix, kernel, diagonal.astype(np.float32))


def newest_users(data: Interactions, most: int) -> NDArray[np.int64]:
    """Returns the numbers, ascending, of at most `most` users: those whose last interaction is newest."""
    last = np.full(len(data.users), np.iinfo(np.int64).min)
    np.maximum.at(last, data.user, data.timestamp)
    return np.sort(np.argsort(-last, kind="stable")[:most])


def load(folder: Path) -> Ease:
    """Reads what `Ease.save` wrote."""
    kernel = np.load(folder / "kernel.npy", mmap_mode="r", allow_pickle=False)
    diagonal = np.load(folder / "diagonal.npy", mmap_mode="r", allow_pickle=False)
    return Ease(load_csr(folder, "matrix", len(diagonal)), kernel, diagonal)

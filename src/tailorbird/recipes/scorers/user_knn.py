"""What the most alike users have: nearest neighbours among users, or among sessions where users are sessions.

A user's likeness to a history is the decayed sum over the items that both have, divided by the root of how many
items the user has. An item's score is the share of the nearest users, weighted by likeness, that have it. The
history's own items score nothing: who asks may be among the users.

Source: Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018 (V-SKNN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import user_item
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.ease import last_seen, newest_users
from tailorbird.recipes.scorers.merged import Part, alone
from tailorbird.recipes.scorers.scorer import csr_rows, load_csr, save_csr
from tailorbird.recipes.scorers.sums import rows_of

DECAY = 0.7
"""A place. Session-kNN chose .5 in P5, at the end of the range that was tried; users are longer than sessions."""
LAST = 20
"""Distinct recent items that count: what is further back weighs less than a thousandth of the newest."""
WEIGHTS = (DECAY ** np.arange(LAST)).astype(np.float32)
NEAREST = 500
"""As session-kNN chose in P5 (docs/reference/quality.md), at the end of the range that was tried: more cost time."""
FLOOR = 0.0005
"""Share below which an item is as good as absent: less than the vote of one of the nearest."""
MOST_USERS = 500_000
"""The users seen last are used: with a million items and three million rows this scorer takes 21 of 35 ms of an
answer."""
MOST_USERS_OF_ITEM = 5000
"""Of an item's users those seen last are found by it, so that what everybody has costs a millisecond at most."""


@dataclass(frozen=True)
class UserKnn:
    """The users' items, as (user, item) ones, and the likeness that each item brings, as (item, user).

    All items of a user bring the same.
    """

    has: sparse.csr_matrix
    brings: sparse.csr_matrix

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of the share of alike users that have each item."""
        return alone("user_knn", self.part, queries, self.has.shape[1], np.log(FLOOR))

    @property
    def part(self) -> Part:
        """As `MergedScorer` says."""
        return *self._arrays, WEIGHTS, NEAREST, FLOOR

    @cached_property
    def _arrays(self) -> Part:
        """Each item's users, by what each user's likeness is multiplied, and each user's items."""
        damping = np.zeros(self.has.shape[0], np.float32)
        damping[self.brings.indices] = self.brings.data
        users, items = np.asarray(self.brings.indices, np.int32), rows_of(self.has)
        return np.asarray(self.brings.indptr, np.int64), users, damping, items.indptr, items.indices

    def save(self, folder: Path) -> None:
        """Writes both matrices."""
        save_csr(folder, "has", self.has)
        save_csr(folder, "brings", self.brings)


def train(data: Interactions) -> UserKnn:
    """Keeps what users have; there is nothing to learn."""
    newest = newest_users(data, MOST_USERS)
    has = user_item(data)[newest]
    lengths = np.diff(has.indptr)
    brings = has.copy()
    brings.data /= np.sqrt(np.repeat(lengths, lengths)).astype(np.float32)
    return UserKnn(has, newest_in_rows(sparse.csr_matrix(brings.T), last_seen(data)[newest], MOST_USERS_OF_ITEM))


def newest_in_rows(matrix: sparse.csr_matrix, times: NDArray[np.int64], most: int) -> sparse.csr_matrix:
    """Returns the matrix with at most `most` values a row, those of the columns with the latest times."""
    if np.diff(matrix.indptr).max(initial=0) <= most:
        return matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-times[matrix.indices], row))
    kept = np.sort(order[np.arange(len(order)) - matrix.indptr[row] < most])
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def load(folder: Path) -> UserKnn:
    """Reads what `UserKnn.save` wrote."""
    items, users = csr_rows(folder, "brings"), csr_rows(folder, "has")
    return UserKnn(load_csr(folder, "has", items), load_csr(folder, "brings", users))

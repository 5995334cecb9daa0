"""What metadata and context say of the next item, from counts: a smoothed naive Bayes.

Conditions are the features of a user's recent items, of the user, or of the request's context. Outcomes are the
features of the next item, and the item itself. Of each pair it is counted how much more often they meet than if
they had nothing to do with each other:

lift(condition, outcome) = log((met + PRIOR) / (expected + PRIOR))

An item's score is the sum of its outcomes' lifts over the conditions of the question; without conditions it is 0.
Source of the smoothing: DuMouchel, Bayesian Data Mining in Large Frequency Tables, The American Statistician 1999,
whose gamma prior is one of `PRIOR` events as expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import features
from tailorbird.recipes.features import Encoder, Features
from tailorbird.recipes.matrices import closeness
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.coarse_rows import CoarseRows
from tailorbird.recipes.scorers.merged import Part
from tailorbird.recipes.scorers.scorer import added, csr_rows, load_csr, save_csr
from tailorbird.recipes.scorers.sums import (
    SparseRows,
    WeightedItems,
    add_rows,
    add_sparse_rows,
    nonzero,
    queries_of,
    rows_of,
    zeros,
)
from tailorbird.storage.arrays import load_arrays, save_arrays

PRIOR = 10.0
"""Events as expected that every pair has beforehand (DuMouchel's gamma prior): ten keep a pair that met once or twice
near 0; not tuned."""
LAST = 10
"""Distinct recent items whose features are conditions; what is further back weighs .35 of the newest at most."""
DECAY = 0.9
"""A place, as in markov_chain.py; not tuned."""
WEIGHTS = (DECAY ** np.arange(LAST)).astype(np.float32)
MOST_FEATURES = 1000
"""Of items: the most frequent. There are thousands of conditions, each with a lift for each feature: 4 MB a thousand
conditions."""
MOST_CELLS = 4_000_000
"""Of a table of what each condition says of each item: 8 MB."""


@dataclass(frozen=True)
class Attributes:
    """The lifts that one kind of conditions gives."""

    source: str
    """items, user or context: where the conditions come from."""
    encoder: Encoder
    """Of the columns of the source; empty for `items`."""
    items: sparse.csr_matrix
    """(item, feature): what is known of the items."""
    of_features: NDArray[np.float32]
    """(condition, feature) lifts."""
    of_items: sparse.csr_matrix
    """(condition, item) lifts, where the two met."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item): the sum of the lifts."""
        return added(self, queries, self.items.shape[0])

    def add(self, queries: Sequence[Query], factor: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """As `AddingScorer` says."""
        given = self._conditions(queries).times(factor)
        if self._folded is not None:
            self._folded.add(given, out)
        else:
            add_sparse_rows(given, self._of_items, out)
            of_features = add_rows(given, self.of_features, zeros(len(queries), self.of_features.shape[1]))
            out += (self.items @ of_features.T).T

    @cached_property
    def part(self) -> Part | None:
        """As `MergedScorer` says; of those that come from items alone."""
        if self.source != "items" or self._folded is None:
            return None
        indptr, indices, data = self._items
        says = self._folded
        return indptr, np.asarray(indices, np.int32), data, WEIGHTS / WEIGHTS.sum(), says.numbers, says.unit

    def _conditions(self, queries: Sequence[Query]) -> WeightedItems:
        if self.source == "items":
            shares = queries_of(queries).recent(self.items.shape[0]).weighted(WEIGHTS / WEIGHTS.sum())
            return nonzero(add_sparse_rows(shares, self._items, zeros(len(queries), self.items.shape[1])))
        return self.encoder.given([query.user if self.source == "user" else query.context for query in queries])

    @cached_property
    def _folded(self) -> CoarseRows | None:
        """(condition, item): all that a condition says of an item, where that is a small table."""
        if self.of_items.shape[0] * self.of_items.shape[1] > MOST_CELLS:
            return None
        return CoarseRows(self.of_items.toarray() + (self.items @ self.of_features.T).T)

    @cached_property
    def _items(self) -> SparseRows:
        return rows_of(self.items)

    @cached_property
    def _of_items(self) -> SparseRows:
        return rows_of(self.of_items)

    def save(self, folder: Path) -> None:
        """Writes the encoder, the items' features and the lifts."""
        self.encoder.save(folder / f"{self.source}.json")
        save_arrays(folder, of_features=self.of_features)
        save_csr(folder, "items", self.items)
        save_csr(folder, "of_items", self.of_items)


def train(data: Interactions, known: Features) -> dict[str, Attributes]:
    """Counts for each source of which there are features; the names are those of the sources."""
    items = _frequent(known.items)
    found = {}
    if items.shape[1]:
        followed = closeness(data, LAST, DECAY, backwards=0.0)
        found["items"] = _counted("items", features.fit({}), items, items.T @ followed)
    if known.users.size:
        touched = _ones(data.user, data.item, (len(data.users), len(data.items)))
        conditions = known.users.columns(data.user_columns, len(data.users))
        found["user"] = _counted("user", known.users, items, conditions.T @ touched)
    if known.context.size:
        touched = _ones(np.arange(len(data.item)), data.item, (len(data.item), len(data.items)))
        conditions = known.context.columns(data.context, len(data.item))
        found["context"] = _counted("context", known.context, items, conditions.T @ touched)
    return found


def _frequent(items: sparse.csr_matrix) -> sparse.csr_matrix:
    order = np.argsort(-np.asarray(items.sum(axis=0)).ravel(), kind="stable")
    return sparse.csr_matrix(items[:, np.sort(order[:MOST_FEATURES])])


def _ones(row: NDArray[np.integer], item: NDArray[np.int32], shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(row), np.float32), (row, item)), shape=shape)


def _counted(source: str, encoder: Encoder, items: sparse.csr_matrix, met: sparse.csr_matrix) -> Attributes:
    """met: (condition, item) counts."""
    met = sparse.csr_matrix(met)
    met.sum_duplicates()
    conditions = np.asarray(met.sum(axis=1)).ravel()
    shares = np.asarray(met.sum(axis=0)).ravel() / max(conditions.sum(), 1.0)
    of_features = _lift((met @ items).toarray(), np.outer(conditions, shares @ items))
    rows = np.repeat(np.arange(met.shape[0]), np.diff(met.indptr))
    of_items = met.copy()
    of_items.data = _lift(met.data, conditions[rows] * shares[met.indices])
    return Attributes(source, encoder, items, of_features, of_items)


def _lift(met: NDArray[np.floating], expected: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(np.log((met + PRIOR) / (expected + PRIOR)), np.float32)


def load(folder: Path) -> Attributes:
    """Reads what `Attributes.save` wrote."""
    (encoder,) = folder.glob("*.json")
    (of_features,) = map(np.asarray, load_arrays(folder, "of_features"))
    items = csr_rows(folder, "items")
    return Attributes(
        encoder.stem,
        features.load(encoder),
        load_csr(folder, "items", of_features.shape[1]),
        of_features,
        load_csr(folder, "of_items", items),
    )

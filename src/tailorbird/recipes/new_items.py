"""Items that came after a model's training, scored by what they are.

A new item is expected to do as well as the items that have its features do on average. Few such items say little:
their mean is drawn towards that of all items, as if `SMOOTHING` average ones were among them (the posterior mean of
empirical Bayes; Efron and Morris 1975). An item without features is expected to do as well as the average item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import features
from tailorbird.recipes.recipe import Column, Model, Query
from tailorbird.recipes.scorers.scorer import PARTS
from tailorbird.storage.arrays import load_arrays, save_arrays

SMOOTHING = 5.0
"""Items."""


@dataclass(frozen=True)
class Likeness:
    """What tells which items are alike."""

    known: int
    """How many items the model knows: the first ones."""
    features: sparse.csr_matrix
    """(item, feature): float32; the weights of an item sum to 1, or to 0 where it has no feature."""

    def of(self, items: NDArray[np.int64]) -> Expectation:
        """Returns what to expect of these items."""
        has = sparse.csr_matrix(self.features[: self.known].T > 0, dtype=np.float32)
        sizes = np.diff(has.indptr) + SMOOTHING
        means = sparse.csr_matrix(sparse.diags_array(1 / sizes, dtype=np.float32) @ has)
        chosen = self.features[items]
        bare = 1 - np.asarray(chosen.sum(axis=1)).ravel()
        prior = np.asarray(chosen @ (SMOOTHING / sizes) + bare, np.float32)
        return Expectation(means, chosen, prior)

    def save(self, folder: Path) -> None:
        """Writes the features as arrays."""
        parts = {name: getattr(self.features, name) for name in PARTS}
        save_arrays(folder, **parts, shape=np.array([self.known, self.features.shape[1]]))


@dataclass(frozen=True)
class Expectation:
    """What to expect of some items, from what a model says of those that it knows."""

    means: sparse.csr_matrix
    """(feature, known item): by which probabilities are multiplied to have each feature's smoothed mean, less the
    part of the average item."""
    chosen: sparse.csr_matrix
    """(item, feature)."""
    prior: NDArray[np.float32]
    """Of each item, the weight of the average item in what is expected."""

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the probabilities (item, query) of the items, from those of (known item, query); or (item,)."""
        average = probabilities.mean(axis=0)
        return np.asarray(self.chosen @ (self.means @ probabilities) + np.multiply.outer(self.prior, average))


def likeness(columns: Mapping[str, Column], count: int, known: int) -> Likeness:
    """Returns what the columns tell of `count` items, of which the model knows the first `known`."""
    found = features.fit(columns).columns(columns, count)
    total = np.maximum(np.asarray(found.sum(axis=1)).ravel(), 1)
    return Likeness(known, sparse.csr_matrix(sparse.diags_array(1 / total, dtype=np.float32) @ found))


def load(folder: Path) -> Likeness:
    """Reads what `Likeness.save` wrote."""
    data, indices, indptr, shape = load_arrays(folder, *PARTS, "shape")
    known, size = shape.tolist()
    return Likeness(known, sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, size)))


@dataclass(frozen=True)
class ExtendedModel:
    """A model with new items: those that it knows keep their numbers and scores."""

    model: Model
    items: NDArray[np.str_]
    likeness: Likeness

    @cached_property
    def _expected(self) -> Expectation:
        return self.likeness.of(np.arange(self.likeness.known, len(self.items)))

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item); what users did with new items moves no score yet."""
        scores = self.model.score([_without_new(query, self.likeness.known) for query in queries])
        top = scores.max(axis=1, keepdims=True)
        return np.hstack([scores, np.log(self._expected(np.exp(scores - top).T)).T + top])

    def save(self, folder: Path) -> None:
        """Writes the model alone: new items are kept in files of their own."""
        self.model.save(folder)


def _without_new(query: Query, known: int) -> Query:
    kept = query.items < known
    return replace(query, items=query.items[kept], timestamps=query.timestamps[kept])

"""Metadata and context as numbers: every category and every range of a number becomes a feature of its own.

Used by the recipes that learn from items', users' and interactions' columns. Text is not covered here.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from tailorbird.data.values import categories
from tailorbird.recipes.recipe import Column, Interactions
from tailorbird.recipes.scorers.sums import WeightedItems, bounds_of

RANGES = 16
"""Into how many equally filled ranges a numeric column is cut, at most: a network learns a vector for each, from a
sixteenth of the rows."""
MOST_CATEGORIES = 5000
"""Of one column: the most frequent; more are ids rather than categories, and each costs a vector."""
LEAST_ROWS = 2
"""A category that fewer rows have is left out: it could only learn that one row by heart."""


@dataclass(frozen=True)
class Encoder:
    """Turns rows of columns into rows of features; made by `fit`."""

    categories: Mapping[str, Mapping[str, int]]
    """Of each categorical column, the feature of each category."""
    edges: Mapping[str, tuple[int, tuple[float, ...]]]
    """Of each numeric column, its first feature and the values at which the next range begins."""
    size: int
    """Number of features."""

    def encode(self, rows: Sequence[Mapping[str, object]]) -> sparse.csr_matrix:
        """Returns (row, feature) float32. The features of a categorical column share a weight of 1 in each row.

        A missing column, a missing value and a category that was not there at `fit` give no feature.
        """
        bounds, index, weight = self.given(rows)
        return sparse.csr_matrix((weight, index, bounds), shape=(len(rows), self.size))

    def given(self, rows: Sequence[Mapping[str, object]]) -> WeightedItems:
        """Returns `encode` as numbers of features."""
        found = [self._features(row) for row in rows]
        pairs = [pair for each in found for pair in each]
        index = np.array([feature for feature, _ in pairs], np.int32)
        weight = np.array([weight for _, weight in pairs], np.float32)
        return WeightedItems(bounds_of([len(each) for each in found]), index, weight)

    def columns(self, columns: Mapping[str, Column], count: int) -> sparse.csr_matrix:
        """Returns `encode` of `count` rows that are given column by column."""
        nothing = np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(count + 1, np.int64)
        found = sparse.csr_matrix(nothing, shape=(count, self.size))
        for name, column in columns.items():
            if name in self.categories or name in self.edges:
                numbers: dict[object, int] = {}  # values repeat, and each is encoded once
                rows = [numbers.setdefault(value, len(numbers)) for value in column.values.tolist()]
                found = found + self.encode([{name: value} for value in numbers])[rows]
        return found

    def _features(self, row: Mapping[str, object]) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for name, value in row.items():
            if name in self.categories:
                known = {feature for part in parts(value) if (feature := self.categories[name].get(part)) is not None}
                found += ((feature, 1 / len(known)) for feature in sorted(known))
            elif name in self.edges and (number := as_number(value)) is not None:
                first, edges = self.edges[name]
                found.append((first + bisect_right(edges, number), 1.0))
        return found

    def save(self, path: Path) -> None:
        """Writes a JSON file."""
        path.write_text(json.dumps({"categories": self.categories, "edges": self.edges, "size": self.size}))


def fit(columns: Mapping[str, Column]) -> Encoder:
    """Learns the categories and ranges of the categorical and numeric columns; others are left out."""
    categories: dict[str, dict[str, int]] = {}
    edges: dict[str, tuple[int, tuple[float, ...]]] = {}
    size = 0
    for name, column in columns.items():
        if column.kind == "categorical":
            counts = Counter(part for value in column.values.tolist() for part in set(parts(value)))
            frequent = [part for part, rows in counts.most_common(MOST_CATEGORIES) if rows >= LEAST_ROWS]
            categories[name] = {part: size + number for number, part in enumerate(sorted(frequent))}
            size += len(frequent)
        elif column.kind == "numeric":
            numbers = [number for value in column.values.tolist() if (number := as_number(value)) is not None]
            cuts = np.unique(np.quantile(numbers, np.linspace(0, 1, RANGES + 1)[1:-1])) if numbers else np.empty(0)
            edges[name] = size, tuple(cuts.tolist())
            size += len(cuts) + 1
    return Encoder(categories, edges, size)


@dataclass(frozen=True)
class Features:
    """What the columns of a data set have to say; without any the encoders are empty."""

    items: sparse.csr_matrix
    """(item, feature)"""
    users: Encoder
    context: Encoder


def of(data: Interactions) -> Features:
    """Returns the features of items, and the encoders of what comes with a question."""
    items = fit(data.item_columns).columns(data.item_columns, len(data.items))
    return Features(items, fit(data.user_columns), fit(data.context))


def load(path: Path) -> Encoder:
    """Reads what `Encoder.save` wrote."""
    read = json.loads(path.read_text())
    edges = {name: (first, tuple(cuts)) for name, (first, cuts) in read["edges"].items()}
    return Encoder(read["categories"], edges, read["size"])


def parts(value: object) -> list[str]:
    """Returns the categories of a value such as Action|Drama; none where it is missing."""
    return list(categories(str(value))) if value is not None and value == value else []


def as_number(value: object) -> float | None:
    """Returns a number as a float; None where it is missing, NaN included."""
    return float(value) if isinstance(value, int | float) and value == value else None

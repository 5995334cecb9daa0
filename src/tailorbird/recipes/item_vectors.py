"""Items as vectors of what their columns say: alike items point the same way.

Categories and ranges of numbers (features.py) and the terms of all textual columns (text.py), each weighted by how
rare it is, are projected on the directions in which items differ most. CREATION_TIMESTAMP is left out: two items
are not alike for being of one age.

Source: Deerwester et al., Indexing by Latent Semantic Analysis, 1990.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import features, text
from tailorbird.recipes.features import Encoder
from tailorbird.recipes.matrices import main_directions, unit
from tailorbird.recipes.recipe import Column
from tailorbird.recipes.text import Vocabulary, unit_rows
from tailorbird.storage.arrays import load_arrays, save_arrays

Columns = Mapping[str, Column]


@dataclass(frozen=True)
class ItemEncoder:
    """Turns columns of items into vectors; made by `fit`."""

    features: Encoder
    vocabulary: Vocabulary
    weights: NDArray[np.float32]
    """Of each feature: how rare it is, on a log scale."""
    projection: NDArray[np.float32]
    """(feature or term, dimension)."""

    def encode(self, columns: Columns, count: int) -> NDArray[np.float32]:
        """Returns (item, dimension) vectors of length 1; zeros for an item of which nothing is known."""
        return unit(self._sparse(columns, count) @ self.projection)

    def encode_words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vector of an item whose categories and text are just these words."""
        columns = {
            name: Column("categorical", np.array(["|".join(words)], object)) for name in self.features.categories
        }
        columns |= {"": Column("textual", np.array([" ".join(words)], object))}
        return np.asarray(self.encode(columns, 1)[0])

    def _sparse(self, columns: Columns, count: int) -> sparse.csr_matrix:
        known = sparse.csr_matrix(self.features.columns(columns, count) @ sparse.diags_array(self.weights))
        both = sparse.hstack([unit_rows(known), self.vocabulary.encode(texts(columns, count))])
        return unit_rows(sparse.csr_matrix(both))

    def save(self, folder: Path) -> None:
        """Writes features.json, vocabulary.json and two arrays."""
        self.features.save(folder / "features.json")
        self.vocabulary.save(folder / "vocabulary.json")
        save_arrays(folder, weights=self.weights, projection=self.projection)


def fit(columns: Columns, count: int, dimensions: int, seed: int) -> ItemEncoder:
    """Learns the features, the terms and the directions from the columns of `count` items."""
    used = {name: column for name, column in columns.items() if name != "CREATION_TIMESTAMP"}
    encoder = features.fit(used)
    shown = np.bincount(encoder.columns(used, count).indices, minlength=encoder.size)
    weights = (np.log((1 + count) / (1 + shown)) + 1).astype(np.float32)
    vocabulary = text.fit(texts(used, count))
    rough = ItemEncoder(encoder, vocabulary, weights, np.empty((0, 0), np.float32))
    return ItemEncoder(encoder, vocabulary, weights, main_directions(rough._sparse(used, count), dimensions, seed))


def load(folder: Path) -> ItemEncoder:
    """Reads what `ItemEncoder.save` wrote."""
    return ItemEncoder(
        features.load(folder / "features.json"),
        text.load(folder / "vocabulary.json"),
        *load_arrays(folder, "weights", "projection"),
    )


def texts(columns: Columns, count: int) -> list[str]:
    """Returns for each item its textual columns, one a line."""
    read = [column.values.tolist() for column in textual(columns).values()]
    if not read:
        return [""] * count
    return ["\n".join(str(value) for value in row if value is not None) for row in zip(*read, strict=True)]


def textual(columns: Columns) -> dict[str, Column]:
    """Returns the columns of text."""
    return {name: column for name, column in columns.items() if column.kind == "textual"}

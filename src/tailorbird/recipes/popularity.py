"""aws-popularity-count: items by how many distinct users interacted with them, the same for everyone.

Source: spec recipes-and-runtime 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.matrices import users_per_item
from tailorbird.recipes.recipe import Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import POPULARITY
from tailorbird.recipes.top_k import first_items, padded
from tailorbird.storage.arrays import load_arrays, save_arrays


@dataclass(frozen=True)
class Settings:
    """The recipe has no hyperparameters."""


@dataclass(frozen=True)
class Popularity:
    """A count for each item."""

    items: NDArray[np.str_]
    counts: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) counts of distinct users."""
        return np.tile(self.counts, (len(queries), 1))

    def best(self, queries: Sequence[Query], length: int) -> NDArray[np.int64]:
        """Returns the same list for each query, see `recipe.ListingModel`."""
        return np.tile(padded(first_items(self.counts, length), length), (len(queries), 1))

    def save(self, folder: Path) -> None:
        """Writes items.npy and counts.npy."""
        save_arrays(folder, items=self.items, counts=self.counts)

    @classmethod
    def load(cls, folder: Path) -> Popularity:
        """Reads what `save` wrote."""
        return cls(*load_arrays(folder, "items", "counts"))


def train(data: Interactions, settings: Settings, progress: Progress) -> Popularity:
    """Counts the distinct users of every item."""
    progress(0.0, "counting users per item")
    model = Popularity(data.items, users_per_item(data).astype(np.float32))
    progress(1.0, f"counted {len(data.user)} interactions")
    return model


RECIPES = (
    Recipe(
        "aws-popularity-count",
        POPULARITY,
        "Items by how many distinct users interacted with them; the same answer for everyone.",
        Settings,
        train,
        Popularity,
        feature_transformation="sims",
        when="As the baseline that every other recipe must beat, and where little is known of visitors.",
        learns_from="interactions: who, with what",
        paper="None: a count.",
    ),
)

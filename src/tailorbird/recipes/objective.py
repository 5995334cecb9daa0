"""optimizationObjective: a model whose lists lean to items that earn more.

    score(query, item) = log p(item | query) + strength * spread(query) * standing(item)

`standing` is the percentile of the item's attribute among all items, moved and scaled to mean 0 and standard
deviation 1: one item that costs a thousand times the others does not outweigh every other consideration. `spread`
is the standard deviation of log p over the catalogue. So relevance and objective vary equally over the catalogue
when the strength is 1, which is what MEDIUM means here; spec recipes-and-runtime 2.1 asks for no more than that
LOW < MEDIUM (equal) < HIGH.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.recipe import Model, Query, Recipe
from tailorbird.recipes.scorers.blend_weights import log_softmax
from tailorbird.storage.arrays import load_arrays, save_arrays

STRENGTHS = {"OFF": 0.0, "LOW": 1 / 3, "MEDIUM": 1.0, "HIGH": 3.0}
"""By objectiveSensitivity."""
NAME = "objective"


@dataclass(frozen=True)
class SteeredModel:
    """A model and what each item gains."""

    model: Model
    gain: NDArray[np.float32]
    """(item) strength times standing."""

    @property
    def items(self) -> NDArray[np.str_]:
        """Those of the model."""
        return self.model.items

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities up to the steering; what was -inf stays so."""
        scores = self.model.score(queries)
        spread = np.std(scores, axis=1, keepdims=True, where=np.isfinite(scores))
        return log_softmax(scores + spread * self.gain)

    def save(self, folder: Path) -> None:
        """Writes the model's own files, and one more."""
        self.model.save(folder)
        save_arrays(folder, **{NAME: self.gain})


def steer(model: Model, reward: NDArray[np.float32], sensitivity: str) -> Model:
    """Returns the model, steered; where the sensitivity is OFF, as it is.

    reward: (item) value of the attribute; an item where it is NaN stands in the middle.
    """
    strength = STRENGTHS[sensitivity]
    return SteeredModel(model, np.float32(strength) * standing(reward)) if strength else model


def standing(reward: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns (item) percentiles with mean 0 and standard deviation 1, equal values alike; 0 where NaN."""
    known = np.isfinite(reward)
    found = np.zeros(len(reward), np.float32)
    _, place, counts = np.unique(reward[known], return_inverse=True, return_counts=True)
    if len(counts) > 1:
        percentile = (np.cumsum(counts) - counts / 2)[place]
        found[known] = (percentile - percentile.mean()) / percentile.std()
    return found


def load(recipe: Recipe, folder: Path) -> Model:
    """Reads a model that may have been steered when it was saved."""
    model = recipe.model.load(folder)
    if not (folder / f"{NAME}.npy").exists():
        return model
    return SteeredModel(model, *load_arrays(folder, NAME))

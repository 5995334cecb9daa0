"""The item pool beside a model's files: what is new and what is little known, for exploration.

A training adds the first pool to its model, every update another one; the store of artifacts knows the newest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.exploration_pool import ItemPool
from tailorbird.recipes import new_items
from tailorbird.recipes.new_items import Likeness
from tailorbird.storage.arrays import load_arrays, save_arrays

ARRAYS = ("items", "interactions", "impressions", "created")


@dataclass(frozen=True, eq=False)  # so that it can be the key of what is made of it
class ExplorationPool:
    """The items that may be recommended, as of the last update; the arrays are parallel."""

    name: str
    """Of its folder; another one after each update."""
    items: NDArray[np.str_]
    """The model's in its order, then new ones."""
    interactions: NDArray[np.int64]
    impressions: NDArray[np.int64]
    created: NDArray[np.int64]
    """Epoch seconds."""
    newest: int
    """When the newest interaction was, from which ages are measured back; epoch seconds."""
    likeness: Likeness

    @cached_property
    def exposures(self) -> NDArray[np.int64]:
        """How often users had to do with each item: interactions and impressions."""
        return self.interactions + self.impressions


def save(found: ItemPool, known: int, folder: Path) -> None:
    """Writes the pool of a model of `known` items."""
    save_arrays(folder, **{name: getattr(found, name) for name in ARRAYS})
    (folder / "newest.json").write_text(json.dumps(found.newest), encoding="utf-8")
    (folder / "likeness").mkdir()
    new_items.likeness(found.columns, len(found.items), known).save(folder / "likeness")


def load(folder: Path) -> ExplorationPool:
    """The pool that `save` wrote, mapped rather than read."""
    items, interactions, impressions, created = load_arrays(folder, *ARRAYS)
    end = json.loads((folder / "newest.json").read_text(encoding="utf-8"))
    return ExplorationPool(
        folder.name, items, interactions, impressions, created, end, new_items.load(folder / "likeness")
    )

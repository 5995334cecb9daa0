"""The item pool beside a model's files: what is new and what is little known, for exploration.

A model's files never change; a pool is added to them by the training and then by every update. The newest one counts
from the next answer on, in every serving process.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.exploration_pool import ItemPool
from tailorbird.recipes import new_items
from tailorbird.recipes.new_items import Likeness
from tailorbird.storage.arrays import load_arrays, save_arrays
from tailorbird.storage.durable import publish

FOLDER = "pools"
"""Inside the folder of a model's files."""
KEPT = 2
"""Newest pools that are not removed: a process may be about to open the one before the newest."""
REMEDY = "Remove its folder, so that the one before counts until the next update, or restore it from a backup."
"""For a damaged pool."""
ARRAYS = ("items", "interactions", "impressions", "created")


@dataclass(frozen=True, eq=False)  # so that it can be the key of what is made of it
class Pool:
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


def add(model_folder: Path, found: ItemPool, known: int) -> None:
    """Puts a pool beside a model of `known` items, in one step; older ones are removed."""
    folder = model_folder / FOLDER
    number = int(newest(model_folder).partition("-")[0] or -1) + 1
    with publish(folder / f"{number:09}-{secrets.token_hex(4)}") as fresh:
        save_arrays(fresh, **{name: getattr(found, name) for name in ARRAYS})
        (fresh / "newest.json").write_text(json.dumps(found.newest), encoding="utf-8")
        (fresh / "likeness").mkdir()
        new_items.likeness(found.columns, len(found.items), known).save(fresh / "likeness")
    for old in sorted(folder.iterdir(), key=lambda path: path.name.lstrip("."))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def newest(model_folder: Path) -> str:
    """The name of the newest pool; empty where there is none."""
    try:
        names = os.listdir(model_folder / FOLDER)  # every request asks: a tenth of what a glob takes
    except FileNotFoundError:
        return ""
    return max((name for name in names if name[0].isdecimal()), default="")


def load(model_folder: Path, name: str) -> Pool:
    """The pool of that name, mapped rather than read."""
    folder = model_folder / FOLDER / name
    items, interactions, impressions, created = load_arrays(folder, *ARRAYS)
    end = json.loads((folder / "newest.json").read_text(encoding="utf-8"))
    return Pool(name, items, interactions, impressions, created, end, new_items.load(folder / "likeness"))

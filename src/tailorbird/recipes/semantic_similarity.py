"""aws-semantic-similarity: items whose texts are alike, the same for everyone.

    score(i, j) = cosine(text i, text j) + POPULARITY popularity(j) + FRESHNESS freshness(j)

The texts are the items' names and descriptions, as vectors of TF-IDF weighted terms on their main directions
(item_vectors.py): no model is downloaded, and what counts is the words that a catalogue itself uses. The two weights
are a campaign's rankingInfluence. Popularity is the logarithm of the interactions, 1 for the most popular item;
freshness halves every `FRESH_HALF_LIFE` of an item's age, and is 1 for the newest item of the training. An item
without text, and one that the model does not know, is answered with popular items, or else fresh ones.

Items that come or change after the training get vectors from the vocabulary of the training.

Source: spec recipes-and-runtime 1.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.clocks import DAY
from tailorbird.recipes import item_vectors
from tailorbird.recipes.item_vectors import ItemEncoder
from tailorbird.recipes.recipe import Column, Interactions, NotEnoughData, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import RELATED_ITEMS
from tailorbird.storage.arrays import load_arrays, save_arrays

T = TypeVar("T", bound=np.generic)

DIMENSIONS = 200
"""Main directions of the texts: the highest that similar-items may be tuned to (spec recipes-and-runtime 1.3), as texts
are all there is here."""
FRESH_HALF_LIFE = 30.0 * DAY
"""Seconds: the 30 days for which AWS calls an item new in exploration (spec recipes-and-runtime 1.3); it publishes no
other."""


@dataclass(frozen=True)
class Settings:
    """The recipe has no hyperparameters."""

    seed: int = 0


@dataclass(frozen=True)
class SemanticSimilarity:
    """A vector of length 1, or zeros, for each item, and what else may count."""

    items: NDArray[np.str_]
    vectors: NDArray[np.float32]
    """(item, dimension)."""
    marks: NDArray[np.uint64]
    """Fingerprints of the texts, by which changed ones are known."""
    popularity: NDArray[np.float32]
    """0 to 1; empty where the training had no interactions."""
    created: NDArray[np.float64]
    """Epoch seconds, NaN where missing; empty where items have no CREATION_TIMESTAMP."""
    newest: NDArray[np.float64]
    """The greatest `created` of the training, alone in an array."""
    columns: NDArray[np.str_]
    """Names of the columns that the training read texts from."""
    encoder: ItemEncoder

    @property
    def influences(self) -> tuple[str, ...]:
        """What rankingInfluence may name."""
        return tuple(name for name, values in self._influence().items() if len(values))

    def _influence(self) -> dict[str, NDArray[np.float32]]:
        age = np.maximum(self.newest - self.created, 0) if len(self.created) else self.created
        freshness = np.nan_to_num(np.exp2(-age / FRESH_HALF_LIFE)).astype(np.float32)
        return {"POPULARITY": self.popularity, "FRESHNESS": freshness}

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores; the item itself is left out."""
        influence = {name: values for name, values in self._influence().items() if len(values)}
        otherwise = next(iter(influence.values()), np.zeros(len(self.items), np.float32))
        asked = np.array([-1 if query.item is None else query.item for query in queries])
        about = self.vectors[asked] * (asked >= 0)[:, None]
        scores = np.asarray(about @ self.vectors.T, np.float32)
        scores[~about.any(axis=1)] = otherwise
        for row, query in enumerate(queries):
            for name, weight in query.influence.items():
                scores[row] += np.float32(weight) * influence[name]
            if query.item is not None:
                scores[row, query.item] = -np.inf
        return scores

    def with_items(self, items: Sequence[str], columns: Mapping[str, Column]) -> SemanticSimilarity:
        """Returns the model with the items as they are now; only new and changed texts are encoded."""
        numbers = {item: number for number, item in enumerate(self.items.tolist())}
        new = [item for item in items if item not in numbers]
        numbers |= {item: len(self.items) + place for place, item in enumerate(new)}
        places = np.array([numbers[item] for item in items], np.int64)
        marks = _longer(self.marks, len(new), 0)
        content = {name: columns[name] for name in self.columns.tolist() if name in columns}
        now = _marks(item_vectors.texts(content, len(items)))
        changed = np.flatnonzero((marks[places] != now) | (places >= len(self.items)))
        vectors, created = _longer(self.vectors, len(new), 0), self.created
        some = {name: replace(column, values=column.values[changed]) for name, column in content.items()}
        vectors[places[changed]] = self.encoder.encode(some, len(changed))
        marks[places] = now
        if len(created):
            created = _longer(created, len(new), np.nan)
            created[places] = _created(columns, len(items))
        return replace(
            self,
            items=np.concatenate([self.items, np.array(new, np.str_)]),
            vectors=vectors,
            marks=marks,
            popularity=_longer(self.popularity, len(new), 0) if len(self.popularity) else self.popularity,
            created=created,
        )

    def save(self, folder: Path) -> None:
        """Writes one .npy file a field, and the encoder into a folder of its own."""
        save_arrays(folder, **{name: getattr(self, name) for name in ARRAYS})
        (folder / "encoder").mkdir()
        self.encoder.save(folder / "encoder")

    @classmethod
    def load(cls, folder: Path) -> SemanticSimilarity:
        """Reads what `save` wrote."""
        arrays = dict(zip(ARRAYS, load_arrays(folder, *ARRAYS), strict=True))
        return cls(**arrays, encoder=item_vectors.load(folder / "encoder"))


NO_TEXT = (
    "aws-semantic-similarity learns from the names and texts of items, and no item has any in {columns}: import items "
    "with names and texts, then create another solution version."
)
NO_WORD = "aws-semantic-similarity relates items by the words of their names and texts, and no word is of two items."

ARRAYS = ("items", "vectors", "marks", "popularity", "created", "newest", "columns")


def train(data: Interactions, settings: Settings, progress: Progress) -> SemanticSimilarity:
    """Learns the vocabulary and the directions of the items' texts; raises NotEnoughData where they say nothing."""
    count, content = len(data.items), item_vectors.textual(data.item_columns)
    progress(0.0, f"reading the texts of {count} items")
    if not any(item_vectors.texts(content, count)):
        raise NotEnoughData(NO_TEXT.format(columns=", ".join(content)))
    encoder = item_vectors.fit(content, count, DIMENSIONS, settings.seed)
    progress(0.7, "turning the texts into vectors")
    vectors = encoder.encode(content, count)
    if not vectors.any():
        raise NotEnoughData(NO_WORD)
    counts = np.log1p(np.bincount(data.item, minlength=count)).astype(np.float32)
    created = _created(data.item_columns, count)
    some = created[~np.isnan(created)]
    progress(1.0, f"read the texts of {count} items")
    return SemanticSimilarity(
        items=data.items,
        vectors=vectors,
        marks=_marks(item_vectors.texts(content, count)),
        popularity=counts / counts.max() if counts.any() else np.empty(0, np.float32),
        created=created if len(some) else np.empty(0),
        columns=np.array(list(content), np.str_),
        newest=some.max(keepdims=True) if len(some) else np.zeros(1),
        encoder=encoder,
    )


def _created(columns: Mapping[str, Column], count: int) -> NDArray[np.float64]:
    column = columns.get("CREATION_TIMESTAMP")
    return np.full(count, np.nan) if column is None else np.array(column.values.tolist(), np.float64)


def _marks(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts), np.uint64)


def _longer(values: NDArray[T], more: int, filling: float) -> NDArray[T]:
    """A copy of the array with `more` rows of `filling` at its end."""
    rows = np.full((more, *values.shape[1:]), filling, values.dtype)
    return np.concatenate([values, rows])


# The number of items is AWS's (spec recipes-and-runtime 1.2).
RECIPES = (
    Recipe(
        "aws-semantic-similarity",
        RELATED_ITEMS,
        "Items whose texts are alike, with or without interactions; the same answer for everyone.",
        Settings,
        train,
        SemanticSimilarity,
        most_items=10_000_000,
        needs_text=True,
        shows_metadata=True,
        when="Where items have names and descriptions and few or no interactions, or come and go quickly: news, "
        "offers. It knows words, not meanings; where interactions are many, aws-sims is far better, and popular "
        "items can be, too.",
        learns_from="names and texts of items; interactions and creation times for its ranking influence only",
        paper="Deerwester et al., Indexing by Latent Semantic Analysis, 1990.",
    ),
)

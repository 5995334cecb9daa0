"""A causal transformer over a user's distinct items, trained in torch and served in numpy.

What it takes in and where that comes from is said in `transformer_network`, how it learns in
`transformer_training`. Input and output share the item vectors; an item's bias starts at its log share.

Serving needs no torch: `Transformer` repeats the forward pass for the last place on the saved arrays, and a
test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from tailorbird.recipes import features
from tailorbird.recipes.features import Encoder
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.blend_weights import log_softmax
from tailorbird.recipes.scorers.decayed_popularity import asked_at
from tailorbird.recipes.scorers.scorer import recent_places
from tailorbird.storage.arrays import load_all_arrays, save_arrays

EDGES = np.ceil(np.sqrt(2.0) ** np.arange(1, 64)).astype(np.int64) - 1
"""Seconds at which a bucket of spans of time begins: each is sqrt(2) as long as the one before, to 95 years."""
EPSILON = 1e-5
"""Of layer normalisation: torch's default, so that both forward passes are one."""

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Transformer:
    """The weights by torch's names, such as blocks.0.query.weight, but the item vectors whole and START the last."""

    arrays: Arrays
    newest: int
    """Epoch seconds of the newest interaction at training: a question from later on counts as asked then."""
    user: Encoder
    context: Encoder

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities of the next item."""
        states = np.concatenate([self._state(query) for query in queries])
        states += self.user.encode([query.user for query in queries]) @ self.arrays["user"]
        states += self.context.encode([query.context for query in queries]) @ self.arrays["context"]
        items = self.arrays["vectors"][:-1]
        return log_softmax(self._norm("norm", states) @ items.T + self.arrays["bias"])

    def _state(self, query: Query) -> NDArray[np.float32]:
        """Returns (1, width): what the history says about its next item."""
        length = self.arrays["blocks.0.distance"].shape[1]
        places = recent_places(query, length)[::-1]
        items, times = query.items[places], query.timestamps[places]
        if len(items) < length:
            items, times = np.append(np.int32(len(self.arrays["bias"])), items), np.append(times[:1], times)
        x, waits = self.arrays["vectors"][items], None
        if len(self.arrays["gap"]):
            waits = self._waits(query, times)
            x = x + self.arrays["gap"][waits.diagonal()]
        blocks = 1 + max(int(name.split(".")[1]) for name in self.arrays if name.startswith("blocks."))
        for block in range(blocks):
            x = self._block(f"blocks.{block}.", x, waits, only_last=block == blocks - 1)
        return np.array(x)

    def _waits(self, query: Query, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bucket of the time from each event to each question, which is asked when the next event comes."""
        if not len(query.items):
            return np.zeros((1, 1), np.int64)
        last = int(query.timestamps[-1])
        asked = np.append(times[1:], max(last, min(asked_at(query, last), self.newest)))
        return buckets(asked[:, None] - times)

    def _block(
        self, name: str, x: NDArray[np.float32], waits: NDArray[np.int64] | None, *, only_last: bool
    ) -> NDArray[np.float32]:
        normed = self._norm(name + "before_attention", x)
        asking = slice(-1, None) if only_last else slice(None)
        x = x[asking] + self._attend(name, normed[asking], normed, None if waits is None else waits[asking])
        hidden = self._linear(name + "widen", self._norm(name + "before_feed", x))
        hidden *= 0.5 * (1 + erf(hidden / np.float32(np.sqrt(2))))
        return np.asarray(x + self._linear(name + "narrow", hidden))

    def _attend(
        self, name: str, asking: NDArray[np.float32], x: NDArray[np.float32], waits: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        distance = self.arrays[name + "distance"]

        def heads(projection: str, source: NDArray[np.float32]) -> NDArray[np.float32]:
            projected = self._linear(name + projection, source)
            return projected.reshape(len(source), len(distance), -1).transpose(1, 0, 2)

        query, key, value = heads("query", asking), heads("key", x), heads("value", x)
        apart = np.arange(len(x) - len(asking), len(x))[:, None] - np.arange(len(x))
        logits = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[2]))
        logits += distance[:, np.maximum(apart, 0)]
        if waits is not None:
            logits += self.arrays[name + "time"][waits].transpose(2, 0, 1)
        attention = np.exp(log_softmax(np.where(apart < 0, np.float32(-np.inf), logits)))
        return self._linear(name + "join", (attention @ value).transpose(1, 0, 2).reshape(len(asking), -1))

    def _linear(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(x @ self.arrays[name + ".weight"].T + self.arrays[name + ".bias"], np.float32)

    def _norm(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(centred / deviation * self.arrays[name + ".weight"] + self.arrays[name + ".bias"])

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array, and the encoders as JSON."""
        save_arrays(folder, **self.arrays, newest=np.int64(self.newest))
        self.user.save(folder / "user.json")
        self.context.save(folder / "context.json")


def buckets(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the bucket of each span of time; spans below zero are in the first."""
    return np.searchsorted(EDGES, seconds, side="right")


def load(folder: Path) -> Transformer:
    """Reads what `Transformer.save` wrote."""
    arrays = load_all_arrays(folder)
    newest = int(arrays.pop("newest"))
    return Transformer(arrays, newest, features.load(folder / "user.json"), features.load(folder / "context.json"))

"""A causal transformer over a user's items, trained in torch and served in numpy.

Architecture and loss: Kang and McAuley, Self-Attentive Sequential Recommendation (SASRec), ICDM 2018, in the
pre-norm form, with softmax cross-entropy over the catalogue (Klenitskiy and Vasilev, Turning Dross Into Gold
Loss, RecSys 2023). Input and output share the item vectors; an item's output bias starts at its log share.

Serving needs no torch: `Transformer` repeats the forward pass for the last position on the saved arrays, and a
test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from tailorbird.recipes.ingredients.fit import log_softmax
from tailorbird.recipes.ingredients.ingredient import recent_items
from tailorbird.recipes.recipe import Query

LENGTH = 50
"""Distinct recent items that the model sees."""
HEADS = 1
"""One head takes any hidden_dimension, AWS's odd default included."""
EPSILON = 1e-5

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Transformer:
    """The weights by torch's names: item.weight, place.weight, blocks.0.query.weight and so on."""

    arrays: Arrays

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities of the next item; without a history, of any item."""
        histories = [recent_items(query, LENGTH)[::-1] for query in queries]
        states = np.zeros((len(queries), self.arrays["item.weight"].shape[1]), np.float32)
        for row, history in enumerate(histories):
            if len(history):
                states[row] = self._last_state(history)
        return log_softmax(states @ self.arrays["item.weight"].T + self.arrays["bias"])

    def _last_state(self, history: NDArray[np.int32]) -> NDArray[np.float32]:
        x = self.arrays["item.weight"][history] + self.arrays["place.weight"][-len(history) :]
        blocks = 1 + max(int(name.split(".")[1]) for name in self.arrays if name.startswith("blocks."))
        for block in range(blocks):
            x = self._block(f"blocks.{block}.", x, only_last=block == blocks - 1)
        return np.asarray(self._norm("norm", x)[-1])

    def _block(self, name: str, x: NDArray[np.float32], *, only_last: bool) -> NDArray[np.float32]:
        normed = self._norm(name + "before_attention", x)
        asking = slice(-1, None) if only_last else slice(None)
        x = x[asking] + self._attend(name, normed[asking], normed)
        hidden = self._linear(name + "widen", self._norm(name + "before_feed", x))
        hidden *= 0.5 * (1 + erf(hidden / np.float32(np.sqrt(2))))
        return np.asarray(x + self._linear(name + "narrow", hidden))

    def _attend(self, name: str, asking: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
        def heads(projection: str, source: NDArray[np.float32]) -> NDArray[np.float32]:
            projected = self._linear(name + projection, source)
            return projected.reshape(len(source), HEADS, -1).transpose(1, 0, 2)

        query, key, value = heads("query", asking), heads("key", x), heads("value", x)
        logits = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[2]))
        later = np.arange(len(x)) > np.arange(len(x) - len(asking), len(x))[:, None]
        attention = np.exp(log_softmax(np.where(later, np.float32(-np.inf), logits)))
        return self._linear(name + "join", (attention @ value).transpose(1, 0, 2).reshape(len(asking), -1))

    def _linear(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(x @ self.arrays[name + ".weight"].T + self.arrays[name + ".bias"], np.float32)

    def _norm(self, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(centred / deviation * self.arrays[name + ".weight"] + self.arrays[name + ".bias"])

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array."""
        for name, array in self.arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load(folder: Path) -> Transformer:
    """Reads what `Transformer.save` wrote."""
    files = sorted(folder.glob("*.npy"))
    return Transformer({file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in files})

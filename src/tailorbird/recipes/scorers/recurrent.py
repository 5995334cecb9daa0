"""A hierarchical recurrent network over a user's interactions, trained in torch and served in numpy.

A session-level GRU reads the items of a session. At a session's end a user-level GRU takes up its last state, and
what comes out gives the next session its initial state. The state before an interaction says which item comes.

Source: Quadrana, Karatzoglou, Hidasi and Cremonesi, Personalizing Session-based Recommendations with Hierarchical
Recurrent Neural Networks, RecSys 2017, the variant "HRNN Init". Beyond it: input and output share the item vectors;
the user-level state starts from the user's metadata; the context of the request is added to the state that is
asked; recent popularity is added to the logits.

Serving needs no torch: `Recurrent` repeats the forward pass on the saved arrays, and a test holds the two against
each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tailorbird.recipes import features
from tailorbird.recipes.features import Encoder
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.sums import add_rows, zeros
from tailorbird.storage.arrays import load_all_arrays, save_arrays

SESSION_GAP = 1800
"""Seconds without an interaction after which a session has ended, as in the paper's data."""
LAST = 100
"""Newest interactions of a history that are read; a step takes some 50 microseconds."""

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Recurrent:
    """The weights by torch's names, and how metadata and context become features.

    item (item, width) and bias (item) hold what features say of an item too: they were added at the end of
    the training.
    """

    arrays: Arrays
    user_encoder: Encoder
    context_encoder: Encoder

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) logits of the next item, before anything is added for popularity."""
        states = self.states(queries)
        add_rows(self.context_encoder.given([query.context for query in queries]), self.arrays["context"], states)
        return np.asarray(states @ self.arrays["item"].T, np.float32)

    def states(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, width): the state that each next interaction begins from."""
        user = zeros(len(queries), self.arrays["person"].shape[1])
        add_rows(self.user_encoder.given([query.user for query in queries]), self.arrays["person"], user)
        state = self._start(user)
        histories = [(query.items[-LAST:], query.timestamps[-LAST:]) for query in queries]
        longest = max((len(items) for items, _ in histories), default=0)
        item = np.zeros((len(queries), longest), np.int64)
        ended = np.zeros((len(queries), longest), bool)
        for row, (query, (items, times)) in enumerate(zip(queries, histories, strict=True)):
            item[row, longest - len(items) :] = items
            until = np.append(times, query.now if query.now is not None else times[-1])[1:] if len(times) else times
            ended[row, longest - len(items) :] = until - times > SESSION_GAP
        first = longest - np.array([len(items) for items, _ in histories], np.int64)
        for step in range(longest):
            here = np.flatnonzero(first <= step)
            state[here] = self._gru("session", self.arrays["item"][item[here, step]], state[here])
            over = np.flatnonzero(ended[:, step])
            if len(over):
                user[over] = self._gru("users", state[over], user[over])
                state[over] = self._start(user[over])
        return state

    def _start(self, user: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the initial state of a session."""
        return np.asarray(np.tanh(user @ self.arrays["start.weight"].T + self.arrays["start.bias"]), np.float32)

    def _gru(self, name: str, x: NDArray[np.float32], state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the next state, by the formulas of torch.nn.GRUCell."""
        of_input = x @ self.arrays[f"{name}.weight_ih"].T + self.arrays[f"{name}.bias_ih"]
        of_state = state @ self.arrays[f"{name}.weight_hh"].T + self.arrays[f"{name}.bias_hh"]
        reset_x, update_x, new_x = np.split(of_input, 3, axis=1)
        reset_h, update_h, new_h = np.split(of_state, 3, axis=1)
        update = special.expit(update_x + update_h)
        new = np.tanh(new_x + special.expit(reset_x + reset_h) * new_h)
        return np.asarray((1 - update) * new + update * state, np.float32)

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array, and the encoders."""
        save_arrays(folder, **self.arrays)
        self.user_encoder.save(folder / "users.json")
        self.context_encoder.save(folder / "context.json")


def load(folder: Path) -> Recurrent:
    """Reads what `Recurrent.save` wrote."""
    arrays = {name: np.asarray(array) for name, array in load_all_arrays(folder).items()}
    return Recurrent(arrays, features.load(folder / "users.json"), features.load(folder / "context.json"))

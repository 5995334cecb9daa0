"""A causal transformer over a user's distinct items, trained in torch and served in numpy.

What it takes in and where that comes from is said in `transformer_network`, how it learns in
`transformer_training`. Input and output share the item vectors; an item's bias starts at its log share.

Serving needs no torch: `Transformer` repeats the forward pass for the last place on the saved arrays, and a
test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes import features
from tailorbird.recipes.features import Encoder
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers import known_states
from tailorbird.recipes.scorers.blend_weights import log_softmax
from tailorbird.recipes.scorers.coarse_rows import CoarseRows
from tailorbird.recipes.scorers.ease import last_seen
from tailorbird.recipes.scorers.known_states import KnownStates
from tailorbird.recipes.scorers.merged import Part
from tailorbird.recipes.scorers.scorer import added
from tailorbird.recipes.scorers.sums import add_rows, asked_at, queries_of
from tailorbird.storage.arrays import load_all_arrays, save_arrays

EDGES = np.ceil(np.sqrt(2.0) ** np.arange(1, 64)).astype(np.int64) - 1
"""Seconds at which a bucket of spans of time begins: each is sqrt(2) as long as the one before, to 95 years."""
EPSILON = 1e-5
"""Of layer normalisation: torch's default, so that both forward passes are one."""

KNOWN_EVENTS = 2_000_000
"""Of the users whose states are kept: to run so many through takes half a minute; they are 10,000 users with windows of
200, whose states have 5 MB, or 100,000 with windows of 20 and 50 MB."""
CHUNK = 2000
"""Events that go through the network together: some megabytes, which stay in the processor's cache."""

Arrays = Mapping[str, NDArray[np.float32]]


class Windows(NamedTuple):
    """The events that the transformer sees of each question, one after the other, oldest first."""

    bounds: NDArray[np.int64]
    """(questions + 1): where the events of each question begin."""
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    asked: NDArray[np.int64]
    """Epoch seconds of the event that comes after each, the last one's of the question."""

    def keys(self) -> list[int]:
        """Returns (question): the key of what a question's state depends on."""
        items, times, asked = self.items.data, self.times.data, self.asked.data
        parts = [slice(start, end) for start, end in pairwise(self.bounds.tolist())]
        return [known_states.key_of(items[part], times[part], asked[part]) for part in parts]

    def part(self, questions: slice) -> Windows:
        """Returns the events of some questions."""
        bounds = self.bounds[questions.start : questions.stop + 1]
        events = slice(bounds[0], bounds[-1])
        return Windows(bounds - bounds[0], self.items[events], self.times[events], self.asked[events])


def chunks(bounds: NDArray[np.int64]) -> Iterator[slice]:
    """Yields slices of questions with about `CHUNK` events each."""
    start, questions = 0, len(bounds) - 1
    while start < questions:
        stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + CHUNK, "right")) - 1)
        yield slice(start, stop)
        start = stop


@dataclass(frozen=True)
class InferenceBlock:
    """Attention and a feed-forward layer, with the weights in the form that is fastest to serve.

    The normalisations' weights are inside those of the layers that come after them. Of the last block only the last
    event's state is wanted, so its keys and values need not be made: what is asked of the keys is asked of what they
    are made from, and the shares of attention are of what the values are made from.
    """

    heads: int
    triple: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Weights and bias of query (already divided by the root of a head's width), key and value, side by side."""
    join: tuple[NDArray[np.float32], NDArray[np.float32]]
    widen: tuple[NDArray[np.float32], NDArray[np.float32]]
    narrow: tuple[NDArray[np.float32], NDArray[np.float32]]
    distance: NDArray[np.float32]
    """(head, place), the nearest last."""
    time: NDArray[np.float32]
    """(head, bucket); of no head where times do not count."""

    @staticmethod
    def of(arrays: Arrays, name: str) -> InferenceBlock:
        """Returns the block whose arrays have names that begin so."""

        def layer(of: str, norm: str = "") -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            weight, bias = (arrays[f"{name}{of}.{part}"].T.astype(np.float64) for part in ("weight", "bias"))
            if norm:
                bias = bias + arrays[f"{name}{norm}.bias"] @ weight
                weight = arrays[f"{name}{norm}.weight"][:, None] * weight
            return np.ascontiguousarray(weight, np.float32), np.asarray(bias, np.float32)

        heads = len(arrays[name + "distance"])
        (query, of_query), *others = (layer(of, "before_attention") for of in ("query", "key", "value"))
        root = np.float32(np.sqrt(query.shape[1] // heads))
        weights, biases = zip((query / root, of_query / root), *others, strict=True)
        time = arrays.get(name + "time")
        return InferenceBlock(
            heads,
            (np.hstack(weights), np.hstack(biases)),
            layer("join"),
            layer("widen", "before_feed"),
            layer("narrow"),
            np.ascontiguousarray(arrays[name + "distance"][:, ::-1]),
            np.empty((0, 0), np.float32) if time is None else np.ascontiguousarray(time.T),
        )

    def of_all(self, x: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
        """Returns the states (event, width) of all events after the block."""
        triples = product(normalised(x), self.triple).reshape(len(x), 3, self.heads, -1)
        attended = np.empty_like(x)
        for start, end in pairwise(windows.bounds.tolist()):
            query, key, value = triples[start:end].transpose(1, 2, 0, 3)
            shares = self._attend(query @ key.transpose(0, 2, 1), windows, start, end)
            attended[start:end] = (shares @ value).transpose(1, 0, 2).reshape(end - start, -1)
        return self._feed(x + product(attended, self.join))

    def of_last(self, x: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
        """Returns the states (question, width) of the last event of each question after the block."""
        normed, last = normalised(x), windows.bounds[1:] - 1
        asking, (to_key, to_value, of_value) = normed[last], self._folded
        asks = product(asking, to_key).reshape(len(last), self.heads, -1)
        attended = np.empty_like(asks)
        for row, (start, end) in enumerate(pairwise(windows.bounds.tolist())):
            seen = normed[start:end]
            attended[row] = self._attend((asks[row] @ seen.T)[:, None], windows, start, end)[:, 0] @ seen
        return self._feed(x[last] + product(attended.reshape(len(last), -1), (to_value, of_value)))

    @cached_property
    def _folded(
        self,
    ) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        """From what asks to what is asked of what the keys are made from, and from what the values are made from."""
        weights, biases = (np.split(part.astype(np.float64), 3, axis=-1) for part in self.triple)
        query, key, value = (np.split(part, self.heads, axis=1) for part in weights)
        of_query = np.split(biases[0], self.heads)
        joins = np.split(self.join[0].astype(np.float64), self.heads)
        asks = np.hstack([q @ k.T for q, k in zip(query, key, strict=True)]).astype(np.float32)
        bias = np.hstack([b @ k.T for b, k in zip(of_query, key, strict=True)]).astype(np.float32)
        values = np.vstack([v @ join for v, join in zip(value, joins, strict=True)]).astype(np.float32)
        return (asks, bias), values, np.asarray(biases[2] @ self.join[0] + self.join[1], np.float32)

    def _attend(self, logits: NDArray[np.float32], windows: Windows, start: int, end: int) -> NDArray[np.float32]:
        """Turns (head, asking, event) into the shares of attention, and returns them."""
        from tailorbird.recipes.scorers import attention

        asked = windows.asked[end - logits.shape[1] : end]
        attention.attend(logits, self.distance, self.time, asked, windows.times[start:end], EDGES)
        return logits

    def _feed(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        from tailorbird.recipes.scorers import attention

        hidden = product(normalised(x), self.widen)
        attention.gelu(hidden)
        x += product(hidden, self.narrow)
        return x


def product(x: NDArray[np.float32], layer: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns what a layer of weights and bias makes of the rows."""
    found: NDArray[np.float32] = x @ layer[0]
    found += layer[1]
    return found


def normalised(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the rows with mean 0 and standard deviation 1."""
    from tailorbird.recipes.scorers import attention

    out = np.empty_like(x)
    attention.normalise(x, out)
    return out


@dataclass(frozen=True)
class Transformer:
    """The weights by torch's names, such as blocks.0.query.weight, but the item vectors whole and START the last."""

    arrays: Arrays
    newest: int
    """Epoch seconds of the newest interaction at training: a question from later on counts as asked then."""
    user: Encoder
    context: Encoder
    known: KnownStates = known_states.NONE
    """Of the histories that were there at training."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) log-probabilities of the next item."""
        return log_softmax(added(self, queries, len(self.arrays["bias"])))

    def add(self, queries: Sequence[Query], factor: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """As `AddingScorer` says: of many questions by BLAS, which makes floats of the table for it."""
        given = normalised(self.states(queries)) * factor[:, None]
        numbers, unit = self.part
        out += np.column_stack([given, factor]) * unit @ numbers.astype(np.float32)

    @cached_property
    def part(self) -> Part:
        """As `MergedScorer` says. The normalisation's weights are inside those of the answers."""
        vectors = self.arrays["vectors"][:-1].T
        of_all = self.arrays["norm.bias"] @ vectors + self.arrays["bias"]
        rows = CoarseRows(np.vstack([self.arrays["norm.weight"][:, None] * vectors, of_all]))
        return rows.numbers, rows.unit

    @cached_property
    def _blocks(self) -> list[InferenceBlock]:
        count = 1 + max(int(name.split(".")[1]) for name in self.arrays if name.startswith("blocks."))
        return [InferenceBlock.of(self.arrays, f"blocks.{number}.") for number in range(count)]

    def states(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, width): what histories, users and contexts say about the next items."""
        states = self._states(queries)
        if self.user.size:
            add_rows(self.user.given([query.user for query in queries]), self.arrays["user"], states)
        if self.context.size:
            add_rows(self.context.given([query.context for query in queries]), self.arrays["context"], states)
        return states

    def _states(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, width): what the histories say about their next items."""
        windows = self._windows(queries)
        rows = self.known.rows(windows.keys()) if len(self.known.keys) else [-1] * len(queries)
        new = [place for place, row in enumerate(rows) if row < 0]
        if len(new) == len(queries):
            return self._states_of(windows)
        states: NDArray[np.float32] = self.known.states[rows]
        if new:
            states[new] = self._states_of(self._windows([queries[place] for place in new]))
        return states

    def _states_of(self, windows: Windows) -> NDArray[np.float32]:
        states = np.empty((len(windows.bounds) - 1, self.arrays["vectors"].shape[1]), np.float32)
        for some in chunks(windows.bounds):
            states[some] = self._run(windows.part(some))
        return states

    def knowing(self, data: Interactions) -> Transformer:
        """Returns the transformer with the states of the users seen last, as if they asked after the training.

        To run them through costs as much as a fraction of an epoch.
        """
        bounds = user_bounds(data)
        length = self.arrays["blocks.0.distance"].shape[1]
        newest = np.argsort(-last_seen(data), kind="stable")
        newest = newest[np.cumsum(np.minimum(np.diff(bounds), length)[newest]) <= KNOWN_EVENTS]
        parts = [slice(bounds[user], bounds[user + 1]) for user in newest.tolist()]
        windows = self._windows([Query(data.item[part], data.timestamp[part], now=self.newest) for part in parts])
        return replace(self, known=known_states.known(windows.keys(), self._states_of(windows)))

    def _run(self, windows: Windows) -> NDArray[np.float32]:
        x = self.arrays["vectors"][windows.items]
        if len(self.arrays["gap"]):
            x += self.arrays["gap"][buckets(windows.asked - windows.times)]
        for block in self._blocks[:-1]:
            x = block.of_all(x, windows)
        return self._blocks[-1].of_last(x, windows)

    def _windows(self, queries: Sequence[Query]) -> Windows:
        """Returns what is seen of the histories: their last distinct items, after START where there is room for it."""
        start, length = len(self.arrays["bias"]), self.arrays["blocks.0.distance"].shape[1]
        from tailorbird.recipes.scorers import attention

        given = queries_of(queries)
        found, room = given.recent(start), len(given.histories.items) + len(given)
        items, times, asked = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.int64)
        ends, bounds = np.array([self._asked(query) for query in given], np.int64), np.zeros(len(given) + 1, np.int64)
        attention.windows(
            found.bounds, found.items, found.place, given.times, ends, start, length, bounds, items, times, asked
        )
        end = bounds[-1]
        return Windows(bounds, items[:end], times[:end], asked[:end])

    def _asked(self, query: Query) -> int:
        if not len(query.timestamps):
            return 0
        last = int(query.timestamps[-1])
        return max(last, min(asked_at(query, last), self.newest))

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array, and the encoders as JSON."""
        keys, states = self.known.keys, self.known.states
        save_arrays(folder, **self.arrays, known_keys=keys, known_states=states, newest=np.int64(self.newest))
        self.user.save(folder / "user.json")
        self.context.save(folder / "context.json")


def buckets(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the bucket of each span of time; spans below zero are in the first."""
    return np.searchsorted(EDGES, seconds, side="right")


def load(folder: Path) -> Transformer:
    """Reads what `Transformer.save` wrote."""
    arrays = {name: np.asarray(array) for name, array in load_all_arrays(folder).items()}
    newest = int(arrays.pop("newest"))
    none = known_states.NONE  # of models that were trained before there were such
    known = KnownStates(arrays.pop("known_keys", none.keys), arrays.pop("known_states", none.states))
    user, context = (features.load(folder / f"{name}.json") for name in ("user", "context"))
    return Transformer(arrays, newest, user, context, known)

"""Scorers whose sum is one compiled loop, see blend_kernels.py: each gives the arrays that the loop looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers.repeat_consumption import BY_RANK
from tailorbird.recipes.scorers.sums import SHORT, borrowed_zeros, queries_of

Part = tuple[Any, ...]
"""What the loop needs of a scorer, in the order of its row in `_nothing`."""

# Where there is no transformer, and where the sums stay as they are.
NO_STATES = np.empty((0, 0), np.float32)
NO_OFFSETS = np.empty(0, np.float32)


@runtime_checkable
class MergedScorer(Protocol):
    """A scorer that the loop can add up."""

    @property
    def part(self) -> Part | None:
        """The arrays; None where the data are too large for them."""
        ...


def _nothing(index: type[np.integer[Any]]) -> dict[str, Part]:
    """Parts without rows, by slot: the arrays' types are those that the loop is compiled for.

    index: of the items' numbers in sparse matrices.
    """
    floats, longs, ints = np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int32)
    table, coarse, items = np.empty((0, 0), np.float32), np.empty((0, 0), np.int16), np.empty(0, index)
    return {
        "popular": (longs, table),  # moments, and log shares (moment, item)
        "recent": (longs, table),
        "ease": (coarse, floats, floats, 0.0),  # of coarse_rows.py, weights of the newest items, floor
        "follows": (longs, items, floats, floats, 0.0),  # a sparse matrix, weights, floor
        # Each item's users, the users' damping, each user's items, weights, how many neighbours, floor.
        "user_knn": (longs, ints, floats, longs, items, floats, 0, 0.0),
        "items": (longs, ints, floats, floats, coarse, floats),  # features of items, weights, what each says
        "transformer": (coarse, floats),  # what each number of a normalised state says, and what all say
    }


SLOTS = tuple(_nothing(np.uint16))
"""The scorers that can be merged, in the order of their factors."""


class Merged:
    """Parts of scorers, by slot."""

    def __init__(self, parts: Mapping[str, Part], items: int) -> None:
        self._short = items <= SHORT
        given = _nothing(np.uint16 if self._short else np.int32) | dict(parts)
        self._parts = tuple(given[slot] for slot in SLOTS)
        self._users = len(given["user_knn"][2])

    def add(
        self,
        queries: Sequence[Query],
        weights: NDArray[np.float32],
        shortness: NDArray[np.float32],
        out: NDArray[np.float32],
        states: NDArray[np.float32] = NO_STATES,
        offsets: NDArray[np.float32] = NO_OFFSETS,
    ) -> None:
        """Adds to (query, item) the scores by their weights (long and short, slot), up to a number for each query.

        shortness: (query), by which the weights of short histories count. states: (query, width) of the transformer.
        offsets: (bucket) of repeat_consumption.py; where there are some, `out` has log-probabilities afterwards.
        """
        from tailorbird.recipes.scorers import blend_kernels

        asked = queries_of(queries)
        found, histories = asked.recent(out.shape[1]), asked.histories
        questions = asked.moments, histories.bounds, asked.times, *found
        with borrowed_zeros(self._users) as alike, borrowed_zeros(out.shape[1]) as sums:
            scratch = alike, sums, np.empty(self._users + 1, np.int32)
            blend_kernels.add_up(self._short)(
                questions, self._parts, weights, shortness, states, offsets, BY_RANK, scratch, out
            )


def alone(
    slot: str,
    part: Part,
    queries: Sequence[Query],
    items: int,
    start: float = 0.0,
    states: NDArray[np.float32] = NO_STATES,
) -> NDArray[np.float32]:
    """Returns the (query, item) scores of one scorer; `start`: of an item that it does not speak of."""
    scores = np.full((len(queries), items), start, np.float32)
    weights, shortness = np.ones((2, len(SLOTS)), np.float32), np.zeros(len(queries), np.float32)
    Merged({slot: part}, items).add(queries, weights, shortness, scores, states)
    return scores

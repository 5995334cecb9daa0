"""The loop that adds up the scorers of a blend, compiled: see `kernels` for what holds of all.

One call answers a question. Between two calls Python and its arrays take as long as the sums themselves, and longer
where they are no longer in the processor's cache, as they mostly are not when a server is asked about somebody new.
What the parts are is said in merged.py; a part that is not there has no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.attention import normalise_row
from tailorbird.recipes.scorers.kernels import (
    COARSE_2D,
    FLOATS,
    FLOATS_2D,
    GIVEN_BOOLS,
    INDICES,
    INTS,
    LONGS,
    LONGS_2D,
    NEW_INTS,
    OUT,
    OUT_2D,
    add_coarse,
    bucket,
    compiled,
    normalise_scores,
    step,
    tuple_of,
)
from tailorbird.recipes.scorers.raising_kernels import raise_by_neighbours, raise_by_rows, raise_by_table

# Of a `Part` each, but of those with items' numbers in sparse matrices; of a question, and of what is lent.
POPULARITY = tuple_of((LONGS, FLOATS_2D))
TABLE = tuple_of((COARSE_2D, FLOATS, FLOATS, types.float64))
FEATURES = tuple_of((LONGS, INTS, FLOATS, FLOATS, COARSE_2D, FLOATS))
ANSWERS = tuple_of((COARSE_2D, FLOATS))
QUESTIONS = tuple_of((LONGS, LONGS, LONGS, LONGS, INTS, LONGS, GIVEN_BOOLS))
SCRATCH = tuple_of((OUT, OUT, NEW_INTS))


@step(fast=True)
def _add_popularity(asked: int, part: Any, factor: Any, row: NDArray[np.float32]) -> None:
    """Adds the log shares of the last moment that is not after the question."""
    moments, log_shares = part
    shares = log_shares[max(np.searchsorted(moments, asked, "right") - 1, 0)]
    for item in range(len(row)):
        row[item] += factor * shares[item]


@step(fast=True)
def _add_features(mine: NDArray[np.int32], part: Any, factor: Any, row: NDArray[np.float32]) -> None:
    """Adds what the features of the newest items say of all."""
    indptr, indices, data, weights, numbers, unit = part
    conditions = np.zeros(len(unit), np.float32)
    for k in range(min(len(mine), len(weights))):
        for place in range(indptr[mine[k]], indptr[mine[k] + 1]):
            conditions[indices[place]] += factor * weights[k] * data[place]
    chosen = np.empty(len(unit), np.int32)
    count = 0
    for condition in range(len(unit)):
        chosen[count] = condition
        count += conditions[condition] != 0
    given = np.empty(count, np.float32)
    for k in range(count):
        given[k] = conditions[chosen[k]]
    add_coarse(chosen[:count], given, numbers, unit, row)


@step(fast=True)
def _add_answers(state: NDArray[np.float32], part: Any, factor: Any, row: NDArray[np.float32]) -> None:
    """Adds what a state says of the items: the last row is for all states."""
    numbers, unit = part
    given = np.ones(len(unit), np.float32)
    normalise_row(state, given[:-1])
    for place in range(len(given)):
        given[place] *= factor
    add_coarse(np.arange(len(unit)).astype(np.int32), given, numbers, unit, row)


@step()
def _add_offsets(
    mine: NDArray[np.int32],
    times: NDArray[np.int64],
    place: NDArray[np.int64],
    newest: NDArray[np.int64],
    repeated: NDArray[np.bool_],
    offsets: NDArray[np.float32],
    by_rank: NDArray[np.int64],
    row: NDArray[np.float32],
) -> None:
    """Adds the offset of the bucket of each known item. newest: times from that of the newest interaction on."""
    for k in range(len(mine)):
        row[mine[k]] += offsets[bucket(k, times[place[k]] == newest[0], repeated[k], by_rank)]


@cache
def add_up(short: bool) -> Callable[..., None]:
    """Returns the loop `_add_up` for parts whose numbers of items are `SHORT` or not, compiled when it is asked for."""
    index = INDICES[0 if short else 1]
    follows = tuple_of((LONGS, index, FLOATS, FLOATS, types.float64))
    user_knn = tuple_of((LONGS, INTS, FLOATS, LONGS, index, FLOATS, types.int64, types.float64))
    parts = tuple_of((POPULARITY, POPULARITY, TABLE, follows, user_knn, FEATURES, ANSWERS))
    given = QUESTIONS, parts, FLOATS_2D, FLOATS, FLOATS_2D, FLOATS, LONGS_2D, SCRATCH, OUT_2D
    return compiled(*given, fast=True)(_add_up)


def _add_up(
    questions: Any,
    parts: Any,
    weights: NDArray[np.float32],
    shortness: NDArray[np.float32],
    states: NDArray[np.float32],
    offsets: NDArray[np.float32],
    by_rank: NDArray[np.int64],
    scratch: Any,
    out: NDArray[np.float32],
) -> None:
    """Adds to (question, item) the parts by their weights (long and short, part), and makes log-probabilities of it.

    questions: what each is asked as of; where its history begins in `times`, and these; and what `distinct` finds.
    states: (question, width) of the transformer. offsets: (bucket) of known items; where there are none, the sums stay
    as they are. by_rank: as of `buckets`. scratch: a zero for each user, one for each item, and room for the users and
    one more.
    """
    asked, histories, times, bounds, index, place, repeated = questions
    popular, recent, ease, follows, user_knn, items, transformer = parts
    alike, sums, found = scratch
    for q in range(len(out)):
        row, mine, factor = out[q], index[bounds[q] : bounds[q + 1]], weights[0] + shortness[q] * weights[1]
        if len(popular[0]):
            _add_popularity(asked[q], popular, factor[0], row)
        if len(recent[0]):
            _add_popularity(asked[q], recent, factor[1], row)
        if len(ease[1]):
            raise_by_table(mine, ease, factor[2], sums, row)
        if len(follows[0]):
            raise_by_rows(mine, follows, factor[3], sums, row)
        if len(user_knn[0]):
            raise_by_neighbours(mine, user_knn, factor[4], alike, found, sums, row)
        if len(items[0]):
            _add_features(mine, items, factor[5], row)
        if len(states):
            _add_answers(states[q], transformer, factor[6], row)
        if len(offsets):
            here, newest = slice(bounds[q], bounds[q + 1]), times[max(histories[q + 1] - 1, 0) :]
            _add_offsets(mine, times, place[here], newest, repeated[here], offsets, by_rank, row)
            normalise_scores(row)

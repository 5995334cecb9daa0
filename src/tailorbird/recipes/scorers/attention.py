"""What a transformer does between its matrix products, compiled: see `kernels` for why, and for what holds of all.

The error function is a quotient of polynomials, which LLVM turns into vector instructions; the relative error is that
of a float32. Source: the rational erf of Eigen (Eigen/src/Core/MathFunctionsImpl.h).
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import (
    FLOATS_2D,
    INTS,
    LEAST,
    LONGS,
    NEW_INTS,
    NEW_LONGS,
    OUT_2D,
    compiled,
    exponential,
    helper,
)
from tailorbird.recipes.scorers.transformer import EPSILON

CUBE = types.Array(types.float32, 3, "C")  # of dimensions
SMALL = np.float32(EPSILON)


@compiled(OUT_2D, fast=True)
def gelu(x: NDArray[np.float32]) -> None:
    """Replaces each x by x * (1 + erf(x / sqrt(2))) / 2."""
    flat = x.reshape(-1)
    for place in range(len(flat)):
        value = flat[place]
        bent = max(np.float32(-4), min(np.float32(4), value * np.float32(0.70710678)))
        square = bent * bent
        above = np.float32(-2.72614225801306e-10) * square + np.float32(2.77068142495902e-08)
        above = above * square + np.float32(-2.10102402082508e-06)
        above = above * square + np.float32(-5.69250639462346e-05)
        above = above * square + np.float32(-7.34990630326855e-04)
        above = above * square + np.float32(-2.95459980854025e-03)
        above = above * square + np.float32(-1.60960333262415e-02)
        below = np.float32(-1.45660718464996e-05) * square + np.float32(-2.13374055278905e-04)
        below = below * square + np.float32(-1.68282697438203e-03)
        below = below * square + np.float32(-7.37332916720468e-03)
        below = below * square + np.float32(-1.42647390514189e-02)
        flat[place] = np.float32(0.5) * value * (np.float32(1) + bent * above / below)


@helper(fast=True)
def normalise_row(given: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Writes a row less its mean and divided by its standard deviation."""
    width, total = np.float32(len(given)), np.float32(0)
    for column in range(len(given)):
        total += given[column]
    mean, squares = total / width, np.float32(0)
    for column in range(len(given)):
        squares += (given[column] - mean) * (given[column] - mean)
    scale = np.float32(1) / np.sqrt(squares / width + SMALL)
    for column in range(len(given)):
        out[column] = (given[column] - mean) * scale


@compiled(FLOATS_2D, OUT_2D, fast=True)
def normalise(x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Writes each row less its mean and divided by its standard deviation."""
    for row in range(len(x)):
        normalise_row(x[row], out[row])


@helper()
def _find_buckets(asked: int, times: NDArray[np.int64], edges: NDArray[np.int64], bucket: NDArray[np.int64]) -> None:
    """Times ascend, so the bucket of the time from an event until `asked` is near that of the event before."""
    here = 0
    for event in range(len(times)):
        span = asked - times[event]
        while here < len(edges) and edges[here] <= span:
            here += 1
        while here > 0 and edges[here - 1] > span:
            here -= 1
        bucket[event] = here


@helper(fast=True)
def _share_out(given: NDArray[np.float32], near: NDArray[np.float32]) -> None:
    """Adds `near` and takes the softmax."""
    most = np.float32(-np.inf)
    for event in range(len(given)):
        given[event] += near[event]
        most = max(most, given[event])
    total = np.float32(0)
    for event in range(len(given)):
        given[event] = exponential(max(given[event] - most, LEAST))
        total += given[event]
    share = np.float32(1) / total
    for event in range(len(given)):
        given[event] *= share


@compiled(CUBE, FLOATS_2D, FLOATS_2D, LONGS, LONGS, LONGS, fast=True)
def attend(
    logits: NDArray[np.float32],
    distance: NDArray[np.float32],
    time: NDArray[np.float32],
    asked: NDArray[np.int64],
    times: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> None:
    """Turns logits (head, asking, event) into the shares of attention; those that ask are the last of the events.

    distance: (head, place) is added for the distance between asking and event; the last is for none, the one before
    it for one. time: (head, bucket) is added for the time from an event, in `times`, to the moment, in `asked`, that
    the one who asks is about; of no heads where times do not count. The later events get 0.
    """
    heads, asking, events = logits.shape
    bucket = np.empty(events, np.int64)
    for row in range(asking):
        seen = events - asking + row + 1
        if len(time):
            _find_buckets(asked[row], times[:seen], edges, bucket)
        for head in range(heads):
            given = logits[head, row]
            if len(time):
                late = time[head]
                for event in range(seen):
                    given[event] += late[bucket[event]]
            _share_out(given[:seen], distance[head, distance.shape[1] - seen :])
            given[seen:] = np.float32(0)


@compiled(LONGS, INTS, LONGS, LONGS, LONGS, types.int64, types.int64, NEW_LONGS, NEW_INTS, NEW_LONGS, NEW_LONGS)
def windows(
    bounds: NDArray[np.int64],
    index: NDArray[np.int32],
    place: NDArray[np.int64],
    when: NDArray[np.int64],
    ends: NDArray[np.int64],
    start: int,
    most: int,
    seen: NDArray[np.int64],
    items: NDArray[np.int32],
    times: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> None:
    """Writes what is seen of each history, from seen[q] to seen[q + 1]: `start`, and its distinct items, oldest first.

    There are `most` at most, and no `start` where there is no room for it. place: of each item, where its time is in
    `when`. Each is asked about when the next one comes, and the last at ends[q].
    """
    for q in range(len(bounds) - 1):
        count = min(bounds[q + 1] - bounds[q], most)
        first = seen[q]
        last = first + min(count, most - 1)
        seen[q + 1] = last + 1
        later = ends[q]
        for k in range(count):
            here = bounds[q] + k
            items[last - k], times[last - k], asked[last - k] = index[here], when[place[here]], later
            later = when[place[here]]
        if count < most:
            items[first], times[first], asked[first] = start, later, later

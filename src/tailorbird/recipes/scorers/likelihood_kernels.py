"""The loop that learns a blend's weights, compiled: how likely the truths are, and what would make them likelier.

numpy takes a pass over all scores for each term; this loop keeps a sample's part of them in the processor's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from tailorbird.recipes.scorers.kernels import (
    DOUBLES,
    FLOATS,
    FLOATS_2D,
    INTS,
    LEAST,
    LONGS,
    SUMMED,
    compiled,
    exponential,
    helper,
    tuple_of,
)

# Arrays as those of `kernels`.
FLOATS_3D = types.Array(types.float32, 3, "C", readonly=True)
DOUBLES_2D = types.Array(types.float64, 2, "C")
OF_SAMPLE, TRUE_OF_SAMPLE = tuple_of((LONGS, INTS, INTS)), tuple_of((LONGS, INTS, FLOATS))


@helper(fast=True)
def _blend(scores: NDArray[np.float32], sample: int, factors: NDArray[np.float32], total: NDArray[np.float32]) -> None:
    """Adds a sample's weighed scores to the total of each candidate."""
    for start in range(0, len(total), SUMMED):
        block = total[start : start + SUMMED]
        for kind in range(len(factors)):
            part, factor = scores[kind, sample, start : start + SUMMED], factors[kind]
            for place in range(len(block)):
                block[place] += factor * part[place]


@helper(fast=True)
def _expect(
    scores: NDArray[np.float32], sample: int, highest: Any, total: NDArray[np.float32], expected: NDArray[np.float64]
) -> Any:
    """Makes e ** (total - highest) of each total, adds the scores that these weigh, and returns what they sum to."""
    mass = 0.0
    for start in range(0, len(total), SUMMED):
        block = total[start : start + SUMMED]
        found: Any = np.float32(0)
        for place in range(len(block)):
            below = block[place] - highest
            likely = exponential(max(below, LEAST)) if below > LEAST else np.float32(0)
            block[place] = likely
            found += likely
        mass += found
        for kind in range(len(expected)):
            part = scores[kind, sample, start : start + SUMMED]
            found = np.float32(0)
            for place in range(len(block)):
                found += block[place] * part[place]
            expected[kind] += found
    return mass


@compiled(
    FLOATS_3D, FLOATS_2D, OF_SAMPLE, TRUE_OF_SAMPLE, FLOATS_2D, FLOATS, DOUBLES, DOUBLES_2D, DOUBLES, fast=True
)  # fmt: skip
def likelihood(
    scores: NDArray[np.float32],
    correction: NDArray[np.float32],
    known: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]],
    true: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    factors: NDArray[np.float32],
    offsets: NDArray[np.float32],
    log_likelihood: NDArray[np.float64],
    of_scorers: NDArray[np.float64],
    of_buckets: NDArray[np.float64],
) -> None:
    """Writes each sample's log-likelihood, and adds its gradient to (sample, scorer) zeros and to (bucket) true shares.

    scores: (scorer, sample, candidate); `correction` (sample, candidate) comes on top, and the offsets of the buckets
    of the candidates that are known. known: (bounds, candidates, buckets), those of sample s at bounds[s] up to
    bounds[s + 1]. true: (bounds, candidates, shares) likewise. factors: (sample, scorer).
    """
    (known_bounds, known_column, bucket), (true_bounds, true_column, share) = known, true
    total = np.empty(scores.shape[2], np.float32)
    for s in range(len(correction)):
        knows, hits = slice(known_bounds[s], known_bounds[s + 1]), slice(true_bounds[s], true_bounds[s + 1])
        total[:] = correction[s]
        _blend(scores, s, factors[s], total)
        for k in range(knows.start, knows.stop):
            total[known_column[k]] += offsets[bucket[k]]
        highest, truths = total.max(), 0.0
        for k in range(hits.start, hits.stop):
            truths += share[k] * (total[true_column[k]] - highest)
        mass = _expect(scores, s, highest, total, of_scorers[s])
        log_likelihood[s] = truths - np.log(mass)
        for kind in range(len(scores)):
            of_scorers[s, kind] /= -mass
            for k in range(hits.start, hits.stop):
                of_scorers[s, kind] += share[k] * scores[kind, s, true_column[k]]
        for k in range(knows.start, knows.stop):
            of_buckets[bucket[k]] -= total[known_column[k]] / mass

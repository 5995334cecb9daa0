"""The weights of a blend that make most likely what held-out users did next: see `blend_weights` for what they weigh.

A softmax regression with a penalty on the squares, whose loss is convex.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # whose `optimize` takes half a second to load: only where it is used, not at each start
from numpy.typing import NDArray

from tailorbird.recipes.scorers.blend_weights import ScoredSamples, factors
from tailorbird.recipes.scorers.repeat_consumption import BUCKETS
from tailorbird.recipes.scorers.sums import bounds_of

RIDGE = 1e-3
"""Penalty on the squares of the weights: keeps scorers that say the same from opposite large weights; not tuned."""
STEPS = 40
"""Of L-BFGS, at most: bounds the time of a training; not tuned, and more cannot worsen the likelihood that it fits."""
START = 0.2
"""Of each long history's weight: L-BFGS ends at one place from anywhere, since the loss is convex."""


def fit(table: ScoredSamples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns weights (long and short, scorer) and offsets (bucket) with the highest penalised likelihood."""
    from tailorbird.recipes.scorers import likelihood_kernels

    scores = np.ascontiguousarray(table.scores, np.float32)
    kinds, samples, _ = scores.shape
    known, true = _places(table.bucket, table.bucket < BUCKETS, np.int32), _places(table.truth, table.truth > 0)
    true_of_buckets = np.bincount(table.bucket[table.truth > 0], true[2], BUCKETS + 1)[:-1].astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, offsets = _unpacked(parameters, kinds)
        each = np.ascontiguousarray(factors(weights, table.shortness).T)
        likely, of_scorers, of_buckets = np.empty(samples), np.zeros((samples, kinds)), true_of_buckets.copy()
        likelihood_kernels.likelihood(
            scores, table.correction, known, true, each, offsets, likely, of_scorers, of_buckets
        )
        of_long, of_short = of_scorers.sum(axis=0), table.shortness @ of_scorers
        rise = np.concatenate([of_long, of_short, [of_buckets.sum()], of_buckets]) / samples
        return float(np.vdot(ridge, parameters**2) - likely.mean()), 2 * ridge * parameters - rise

    # What all buckets have in common is not held back: where nobody comes back to anything it must go far down.
    ridge = np.full(2 * kinds + 1 + BUCKETS, RIDGE)
    ridge[2 * kinds] = 0
    start = np.concatenate([np.full(kinds, START), np.zeros(kinds + 1 + BUCKETS)])
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return _unpacked(best, kinds)


def _places(
    values: NDArray[Any], kept: NDArray[np.bool_], dtype: type[np.generic] = np.float32
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
    """Bounds of the samples, and the candidates and values that are kept of each."""
    columns = np.nonzero(kept)[1].astype(np.int32)
    return bounds_of(np.count_nonzero(kept, axis=1)), columns, values[kept].astype(dtype)


def _unpacked(parameters: NDArray[np.float64], kinds: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and offsets; the latter are a common part and each bucket's own."""
    weights, common, own = np.split(parameters.astype(np.float32), [2 * kinds, 2 * kinds + 1])
    return weights.reshape(2, kinds), common + own

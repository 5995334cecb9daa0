"""Weights of a blend: a softmax regression on what held-out users did next.

logits(query, item) = sum_k weight_k * ingredient_k(query, item) + offset[bucket of the item in the history]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from tailorbird.recipes.ingredients import repeats
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions, Query

RIDGE = 1e-3
STEPS = 40


@dataclass(frozen=True)
class Sample:
    """A user's history up to some moment, and the distinct items of the time after it."""

    query: Query
    truth: NDArray[np.int32]


def draw_samples(data: Interactions, most: int, rng: np.random.Generator) -> list[Sample]:
    """Cuts histories in two, `most` times at the most: each user's at nine tenths and at a random row.

    What follows is a ninth as long as what came before, as in the service's own evaluation.
    """
    bounds = user_bounds(data)
    samples = []
    for user in rng.permutation(len(data.users)):
        start, end = int(bounds[user]), int(bounds[user + 1])
        if end - start < 2:
            continue
        for cut in {max(start + 1, start + (end - start) * 9 // 10), int(rng.integers(start + 1, end))}:
            horizon = min(end, cut + max(1, (cut - start) // 9))
            query = Query(data.item[start:cut], data.timestamp[start:cut])
            samples.append(Sample(query, np.unique(data.item[cut:horizon])))
        if len(samples) >= most:
            break
    return samples[:most]


def fit(
    scores: Sequence[NDArray[np.float32]], samples: Sequence[Sample]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the weights (ingredient) and offsets (bucket) with the highest penalised likelihood.

    `scores` holds one (sample, item) array for each ingredient.
    """
    truth = np.zeros(scores[0].shape, np.float32)
    for row, sample in enumerate(samples):
        truth[row, sample.truth] = 1 / len(sample.truth)
    rows, columns, bucket = repeats.positions([sample.query for sample in samples])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, offsets = np.split(parameters.astype(np.float32), [len(scores)])
        logits = combine(scores, weights)
        logits[rows, columns] += offsets[bucket]
        log_probability = log_softmax(logits)
        error = (np.exp(log_probability) - truth) / len(samples)
        gradient = np.concatenate(
            [
                [np.vdot(error, score) for score in scores],
                np.bincount(bucket, error[rows, columns], repeats.BUCKETS),
            ]
        )
        value = -np.vdot(truth, log_probability) / len(samples) + RIDGE * np.vdot(parameters, parameters)
        return float(value), gradient + 2 * RIDGE * parameters

    start = np.concatenate([np.full(len(scores), 0.2), np.zeros(repeats.BUCKETS)])
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    weights, offsets = np.split(best.astype(np.float32), [len(scores)])
    return weights, offsets


def combine(scores: Sequence[NDArray[np.float32]], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the weighted sum of equally shaped arrays."""
    total = weights[0] * scores[0]
    for weight, score in zip(weights[1:], scores[1:], strict=True):
        total += weight * score
    return total


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns log-probabilities by row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)

"""Weights of a blend: a softmax regression on what held-out users did next.

logits(query, item) = sum_k weight_k * ingredient_k(query, item) + offset[bucket of the item in the history]

The offset of a bucket that no sample shows is near that of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from tailorbird.recipes.ingredients import repeats
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.ranking import best_items
from tailorbird.recipes.recipe import Interactions, Query

RIDGE = 1e-3
STEPS = 40
DISCOUNTS = np.arange(0, 0.61, 0.1)
TOLERANCE = 0.01
"""Share of validation NDCG given up for lists that repeat the same popular items less."""


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
    for user in rng.permutation(len(data.users)).tolist():
        start, end = int(bounds[user]), int(bounds[user + 1])
        if end - start < 2:
            continue
        for cut in {max(start + 1, start + (end - start) * 9 // 10), int(rng.integers(start + 1, end))}:
            horizon = min(end, cut + max(1, (cut - start) // 9))
            query = Query(
                data.item[start:cut],
                data.timestamp[start:cut],
                now=int(data.timestamp[cut]),
                user=data.user_of(user),
                context=data.context_of(cut),
            )
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
        weights, common, own = np.split(parameters.astype(np.float32), [len(scores), len(scores) + 1])
        logits = combine(scores, weights)
        logits[rows, columns] += common + own[bucket]
        log_probability = log_softmax(logits)
        error = (np.exp(log_probability) - truth) / len(samples)
        of_buckets = np.bincount(bucket, error[rows, columns], repeats.BUCKETS)
        gradient = np.concatenate([[np.vdot(error, score) for score in scores], [of_buckets.sum()], of_buckets])
        value = -np.vdot(truth, log_probability) / len(samples) + np.vdot(ridge, parameters**2)
        return float(value), gradient + 2 * ridge * parameters

    # What all buckets have in common is not held back: where nobody comes back to anything it must go far down.
    ridge = np.full(len(scores) + 1 + repeats.BUCKETS, RIDGE)
    ridge[len(scores)] = 0
    start = np.concatenate([np.full(len(scores), 0.2), np.zeros(1 + repeats.BUCKETS)])
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    weights, common, own = np.split(best.astype(np.float32), [len(scores), len(scores) + 1])
    return weights, common + own


def discount_popularity(
    scores: Sequence[NDArray[np.float32]],
    samples: Sequence[Sample],
    weights: NDArray[np.float32],
    offsets: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Returns the weights with less weight on `scores[0]`, the popularity.

    Likelihood leans to popular items more than lists should: it counts how probable every true item is, where
    a list only has room for the top. Of the `DISCOUNTS` the largest is taken whose NDCG@25 is within
    `TOLERANCE` of the best.
    """
    rows, columns, bucket = repeats.positions([sample.query for sample in samples])
    logits = combine(scores, weights)
    logits[rows, columns] += offsets[bucket]
    gains = np.array([ndcg(logits - np.float32(step) * scores[0], samples) for step in DISCOUNTS])
    discounted = weights.copy()
    discounted[0] -= DISCOUNTS[gains >= (1 - TOLERANCE) * gains.max()].max()
    return discounted


def ndcg(scores: NDArray[np.float32], samples: Sequence[Sample], length: int = 25) -> float:
    """Returns the mean NDCG of the lists that the scores make."""
    discounts = 1 / np.log2(np.arange(2, length + 2))
    gains = []
    for best, sample in zip(best_items(scores, length), samples, strict=True):
        hits = np.isin(best, sample.truth)
        gains.append(hits @ discounts[: len(best)] / discounts[: len(sample.truth)].sum())
    return float(np.mean(gains))


def combine(scores: Sequence[NDArray[np.float32]], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the weighted sum of equally shaped arrays."""
    total: NDArray[np.float32] = weights[0] * scores[0]
    for weight, score in zip(weights[1:], scores[1:], strict=True):
        total += weight * score
    return total


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns log-probabilities along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)

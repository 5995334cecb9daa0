"""The compiled likelihood and its gradient are those of the formula."""

from __future__ import annotations

import numpy as np

from tailorbird.recipes.scorers import likelihood
from tailorbird.recipes.scorers.blend_weights import ABSENT, ScoredSamples
from tailorbird.recipes.scorers.likelihood import RIDGE
from tailorbird.recipes.scorers.repeat_consumption import BUCKETS

KINDS, SAMPLES, CANDIDATES = 3, 40, 1100


def made_up() -> ScoredSamples:
    """Samples with truths inside and outside of the history, drawn candidates, and places without a candidate."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(KINDS, SAMPLES, CANDIDATES)).astype(np.float32)
    bucket = np.full((SAMPLES, CANDIDATES), BUCKETS)
    bucket[:, :30] = rng.integers(BUCKETS, size=(SAMPLES, 30))
    truth = np.zeros((SAMPLES, CANDIDATES), np.float32)
    truth[:, [3, 50, 70]] = [0.5, 0.25, 0.25]
    correction = np.zeros((SAMPLES, CANDIDATES), np.float32)
    correction[:, 900:], correction[:20, 1000:] = 2.0, ABSENT
    scores[:, :20, 1000:] = 0
    return ScoredSamples(scores, correction, truth, bucket, rng.random(SAMPLES).astype(np.float32))


def loss(table: ScoredSamples, weights: np.ndarray, offsets: np.ndarray) -> float:
    """The penalised loss by the formula; the offsets have nothing in common, which alone goes free."""
    by_sample = weights[0] + table.shortness[:, None].astype(float) * weights[1]
    logits = np.einsum("sk,ksc->sc", by_sample, table.scores.astype(float)) + table.correction
    logits += np.append(offsets, 0)[table.bucket]
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    common = offsets.sum() / (BUCKETS + 0.0)  # what a free common part takes of the penalty
    penalty = RIDGE * ((weights**2).sum() + ((offsets - common) ** 2).sum())
    return float(penalty - (table.truth * log_probability).sum() / SAMPLES)


def test_no_small_step_makes_the_truths_likelier() -> None:
    table = made_up()
    weights, offsets = (each.astype(float) for each in likelihood.fit(table))
    least = loss(table, weights, offsets)
    for place in np.ndindex(weights.shape):
        for step in (-0.03, 0.03):
            moved = weights.copy()
            moved[place] += step
            assert loss(table, moved, offsets) > least
    for bucket in range(BUCKETS):
        for step in (-0.3, 0.3):
            moved = offsets.copy()
            moved[bucket] += step
            assert loss(table, weights, moved) > least

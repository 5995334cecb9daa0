"""The weights of a blend are found again where they are known; short histories may have weights of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers import blend_weights, likelihood
from tailorbird.recipes.scorers.scorer import load_scorers, save_scorers

ITEMS = 300
OLD = Query(np.arange(200, dtype=np.int32), np.arange(200, dtype=np.int64))
NEW = Query(np.array([7], np.int32), np.array([0], np.int64))


class Noise:
    """Scores that depend on the time of the question alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def score(self, queries: list[Query]) -> np.ndarray:
        rows = [np.random.default_rng((self.seed, query.now)).normal(size=ITEMS) for query in queries]
        return np.array(rows, np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


SCORERS = [Noise(1), Noise(2)]


def samples(history: Query, weights: tuple[float, float], count: int) -> list[blend_weights.Sample]:
    """Draws truths from the softmax of the weighted scores, outside the history."""
    rng = np.random.default_rng(3)
    found = []
    for now in range(count):
        query = Query(history.items, history.timestamps, now=now)
        logits = sum(weight * one.score([query])[0].astype(float) for weight, one in zip(weights, SCORERS, strict=True))
        share = np.exp(logits)
        share[history.items] = 0
        found.append(blend_weights.Sample(query, np.array([rng.choice(ITEMS, p=share / share.sum())], np.int32)))
    return found


def learned(drawn: list[blend_weights.Sample], query: Query) -> np.ndarray:
    table = blend_weights.score_samples(SCORERS, drawn, ITEMS, np.random.default_rng(0))
    weights, _ = likelihood.fit(table)
    return weights[0] + blend_weights.shortness([query])[0] * weights[1]


@pytest.mark.parametrize("all_candidates", [ITEMS, 10])
def test_short_and_long_histories_get_their_own_weights(monkeypatch, all_candidates):
    monkeypatch.setattr(blend_weights, "ALL_CANDIDATES", all_candidates)
    monkeypatch.setattr(blend_weights, "BEST", 20)
    monkeypatch.setattr(blend_weights, "DRAWN", 60)
    drawn = samples(OLD, (2.0, 0.5), 600) + samples(NEW, (0.5, 2.0), 600)
    np.testing.assert_allclose(learned(drawn, OLD), [2.0, 0.5], atol=0.25)
    np.testing.assert_allclose(learned(drawn, NEW), [0.5, 2.0], atol=0.25)


def test_candidates_stand_for_all_items(monkeypatch):
    monkeypatch.setattr(blend_weights, "ALL_CANDIDATES", 10)
    monkeypatch.setattr(blend_weights, "BEST", 5)
    monkeypatch.setattr(blend_weights, "DRAWN", 40)
    drawn = [*samples(OLD, (1.0, 1.0), 3), *samples(NEW, (1.0, 1.0), 3)]
    table = blend_weights.score_samples(SCORERS, drawn, ITEMS, np.random.default_rng(0))
    np.testing.assert_allclose(np.exp(table.correction).sum(axis=1), ITEMS, rtol=1e-5)
    np.testing.assert_allclose(table.truth.sum(axis=1), 1)
    known = (table.bucket < blend_weights.repeat_consumption.BUCKETS).sum(axis=1)
    np.testing.assert_array_equal(known, [200, 200, 200, 1, 1, 1])


def test_the_list_of_scorers_has_the_name_that_older_models_have(tmp_path):
    save_scorers(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["ingredients.json"]
    assert load_scorers(tmp_path, {}) == {}

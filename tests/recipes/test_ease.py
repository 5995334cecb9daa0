"""EASE: both ways of keeping the weights give the same scores."""

from __future__ import annotations

import numpy as np

from recipes.test_exam import walks
from tailorbird.recipes import user_personalization
from tailorbird.recipes.recipe import Interactions, Query, silent
from tailorbird.recipes.scorers import ease


def test_the_way_through_the_users_gives_the_same_scores(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(30, size=600)).astype(np.int32)
    data = Interactions(
        users=np.array([f"u{number:02}" for number in range(30)]),
        items=np.array([f"i{number:02}" for number in range(51)]),
        user=user,
        item=rng.integers(50, size=600).astype(np.int32),
        timestamp=np.arange(600, dtype=np.int64),
        event_type=np.zeros(600, np.int16),
    )
    monkeypatch.setattr(ease, "REGULARISATION", 5.0)
    few = ease.train(data)
    monkeypatch.setattr(ease, "MOST_ITEMS", 10)
    many = ease.train(data)
    assert (type(few), type(many)) == (ease.FewItems, ease.ManyItems)
    queries = [
        Query(np.array(items, np.int32), np.arange(len(items), dtype=np.int64)) for items in ([], [3], [4, 3, 3, 50])
    ]
    np.testing.assert_allclose(many.score(queries), few.score(queries), rtol=1e-3, atol=1e-3)
    many.save(tmp_path)
    np.testing.assert_array_equal(ease.load(tmp_path).score(queries), many.score(queries))


def test_a_blend_adds_both_ways(monkeypatch):
    data = walks(users=40)
    queries = [Query(data.item[:length], data.timestamp[:length]) for length in (0, 1, 5)]
    few = user_personalization.train(data, user_personalization.Settings(), silent)
    monkeypatch.setattr(ease, "MOST_ITEMS", 10)
    many = user_personalization.UserPersonalization(
        few.items, few.scorers | {"ease": ease.train(data)}, few.weights, few.offsets, few.first
    )
    assert isinstance(many.scorers["ease"], ease.ManyItems)
    np.testing.assert_allclose(many.score(queries), few.score(queries), atol=2e-3)

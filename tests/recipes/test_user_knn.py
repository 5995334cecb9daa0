"""UserKnn: who is found, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers import user_knn


def interactions(*histories: list[int]) -> Interactions:
    lengths = [len(history) for history in histories]
    return Interactions(
        users=np.array([f"u{number}" for number in range(len(histories))]),
        items=np.array([f"i{number}" for number in range(6)]),
        user=np.repeat(np.arange(len(histories), dtype=np.int32), lengths),
        item=np.concatenate(histories).astype(np.int32),
        timestamp=np.arange(sum(lengths), dtype=np.int64),
        event_type=np.zeros(sum(lengths), np.int16),
    )


def query(*items: int) -> Query:
    return Query(np.array(items, np.int32), np.arange(len(items), dtype=np.int64))


def shares(model: user_knn.UserKnn, *items: int) -> np.ndarray:
    return np.exp(model.score([query(*items)])[0]) - user_knn.FLOOR


def test_an_item_scores_the_share_of_likeness_that_has_it():
    model = user_knn.train(interactions([0, 1], [0, 2, 3, 4], [4, 5]))
    one, other = 2**-0.5, 4**-0.5  # both have item 0; the third user has nothing in common
    expected = [0, one, other, other, other, 0] / np.array(one + other)
    np.testing.assert_allclose(shares(model, 0), expected, atol=1e-6)


def test_recent_items_find_more():
    model = user_knn.train(interactions([0, 2], [1, 3]))
    old, new = user_knn.DECAY, 1
    np.testing.assert_allclose(shares(model, 0, 1)[[2, 3]], [old / (old + new), new / (old + new)], atol=1e-6)


def test_whoever_asks_hears_nothing_of_their_own_items():
    model = user_knn.train(interactions([0, 1, 2], [0, 3]))
    np.testing.assert_allclose(shares(model, 0, 1, 2)[:3], 0, atol=1e-6)
    assert shares(model, 0, 1, 2)[3] > 0.1


@pytest.mark.parametrize("items", [(), (5,)])
def test_without_neighbours_nothing_is_said(items):
    model = user_knn.train(interactions([0, 1], [2, 3]))
    np.testing.assert_allclose(shares(model, *items), 0, atol=1e-6)


def test_of_an_items_users_those_seen_last_are_found(monkeypatch):
    monkeypatch.setattr(user_knn, "MOST_USERS_OF_ITEM", 1)
    model = user_knn.train(interactions([0, 1], [0, 2]))
    np.testing.assert_allclose(shares(model, 0), [0, 0, 1, 0, 0, 0], atol=1e-6)


def test_only_the_nearest_count(monkeypatch):
    monkeypatch.setattr(user_knn, "NEAREST", 1)
    model = user_knn.train(interactions([0, 1], [0, 2, 3]))
    np.testing.assert_allclose(shares(model, 0), [0, 1, 0, 0, 0, 0], atol=1e-6)


def test_survives_save_and_load(tmp_path):
    model = user_knn.train(interactions([0, 1], [0, 2, 3, 4], [4, 5]))
    model.save(tmp_path)
    asked = [query(), query(0), query(4, 1)]
    np.testing.assert_array_equal(user_knn.load(tmp_path).score(asked), model.score(asked))

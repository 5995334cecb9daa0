"""Lists that lean to an attribute of the items, and what they earn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recipes.test_exam import QUESTIONS, walks
from tailorbird.evaluation import ranking
from tailorbird.recipes import RECIPES, objective
from tailorbird.recipes.recipe import silent

USER = RECIPES["aws-user-personalization"]


@pytest.fixture(scope="module")
def data():
    made = walks()
    return replace(made, reward=np.random.default_rng(1).lognormal(size=len(made.items)).astype(np.float32))


@pytest.fixture(scope="module")
def model(data):
    return USER.train(data, USER.settings(), silent)


def test_standing_is_by_rank_and_leaves_unknown_items_in_the_middle():
    reward = np.array([1, 1000, np.nan, 2, 2], np.float32)
    standing = objective.standing(reward)
    assert standing[2] == 0
    assert standing[0] < standing[3] == standing[4] < standing[1]
    known = standing[[0, 1, 3, 4]]
    assert (known.mean(), known.std()) == pytest.approx((0, 1), abs=1e-6)
    assert not objective.standing(np.array([3, 3, np.nan], np.float32)).any()


def test_medium_weighs_relevance_and_objective_equally(data, model):
    plain = model.score(QUESTIONS)
    gain = objective.steer(model, data.reward, "MEDIUM").score(QUESTIONS) - plain
    np.testing.assert_allclose(gain.std(axis=1), plain.std(axis=1), rtol=1e-3)


def test_the_more_sensitive_the_dearer_the_lists(data, model):
    worth = []
    for sensitivity in ("OFF", "LOW", "MEDIUM", "HIGH"):
        lists = ranking.top_lists(objective.steer(model, data.reward, sensitivity), QUESTIONS)
        worth.append(objective.standing(data.reward)[lists].mean())
    assert worth == sorted(worth)
    assert worth[-1] > worth[0] + 1
    assert objective.steer(model, data.reward, "OFF") is model


def test_scores_stay_log_probabilities_and_never_recommended_items_stay_out(data, model):
    class Picky:
        items = model.items

        def score(self, queries):
            scores = model.score(queries)
            scores[:, 5] = -np.inf
            return scores

    scores = objective.steer(Picky(), data.reward, "HIGH").score(QUESTIONS)
    assert np.isneginf(scores[:, 5]).all()
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-3)


@pytest.mark.parametrize("sensitivity", ["OFF", "LOW"])
def test_a_steered_model_survives_save_and_load(data, model, sensitivity, tmp_path):
    steered = objective.steer(model, data.reward, sensitivity)
    steered.save(tmp_path)
    loaded = objective.load(USER, tmp_path)
    np.testing.assert_array_equal(loaded.score(QUESTIONS), steered.score(QUESTIONS))
    assert loaded.items.tolist() == model.items.tolist()


def test_where_people_buy_dear_things_too_a_little_steering_earns_more(data):
    held_out = ranking.split(data, seed=1)
    model = USER.train(held_out.train, USER.settings(), silent)
    plain = ranking.measure(model, held_out)
    steered = ranking.measure(objective.steer(model, data.reward, "LOW"), held_out)
    assert 0 < plain[ranking.REWARDS] < steered[ranking.REWARDS] <= 1
    assert ranking.popularity_baseline(held_out).keys() == plain.keys()

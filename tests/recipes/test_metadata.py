"""Metadata and context change answers where the data say so, in every recipe that learns from them."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.tastes import KINDS, genre_of, kind_of, question, tastes
from tailorbird.evaluation import ranking
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Interactions, Model, silent

LEARNING = ["aws-hrnn-coldstart", "aws-hrnn-metadata", "aws-personalized-ranking", "aws-user-personalization"]


@pytest.fixture(scope="module")
def data() -> Interactions:
    return tastes()


@pytest.fixture(scope="module", params=LEARNING)
def model(request: pytest.FixtureRequest, data: Interactions) -> Model:
    recipe = RECIPES[request.param]
    assert recipe.features
    return recipe.train(data, recipe.settings(hidden_dimension=32), silent)


def share(lists: np.ndarray, fits) -> float:
    return float(np.mean([fits(item) for item in lists.ravel().tolist()]))


@pytest.mark.parametrize("history", [[], [2, 15, 26, 39]])
def test_context_says_which_kind_is_due(model, history):
    for part, kind in KINDS.items():
        lists = ranking.top_lists(model, [question(history, context={"DAY_PART": part})], 10)
        assert share(lists, lambda item, kind=kind: kind_of(item) == kind) >= 0.8  # by chance: half


def test_metadata_tell_a_newcomers_taste(model):
    for genre in range(3):
        lists = ranking.top_lists(model, [question([], user={"TASTE": f"g{genre}"})], 10)
        assert share(lists, lambda item, genre=genre: genre_of(item) == genre) >= 0.5  # by chance: a sixth


def test_missing_and_unknown_columns_are_no_obstacle(model):
    plain = model.score([question([2, 14])])
    odd = model.score([question([2, 14], context={"DAY_PART": "night", "OTHER": 3.5}, user={"TASTE": None})])
    np.testing.assert_allclose(odd, plain, rtol=1e-5, atol=1e-5)

"""What a type declares is there: its operation, its batch job, its protocol, and what its recipes' models must have."""

from __future__ import annotations

import pytest

from tailorbird.api import batch
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import batch_inference_job, batch_segment_job
from tailorbird.evaluation.protocols import PROTOCOLS
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.recipe_types import POPULAR_ITEMS, RecipeType
from tailorbird.recipes.use_cases import USE_CASES
from tailorbird.serving.segments import TARGETS
from tailorbird.wire import model

TYPES = dict.fromkeys(recipe.recipe_type for recipe in RECIPES.values())
MEMBERS = {
    batch_inference_job.RESOURCE.name: {*batch.TEXTS, "itemList"} - {"itemAttributes"},
    batch_segment_job.RESOURCE.name: set(TARGETS),
}


def test_every_type_has_a_protocol_and_every_protocol_a_recipe() -> None:
    assert set(PROTOCOLS) == set(TYPES)


@pytest.mark.parametrize("recipe_type", TYPES, ids=lambda each: f"{each.name} {each.line}")
def test_what_a_type_asks_can_be_asked(recipe_type: RecipeType) -> None:
    if recipe_type.operation is not None:
        operation = model.operations()[recipe_type.operation]
        assert operation.function in OPERATIONS
        assert set(recipe_type.required) <= set(operation.input.members)
    if recipe_type.batch_job is None:
        assert recipe_type.line == ()
    else:
        assert set(recipe_type.line) <= MEMBERS[recipe_type.batch_job]
        assert recipe_type.line
    assert recipe_type.operation or recipe_type.batch_job, "nobody could ask it anything"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_what_a_type_wants_of_its_recipes_they_have(recipe: Recipe) -> None:
    if recipe.recipe_type == POPULAR_ITEMS:
        assert recipe.settings().interval > 0
    if recipe.recipe_type.responses:
        assert "actions" in recipe.model.__annotations__


def test_a_use_case_that_hides_what_a_user_had_must_be_told_the_user() -> None:
    assert {name: case.required for name, case in USE_CASES.items() if case.hides} == {
        "aws-vod-top-picks": ("userId",),
        "aws-vod-because-you-watched-x": ("userId", "itemId"),
        "aws-vod-more-like-x": ("userId", "itemId"),
        "aws-ecomm-recommended-for-you": ("userId",),
        "aws-ecomm-customers-who-viewed-x-also-viewed": ("userId", "itemId"),
    }
    assert USE_CASES["aws-ecomm-frequently-bought-together"].required == ("itemId",)
    assert USE_CASES["aws-vod-most-popular"].required == ()

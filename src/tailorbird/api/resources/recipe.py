"""Recipes as AWS lists and describes them; they belong to the service, not to an account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tailorbird.api import standard
from tailorbird.errors import InvalidInputException, ResourceNotFoundException
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.workspace import Workspace

PREFIX = "arn:aws:personalize:::recipe/"
# The date that AWS's own first recipes carry (spec recipes-and-runtime 2.3).
SINCE = datetime(2019, 6, 10, tzinfo=UTC).timestamp()


def of_arn(arn: str) -> Recipe:
    """The recipe of an ARN; raises InvalidInput for another kind of ARN, ResourceNotFound."""
    if not arn.startswith(PREFIX):
        raise InvalidInputException(f"{arn} is not a recipe's ARN; such ARNs begin {PREFIX}")
    recipe = RECIPES.get(arn.removeprefix(PREFIX))
    if recipe is None:
        raise ResourceNotFoundException(
            f"Resource Arn {arn} does not exist. This server has the recipes {', '.join(sorted(RECIPES))}."
        )
    return recipe


def _document(recipe: Recipe) -> dict[str, Any]:
    transformation = recipe.feature_transformation or recipe.name
    return {
        "name": recipe.name,
        "recipeArn": PREFIX + recipe.name,
        "algorithmArn": f"arn:aws:personalize:::algorithm/{recipe.name}",
        "featureTransformationArn": f"arn:aws:personalize:::feature-transformation/{transformation}",
        "status": "ACTIVE",
        "description": recipe.description,
        "recipeType": recipe.recipe_type,
        "creationDateTime": SINCE,
        "lastUpdatedDateTime": SINCE,
    }


def describe_recipe(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """One recipe."""
    return {"recipe": _document(of_arn(request["recipeArn"]))}


def list_recipes(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """All recipes by name; none belongs to a domain yet."""
    chosen = [] if "domain" in request else [RECIPES[name] for name in sorted(RECIPES)]
    return standard.paged("recipes", [_document(recipe) for recipe in chosen], request)


OPERATIONS = {"describe_recipe": describe_recipe, "list_recipes": list_recipes}

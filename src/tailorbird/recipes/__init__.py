"""The recipes by AWS's names, and how their hyperparameters are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tailorbird.recipes import (
    affinity,
    hrnn,
    next_best_action,
    popularity,
    semantic_similarity,
    settings,
    similar_items,
    sims,
    trending,
    user_personalization,
    user_personalization_v2,
)
from tailorbird.recipes.recipe import Recipe

__all__ = ["RECIPES", "recipe_names", "settings_of"]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for rows in (
        user_personalization.RECIPES,
        hrnn.RECIPES,
        user_personalization_v2.RECIPES,
        sims.RECIPES,
        similar_items.RECIPES,
        semantic_similarity.RECIPES,
        popularity.RECIPES,
        trending.RECIPES,
        next_best_action.RECIPES,
        affinity.RECIPES,
    )
    for recipe in rows
}
"""In the order of the reference."""


def recipe_names(kind: Callable[[Recipe], object]) -> str:
    """Returns the names of the recipes of which `kind` is true, for messages."""
    return ", ".join(sorted(recipe.name for recipe in RECIPES.values() if kind(recipe)))


def settings_of(
    recipe: Recipe,
    algorithm_hyper_parameters: Mapping[str, str],
    feature_transformation_parameters: Mapping[str, str],
    seed: int = 0,
) -> Any:
    """Returns the recipe's settings made from AWS's two maps of strings, and our seed where it draws lots.

    Raises:
        InvalidInputException: a parameter the recipe does not have, or a value of the wrong type or range.
    """
    read = settings.read(recipe.settings, algorithm_hyper_parameters, feature_transformation_parameters)
    return dataclasses.replace(read, seed=seed) if hasattr(read, "seed") else read

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
    second_generation,
    settings,
    sims,
    trending,
    user_personalization,
)
from tailorbird.recipes.recipe import Interactions, Model, Progress, Recipe

__all__ = ["RECIPES", "settings_of"]


def _next_item(
    name: str,
    description: str,
    *,
    recipe_type: str = "USER_PERSONALIZATION",
    feature_transformation: str = "",
    optimizes: bool = False,
) -> Recipe:
    return Recipe(
        name,
        recipe_type,
        description,
        user_personalization.Settings,
        user_personalization.train,
        user_personalization.load,
        feature_transformation,
        features=True,
        needs="userId",
        batch_members=("userId", "itemList") if recipe_type == "PERSONALIZED_RANKING" else ("userId",),
        explores=recipe_type == "USER_PERSONALIZATION",
        updates=("AUTOMATIC", "MANUAL") if recipe_type == "USER_PERSONALIZATION" else (),
        optimizes=optimizes,
        answers_scores=True,
    )


def _hrnn(
    name: str,
    description: str,
    feature_transformation: str,
    train: Callable[[Interactions, Any, Progress], Model] = hrnn.train,
    settings: type = hrnn.Settings,
) -> Recipe:
    return Recipe(
        name,
        "USER_PERSONALIZATION",
        description,
        settings,
        train,
        hrnn.load,
        feature_transformation,
        features=train is not hrnn.train,
        needs="userId",
        updates=("MANUAL",) if train is hrnn.train_with_cold_items else (),
        retired=True,
        answers_scores=True,
    )


def _second_generation(name: str, recipe_type: str, description: str, members: tuple[str, ...], **more: Any) -> Recipe:
    return Recipe(
        name,
        recipe_type,
        description,
        second_generation.Settings,
        second_generation.train,
        second_generation.load,
        features=True,
        needs="userId",
        batch_members=members,
        answers_scores=True,
        shows_metadata=True,
        weighs_events=True,
        most_items=5_000_000,
        **more,
    )


def _affinity(name: str, description: str, segments_by: str) -> Recipe:
    return Recipe(
        name,
        "USER_SEGMENTATION",
        description,
        affinity.Settings,
        affinity.train,
        affinity.load,
        name.removeprefix("aws-"),
        batch_members=(),
        segments_by=segments_by,
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _next_item(
            "aws-user-personalization",
            "Predicts the items a user will interact with next, from what they and others did and in which order.",
            optimizes=True,
        ),
        _next_item(
            "aws-personalized-ranking",
            "Orders a list of items for a user; the model is that of aws-user-personalization.",
            recipe_type="PERSONALIZED_RANKING",
            feature_transformation="JSON-percentile-filtering",
            optimizes=True,
        ),
        _hrnn(
            "aws-hrnn",
            "Predicts the items a user will interact with next by a hierarchical recurrent network over sessions.",
            "JSON-percentile-filtering",
        ),
        _hrnn(
            "aws-hrnn-metadata",
            "As aws-hrnn, and from metadata of items and users and the context of interactions.",
            "featurize_metadata",
            train=hrnn.train_with_metadata,
        ),
        _hrnn(
            "aws-hrnn-coldstart",
            "As aws-hrnn-metadata, and recommends new items by their metadata.",
            "featurize_coldstart",
            train=hrnn.train_with_cold_items,
            settings=hrnn.ColdstartSettings,
        ),
        _second_generation(
            "aws-user-personalization-v2",
            "USER_PERSONALIZATION",
            "Predicts the items a user will interact with next, by a transformer over events, time, metadata and "
            "context, blended with closed forms.",
            ("userId",),
            updates=("AUTOMATIC",),
            candidates=1000,
        ),
        _second_generation(
            "aws-personalized-ranking-v2",
            "PERSONALIZED_RANKING",
            "Orders a list of items for a user; the model is that of aws-user-personalization-v2.",
            ("userId", "itemList"),
            scores_unknown=True,
        ),
        Recipe(
            "aws-sims",
            "RELATED_ITEMS",
            "Items that the same users interacted with; the same answer for everyone.",
            sims.Settings,
            sims.train,
            sims.load,
            "sims",
            needs="itemId",
            batch_members=("itemId",),
        ),
        Recipe(
            "aws-popularity-count",
            "USER_PERSONALIZATION",
            "Items by how many distinct users interacted with them; the same answer for everyone.",
            popularity.Settings,
            popularity.train,
            popularity.load,
            "sims",
        ),
        Recipe(
            "aws-trending-now",
            "POPULAR_ITEMS",
            "Items whose interactions grow fastest; the same answer for everyone, found anew as events come in.",
            trending.Settings,
            trending.train,
            trending.load,
            batch_members=(),
        ),
        Recipe(
            "aws-next-best-action",
            "PERSONALIZED_ACTIONS",
            "Actions by how likely the user takes them within the coming days.",
            next_best_action.Settings,
            next_best_action.train,
            next_best_action.load,
            needs="userId",
            batch_members=(),
            answers_scores=True,
        ),
        _affinity("aws-item-affinity", "Users by how likely they interact with an item.", "itemId"),
        _affinity(
            "aws-item-attribute-affinity",
            "Users by how likely they interact with items that have certain attributes.",
            "itemAttributes",
        ),
    )
}


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

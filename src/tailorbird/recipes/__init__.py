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
from tailorbird.recipes.recipe import Interactions, Model, Progress, Recipe

__all__ = ["RECIPES", "settings_of"]


def _next_item(
    name: str,
    description: str,
    when: str,
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
        when=when,
        learns_from=_ORDERED + _FEATURES,
        paper=_BLEND,
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
        when="For code that names it; on both data sets below aws-user-personalization is better.",
        learns_from=_ORDERED + (_FEATURES if train is not hrnn.train else ""),
        paper="Quadrana et al., Personalizing Session-based Recommendations with Hierarchical Recurrent Neural "
        "Networks, 2017.",
    )


def _second_generation(
    name: str, recipe_type: str, description: str, when: str, members: tuple[str, ...], **more: Any
) -> Recipe:
    return Recipe(
        name,
        recipe_type,
        description,
        user_personalization_v2.Settings,
        user_personalization_v2.train,
        user_personalization_v2.load,
        features=True,
        needs="userId",
        batch_members=members,
        answers_scores=True,
        shows_metadata=True,
        weighs_events=True,
        most_items=5_000_000,
        when=when,
        learns_from="interactions: order, time and weight; metadata of items and users; context",
        paper="Kang and McAuley, Self-Attentive Sequential Recommendation, 2018; Zhai et al., Actions Speak Louder "
        "than Words, 2024; for the blend see aws-user-personalization.",
        **more,
    )


def _affinity(name: str, description: str, segments_by: str, when: str) -> Recipe:
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
        when=when,
        learns_from=_ORDERED,
        paper=f"Our own: the model of aws-user-personalization read the other way round. {_BLEND}",
    )


_ORDERED = "interactions: who, with what, when, and in which order"
_FEATURES = "; metadata and context"
_BLEND = (
    "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, 2019, blended with recent popularity and a Markov "
    "chain; from 200,000 distinct interactions also Kang and McAuley, Self-Attentive Sequential Recommendation, 2018."
)
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _next_item(
            "aws-user-personalization",
            "Predicts the items a user will interact with next, from what they and others did and in which order.",
            "The first to try wherever a user is known: home pages, mails, feeds. A newcomer gets a list too; before "
            "some ten interactions it is no better than popular items (P6 in quality.md). From 200,000 distinct "
            "interactions on a transformer takes part, and a training takes many minutes instead of seconds.",
            optimizes=True,
        ),
        _next_item(
            "aws-personalized-ranking",
            "Orders a list of items for a user; the model is that of aws-user-personalization.",
            "The items are given and their order is wanted: search results, a curated shelf.",
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
            "Where the order and time of events tell much, and a training may take minutes, of a million interactions "
            "an hour and more.",
            ("userId",),
            updates=("AUTOMATIC",),
            candidates=1000,
        ),
        _second_generation(
            "aws-personalized-ranking-v2",
            "PERSONALIZED_RANKING",
            "Orders a list of items for a user; the model is that of aws-user-personalization-v2.",
            "As aws-personalized-ranking, where the order and time of events tell much.",
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
            when="On an item's page, and in a basket: more like this. Items with few interactions have few neighbours.",
            learns_from="interactions: who, with what, and how close to each other in the user's history",
            paper="Linden, Smith and York, Amazon.com Recommendations: Item-to-Item Collaborative Filtering, 2003.",
        ),
        Recipe(
            "aws-similar-items",
            "RELATED_ITEMS",
            "Items that happen together and items that are alike; the same answer for everyone.",
            similar_items.Settings,
            similar_items.train,
            similar_items.load,
            needs="itemId",
            batch_members=("itemId",),
            makes_themes=True,
            when="On an item's page, for what is bought or watched together; themes give its lists a name. Metadata "
            "did not make such lists better (P7, P7g in quality.md). New items get neighbours, but seldom the right "
            "ones: of films it found fewer than random lists did (P8), of gifts more (P8r); aws-semantic-similarity "
            "found more of both.",
            learns_from="interactions: who, what, when; metadata and texts of items",
            paper="Our own blend: Christoffel et al., Blockbusters and Wallflowers, RecSys 2015; Deerwester et al., "
            "Indexing by Latent Semantic Analysis, 1990; Gantner et al., Learning Attribute-to-Feature Mappings for "
            "Cold-Start Recommendations, ICDM 2010.",
        ),
        Recipe(
            "aws-semantic-similarity",
            "RELATED_ITEMS",
            "Items whose texts are alike, with or without interactions; the same answer for everyone.",
            semantic_similarity.Settings,
            semantic_similarity.train,
            semantic_similarity.load,
            needs="itemId",
            batch_members=("itemId",),
            needs_interactions=False,
            needs_text=True,
            most_items=10_000_000,
            updates_items=True,
            shows_metadata=True,
            when="Where items have names and descriptions and few or no interactions, or come and go quickly: news, "
            "offers. It knows words, not meanings; where interactions are many, aws-sims is far better, and popular "
            "items can be, too.",
            learns_from="names and texts of items; interactions and creation times for its ranking influence only",
            paper="Deerwester et al., Indexing by Latent Semantic Analysis, 1990.",
        ),
        Recipe(
            "aws-popularity-count",
            "USER_PERSONALIZATION",
            "Items by how many distinct users interacted with them; the same answer for everyone.",
            popularity.Settings,
            popularity.train,
            popularity.load,
            "sims",
            when="As the baseline that every other recipe must beat, and where little is known of visitors.",
            learns_from="interactions: who, with what",
            paper="None: a count.",
        ),
        Recipe(
            "aws-trending-now",
            "POPULAR_ITEMS",
            "Items whose interactions grow fastest; the same answer for everyone, found anew as events come in.",
            trending.Settings,
            trending.train,
            trending.load,
            batch_members=(),
            when="For what is new and rising where every interval has many interactions: news, social feeds, sales. It "
            "follows events without a training. On the sparse data below it foretells nothing, and popular items are "
            "level or better.",
            learns_from="interactions: with what, and when",
            paper="None: growth of the share of all interactions, less its standard error.",
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
            when="What to offer that is no item: a membership, an app, a newsletter.",
            learns_from="interactions, actions, and what users did with actions",
            paper="Our own: a logistic regression for each action over a truncated singular value decomposition of "
            "users' items.",
        ),
        _affinity(
            "aws-item-affinity",
            "Users by how likely they interact with an item.",
            "itemId",
            "For whom to tell of an item: a mailing about a new season.",
        ),
        _affinity(
            "aws-item-attribute-affinity",
            "Users by how likely they interact with items that have certain attributes.",
            "itemAttributes",
            "For whom to tell of a kind of items: a campaign for a genre or a brand, as the Items dataset has them. "
            "Of a broad kind, such as a genre of films, the most active users are nearly as good a choice.",
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

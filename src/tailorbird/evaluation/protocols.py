"""How recipes of each type are measured before their metrics are shown: what is held out, what is asked, what counts.

A protocol takes the data and makes an evaluation of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tailorbird.evaluation import actions, beyond_accuracy, ranking, segments, trends
from tailorbird.recipes import popularity, recipe_types
from tailorbird.recipes.recipe import Interactions, Model, Query, Recipe, silent
from tailorbird.recipes.recipe_types import RecipeType

Metrics = dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A hold-out, and the metrics on it."""

    train: Interactions
    measure: Callable[[Model], Metrics]
    """Of a model that was trained on `train`."""
    baseline: Callable[[], Metrics]
    """The same metrics of what any recipe should beat."""
    extended: Callable[[Model], list[beyond_accuracy.Row]] = lambda model: []
    """Metrics beside AWS's own; none of segments and of actions."""
    queries: Sequence[Query] = ()
    """What a model is asked where lists are measured; users are asked about without their histories too."""


@dataclass(frozen=True)
class Subject:
    """What is measured, and on what."""

    recipe: Recipe
    settings: Any
    """Of the recipe's own type."""
    data: Interactions
    columns: Sequence[str]
    """Columns of the items that segments can be asked by."""
    seed: int


def of(recipe: Recipe, settings: Any, data: Interactions, columns: Sequence[str], seed: int) -> Evaluation:
    """Returns the evaluation of a recipe with its settings; `columns`: of the items, that segments can be asked by."""
    return PROTOCOLS[recipe.recipe_type](Subject(recipe, settings, data, columns, seed))


def users(subject: Subject) -> Evaluation:
    """Test users are asked about, and what they did next is looked for in a ranking of all items."""
    return _ranking(subject, lambda held_out: held_out)


def items(subject: Subject) -> Evaluation:
    """Items are asked about, and what else the test users did who had them is looked for."""
    return _ranking(subject, ranking.about_items)


def growth(subject: Subject) -> Evaluation:
    """As `users`, and the share of the growth that was foreseen."""
    recipe, settings, data, plain = subject.recipe, subject.settings, subject.data, users(subject)

    def foreseen(train: Callable[[Interactions], Model]) -> Metrics:
        return {trends.ACCURACY: trends.accuracy(train, data, settings.interval)}

    return replace(
        plain,
        measure=lambda model: plain.measure(model) | foreseen(lambda rows: recipe.train(rows, settings, silent)),
        baseline=lambda: (
            plain.baseline() | foreseen(lambda rows: popularity.train(rows, popularity.Settings(), silent))
        ),
    )


def users_of_items(subject: Subject) -> Evaluation:
    """Items are asked about, and who interacted with them is looked for."""
    return _segments(segments.split(subject.data, (), subject.seed))


def users_of_attributes(subject: Subject) -> Evaluation:
    """As `users_of_items`, of all items that have a value of a column."""
    return _segments(segments.split(subject.data, subject.columns, subject.seed))


def responses(subject: Subject) -> Evaluation:
    """Test users are asked about, and the actions that they took are looked for."""
    held_out = actions.split(subject.data, subject.seed)
    return Evaluation(
        held_out.train, lambda model: actions.measure(model, held_out), partial(actions.baseline, held_out)
    )


PROTOCOLS: Mapping[RecipeType, Callable[[Subject], Evaluation]] = {
    recipe_types.USER_PERSONALIZATION: users,
    recipe_types.POPULARITY: users,
    recipe_types.PERSONALIZED_RANKING: users,
    recipe_types.RELATED_ITEMS: items,
    recipe_types.POPULAR_ITEMS: growth,
    recipe_types.PERSONALIZED_ACTIONS: responses,
    recipe_types.ITEM_SEGMENTS: users_of_items,
    recipe_types.ATTRIBUTE_SEGMENTS: users_of_attributes,
}
"""Recipes of one protocol are asked alike."""


def _ranking(subject: Subject, questions: Callable[[ranking.RankingSplit], ranking.RankingSplit]) -> Evaluation:
    """Where a recipe does without interactions and there are none to ask about, only the coverage is measured."""
    data, optional = subject.data, not subject.recipe.needs_interactions
    if optional and len(data.users) < 2:
        return _coverage(data)
    held_out = questions(ranking.split(data, subject.seed))
    if optional and not held_out.queries:
        return _coverage(data)
    return Evaluation(
        held_out.train,
        lambda model: ranking.measure(model, held_out),
        partial(ranking.popularity_baseline, held_out),
        lambda model: beyond_accuracy.compare(model, held_out),
        held_out.queries,
    )


def _segments(held_out: segments.SegmentSplit) -> Evaluation:
    return Evaluation(
        held_out.train, lambda model: segments.measure(model, held_out), partial(segments.activity_baseline, held_out)
    )


def _coverage(data: Interactions) -> Evaluation:
    """The share of the catalogue that is related to any of its items; popular items would be `LIST_LENGTH` of them."""
    most_popular = {"coverage": round(min(1.0, ranking.LIST_LENGTH / len(data.items)), ranking.DIGITS)}
    return Evaluation(data, lambda model: {"coverage": ranking.coverage(model)}, lambda: most_popular)

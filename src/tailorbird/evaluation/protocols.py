"""Which exam a recipe sits before its metrics are shown: what it may train on, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tailorbird.evaluation import actions, beyond_accuracy, ranking, segments, trends
from tailorbird.recipes import popularity, trending
from tailorbird.recipes.recipe import Interactions, Model, Recipe, silent

Metrics = dict[str, float]


@dataclass(frozen=True)
class Exam:
    """A hold-out, and the metrics on it."""

    train: Interactions
    measure: Callable[[Model], Metrics]
    """Of a model that was trained on `train`."""
    baseline: Callable[[], Metrics]
    """The same metrics of what any recipe should beat."""
    extended: Callable[[Model], list[beyond_accuracy.Row]] = lambda model: []
    """Metrics beside AWS's own; none of segments and of actions."""


def of(recipe: Recipe, settings: Any, data: Interactions, columns: Sequence[str], seed: int) -> Exam:
    """Returns the exam of a recipe with its settings; `columns` of the items are what segments can be asked by."""
    if recipe.segments_by is not None:
        return _segments(data, columns if recipe.segments_by == "itemAttributes" else (), seed)
    if data.responses is not None:
        return _actions(data, seed)
    exam = _ranking(recipe, data, seed)
    return _with_trends(exam, settings, data) if isinstance(settings, trending.Settings) else exam


def _segments(data: Interactions, columns: Sequence[str], seed: int) -> Exam:
    cut = segments.split(data, columns, seed)
    baseline = partial(segments.activity_baseline, cut)
    return Exam(cut.train, lambda model: segments.measure(model, cut), baseline)


def _actions(data: Interactions, seed: int) -> Exam:
    cut = actions.split(data, seed)
    return Exam(cut.train, lambda model: actions.measure(model, cut), partial(actions.baseline, cut))


def _with_trends(exam: Exam, settings: trending.Settings, data: Interactions) -> Exam:
    """The metrics of the ranking, and the share of the growth that was foreseen."""
    interval = trending.SECONDS[settings.trend_discovery_frequency]

    def foreseen(train: Callable[[Interactions], Model]) -> Metrics:
        return {trends.ACCURACY: trends.accuracy(train, data, interval)}

    return Exam(
        exam.train,
        lambda model: exam.measure(model) | foreseen(lambda rows: trending.train(rows, settings, silent)),
        lambda: exam.baseline() | foreseen(lambda rows: popularity.train(rows, popularity.Settings(), silent)),
        exam.extended,
    )


def _ranking(recipe: Recipe, data: Interactions, seed: int) -> Exam:
    """Where a recipe does without interactions and there are none to ask about, only the coverage is measured."""
    if not recipe.needs_interactions and len(data.users) < 2:
        return _coverage(data)
    held_out = ranking.split(data, seed)
    if not recipe.needs_interactions and not ranking.questions(held_out, recipe.recipe_type)[0]:
        return _coverage(data)
    return Exam(
        held_out.train,
        lambda model: ranking.measure(model, held_out, recipe.recipe_type),
        partial(ranking.popularity_baseline, held_out, recipe.recipe_type),
        lambda model: beyond_accuracy.compare(model, held_out, recipe.recipe_type),
    )


def _coverage(data: Interactions) -> Exam:
    """The share of the catalogue that is related to any of its items; popular items would be `LIST_LENGTH` of them."""
    most_popular = {"coverage": round(min(1.0, ranking.LIST_LENGTH / len(data.items)), 4)}
    return Exam(data, lambda model: {"coverage": ranking.coverage(model)}, lambda: most_popular)

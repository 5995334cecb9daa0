"""Which exam a recipe sits before its metrics are shown: what it may train on, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tailorbird import evaluation, evaluation_segments
from tailorbird.recipes.recipe import Interactions, Model, Recipe

Metrics = dict[str, float]


@dataclass(frozen=True)
class Exam:
    """A hold-out, and the metrics on it."""

    train: Interactions
    measure: Callable[[Model], Metrics]
    """Of a model that was trained on `train`."""
    baseline: Callable[[], Metrics]
    """The same metrics of what any recipe should beat."""


def of(recipe: Recipe, data: Interactions, columns: Sequence[str], seed: int) -> Exam:
    """Returns the exam of a recipe; `columns` are those of the items that segments can be asked by."""
    if recipe.segments_by is not None:
        by = columns if recipe.segments_by == "itemAttributes" else ()
        cut = evaluation_segments.split(data, by, seed)
        baseline = partial(evaluation_segments.activity_baseline, cut)
        return Exam(cut.train, lambda model: evaluation_segments.measure(model, cut), baseline)
    held_out = evaluation.split(data, seed)
    return Exam(
        held_out.train,
        lambda model: evaluation.measure(model, held_out, recipe.recipe_type),
        partial(evaluation.popularity_baseline, held_out),
    )

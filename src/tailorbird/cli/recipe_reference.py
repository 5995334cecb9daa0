"""docs/reference/recipes.md, from the table of recipes and measured figures: `tailorbird reference --figures`.

The figures are what `python -m quality.recipes` wrote: see there for their shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tailorbird.evaluation.beyond_accuracy import COHORTS, METRICS, TWO_NDCGS
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.settings import Domain, Value, domains
from tailorbird.recipes.use_cases import USE_CASES

HEAD = """# Recipes

Made by `make reference` from the table of recipes and from the figures that `python -m quality.recipes` measured; do
not edit. A recipe is named in `recipeArn` as `arn:aws:personalize:::recipe/<name>`.
"""

MAPS = {"A": "algorithmHyperParameters", "F": "featureTransformationParameters"}

Figures = Mapping[str, Any]


def recipes(figures: str) -> str:
    """The page, as Markdown; `figures` is the text of docs/reference/recipes.json."""
    measured = msgspec.json.decode(figures)
    parts = [HEAD, *_data(measured)]
    for recipe in RECIPES.values():
        parts += _recipe(recipe, measured)
    return "\n".join([*parts, *_use_cases(), *_metrics()]) + "\n"


def _data(measured: Figures) -> Iterator[str]:
    yield "The figures below are measured on held-out users or rows as every training measures itself, with each"
    yield f"recipe's defaults and seed {measured['seed']}; in brackets the 95 % interval. The baseline is the most"
    yield "popular items on the same questions; of user segments it is the most active users. The data sets:\n"
    for name, words in measured["data"].items():
        yield f"- *{name}*: {words}"
    yield ""


def _recipe(recipe: Recipe, measured: Figures) -> Iterator[str]:
    yield f"## {recipe.name}\n"
    yield f"{recipe.description}\n"
    yield f"- **Type**: {recipe.recipe_type.name}{', not listed by ListRecipes' if recipe.retired else ''}"
    yield f"- **When**: {recipe.when}"
    yield f"- **Learns from**: {recipe.learns_from}"
    yield f"- **Source**: {recipe.paper}\n"
    if parameters := domains(recipe.settings):
        yield "| parameter | in | default | values | tuned by HPO |"
        yield "|---|---|---|---|---|"
        yield from (_parameter(name, *found) for name, found in parameters.items())
        yield ""
    yield from _figures(measured["recipes"].get(recipe.name, {}))
    for name, reason in measured["skipped"].get(recipe.name, {}).items():
        yield f"Not measured on {name}: {reason}\n"


def _parameter(name: str, default: Value, domain: Domain) -> str:
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"| {name} | {MAPS[domain.kind]} | {shown} | {domain} | {'yes' if domain.tunable else 'no'} |"


def _figures(by_data: Figures) -> Iterator[str]:
    for name, rows in by_data.items():
        yield f"| on {name} | model | baseline |"
        yield "|---|---|---|"
        yield from (
            f"| {row['name']} | {_with_interval(row['model'])} | {_with_interval(row['baseline'])} |" for row in rows
        )
        yield ""


def _with_interval(estimate: Figures) -> str:
    interval = f" ({estimate['lower']:.3f} to {estimate['upper']:.3f})" if "lower" in estimate else ""
    return f"{estimate['value']:.3f}{interval}"


def _use_cases() -> Iterator[str]:
    yield "## Use cases of the domains\n"
    yield "Recommenders have no models of their own: each use case is one of the recipes above.\n"
    yield "| use case | domain | recipe | learns from events | hides |"
    yield "|---|---|---|---|---|"
    for case in USE_CASES.values():
        hides = f"items with a {case.hides} of the user" if case.hides else ""
        yield f"| {case.name} | {case.domain} | {case.recipe.name} | {case.event_type or 'all'} | {hides} |"
    yield ""


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield "GetSolutionMetrics answers Amazon Personalize's metrics under its names. Beside them GetExtendedMetrics of"
    yield "our own service, and `tailorbird metrics ARN`, tell these, with a 95 % interval (normal, over the questions)"
    yield "and beside the most popular items on the same questions. User segments and actions have none of them."
    yield f"{TWO_NDCGS}\n"
    yield "| metric | says |"
    yield "|---|---|"
    yield from (f"| {name} | {words} |" for name, words in METRICS.items())
    yield "\n| cohort | whom it asks about |"
    yield "|---|---|"
    yield from (f"| {name} | {words} |" for name, words in COHORTS.items())

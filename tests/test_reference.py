"""The generated reference is current and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailorbird.api.operations import OPERATIONS
from tailorbird.cli import recipe_reference, reference, settings_reference
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.wire import model

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
FIGURES = (FOLDER / "recipes.json").read_text(encoding="utf-8")


def test_the_pages_are_current() -> None:
    pages = {
        "operations": reference.operations(),
        "recipes": recipe_reference.recipes(FIGURES),
        "settings": settings_reference.page(),
    }
    for name, page in pages.items():
        assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == page, "run make reference"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_is_described_and_measured(recipe: Recipe) -> None:
    assert recipe.when, "say when to use it"
    assert recipe.paper, "say where it is from"
    figures = json.loads(FIGURES)
    told = {*figures["recipes"].get(recipe.name, {}), *figures["skipped"].get(recipe.name, {})}
    assert told == set(figures["data"]), "run python -m quality.recipes docs/reference/recipes.json " + recipe.name


def beaten() -> Iterator[tuple[str, str]]:
    """Recipes, and what is better than them in a figure of the reference although it has learned nothing of anybody."""
    for name, sets in json.loads(FIGURES)["recipes"].items():
        for row in (row for rows in sets.values() for row in rows if row["name"] == "ndcg_at_10"):
            if row["model"]["upper"] < row["baseline"]["lower"]:
                yield name, "popular"
    for contestants in json.loads((FOLDER / "quality.json").read_text(encoding="utf-8")).values():
        judged, means = contestants[0]["name"], contestants[0]["means"]
        for word in ("popular", "random"):
            found = [other["means"] for other in contestants if other["name"] == word]
            if any(other[metric] > mean for other in found for metric, mean in means.items() if metric in other):
                yield judged, word


def test_a_recipe_says_what_beats_it() -> None:
    found = set(beaten())
    assert found
    assert {(name, word) for name, word in found if word not in RECIPES[name].when} == set()


def test_every_operation_has_a_row() -> None:
    rows = [line.split(" | ") for line in reference.operations().splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert sorted(name for name in names if name != "operation") == sorted(model.operations())


def test_differences_are_told_of_operations_that_are_here() -> None:
    functions = {name: operation.function for name, operation in model.operations().items()}
    assert {name for name in reference.DIFFERENCES if functions[name] not in OPERATIONS} == set()

"""Measures every recipe on two public data sets, for docs/reference/recipes.md.

    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m quality.recipes docs/reference/recipes.json [RECIPE ...]

Each recipe is trained with its defaults and measured as every training of the service measures itself, once: the seed
draws the hold-out. Recipes that are named are measured anew, without names all; the file keeps the others' figures.
Its shape: {"seed", "data": {set: words}, "recipes": {recipe: {set: [{"name", "model", "baseline"}]}}, "skipped":
{recipe: {set: reason}}}, where model and baseline are {"value"} or {"value", "lower", "upper"}.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quality.datasets import DATASETS
from tailorbird.data.interactions import Interactions
from tailorbird.evaluation import protocols, trends
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.recipe import NotEnoughData, Recipe, silent

Measured = tuple[dict[str, Any], dict[str, str]]
"""Figures by data set, and reasons why there are none by data set."""

SEED = 0
SETS = ("ml-100k", "online-retail")
SHOWN = ("ndcg_at_10", "recall_at_10", "hit_rate_at_10", "mean_reciprocal_rank_at_25", "coverage")
"""Of the extended metrics; recipes without those show all metrics of their evaluation."""
OWN = (trends.ACCURACY,)
"""Metrics of an evaluation that are shown besides."""


def main() -> None:
    """Reads the command line, measures, and writes the file after each recipe."""
    parser = argparse.ArgumentParser(prog="quality.recipes", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    arguments = parser.parse_args()
    folder = os.environ.get("TAILORBIRD_DATA")
    if not folder:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-100k.")
    sets = {name: DATASETS[name](Path(folder)) for name in SETS}
    kept = json.loads(arguments.file.read_text(encoding="utf-8")) if arguments.file.exists() else {}
    found: dict[str, Any] = {
        "seed": SEED,
        "data": {name: words(name, data) for name, data in sets.items()},
        "recipes": {name: rows for name, rows in kept.get("recipes", {}).items() if name in RECIPES},
        "skipped": {name: why for name, why in kept.get("skipped", {}).items() if name in RECIPES},
    }
    alike: dict[Any, Measured] = {}
    for name in arguments.recipes or RECIPES:
        recipe = RECIPES[name]
        # Names of one model that are asked alike share their figures.
        key = recipe.train, recipe.settings, protocols.PROTOCOLS[recipe.recipe_type]
        rows, why = alike[key] = alike.get(key) or measured(recipe, sets)
        found["recipes"][name], found["skipped"][name] = rows, why
        arguments.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def words(name: str, data: Interactions) -> str:
    """Describes a data set."""
    described = (DATASETS[name].__doc__ or "").strip()
    return f"{described} {len(data.user):,} interactions, {len(data.users):,} users, {len(data.items):,} items."


def measured(recipe: Recipe, sets: Mapping[str, Interactions]) -> Measured:
    """Returns the figures by data set, and why there are none of the others."""
    rows, why = {}, {}
    for name, data in sets.items():
        began = time.perf_counter()
        try:
            rows[name] = figures(recipe, data)
        except NotEnoughData as error:
            why[name] = str(error)
            print(f"{recipe.name} on {name}: skipped: {error}", flush=True)
            continue
        told = ", ".join(f"{row['name']} {row['model']['value']}" for row in rows[name])
        print(f"{recipe.name} on {name}: {time.perf_counter() - began:.0f} s: {told}", flush=True)
    return rows, why


def columns(data: Interactions) -> list[str]:
    """Returns the columns that segments are asked by here."""
    return [name for name, column in data.item_columns.items() if column.kind == "categorical"]


def figures(recipe: Recipe, data: Interactions) -> list[dict[str, Any]]:
    """Trains on the training part and returns what is shown; raises NotEnoughData where it cannot learn."""
    if recipe.recipe_type.responses and data.responses is None:
        raise NotEnoughData("the data have no actions.")
    if "itemAttributes" in recipe.recipe_type.line and not columns(data):
        raise NotEnoughData("the items have no categorical column.")
    settings = settings_of(recipe, {}, {}, SEED)
    evaluation = protocols.of(recipe, settings, data, columns(data), SEED)
    model = recipe.train(evaluation.train, settings, silent)
    extended = {row.name: row for row in evaluation.extended(model) if row.cohort == "all"}
    rows = {name: (asdict(extended[name].model), asdict(extended[name].popularity)) for name in SHOWN if extended}
    ours, theirs = evaluation.measure(model), evaluation.baseline()
    rows |= {name: ({"value": ours[name]}, {"value": theirs[name]}) for name in ours if name in OWN or not extended}
    return [{"name": name, "model": known(model), "baseline": known(other)} for name, (model, other) in rows.items()]


def known(estimate: Mapping[str, float | None]) -> dict[str, float]:
    """Leaves out the ends that an estimate does not have."""
    return {name: value for name, value in estimate.items() if value is not None}


if __name__ == "__main__":
    main()

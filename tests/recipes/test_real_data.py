"""The recipes on the workshop's own data: the figures Amazon printed are beaten. Needs TAILORBIRD_DATA.

aws-personalized-ranking is the model of aws-user-personalization, asked alike, and so not run again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quality import p4
from tailorbird import evaluation
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.recipe import silent

FOLDER = os.environ.get("TAILORBIRD_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="TAILORBIRD_DATA does not name the folder of the data sets")


@pytest.mark.parametrize("name", ["aws-user-personalization", "aws-sims"])
def test_printed_figures_are_beaten(name):
    data = p4.load(Path(FOLDER))
    recipe = RECIPES[name]
    results = []
    for seed in range(8):
        held_out = evaluation.split(data, seed)
        model = recipe.train(held_out.train, settings_of(recipe, {}, {}), silent)
        results.append(evaluation.measure(model, held_out, recipe.recipe_type))
    means = [sum(result[key] for result in results) / len(results) for key in p4.METRICS.values()]
    rows = list(zip(p4.METRICS, means, p4.PRINTED[name], strict=True))
    assert all(mean > printed for _, mean, printed in rows), rows

"""Recipes, algorithms and feature transformations as AWS shows them; they belong to the service, not to an account.

Algorithms and transformations are derived from the recipes' settings. The real service's bodies are not published
(spec recipes-and-runtime 2.3), so these have AWS's shape, names and defaults, and our values for the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tailorbird.api import lookup, standard
from tailorbird.evaluation import tuning
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.settings import Domain, Value, domains, text
from tailorbird.recipes.use_cases import USE_CASES, UseCase
from tailorbird.workspace import Workspace

ALGORITHM = "arn:aws:personalize:::algorithm/"
TRANSFORMATION = "arn:aws:personalize:::feature-transformation/"

# The date that AWS's own first recipes carry (spec recipes-and-runtime 2.3).
SINCE = datetime(2019, 6, 10, tzinfo=UTC).timestamp()
DATES = {"creationDateTime": SINCE, "lastUpdatedDateTime": SINCE}

# Unknown for the real service: what an HPO without hpoResourceConfig does here.
RESOURCE_CONFIG = {"maxNumberOfTrainingJobs": str(tuning.TRIALS), "maxParallelTrainingJobs": str(tuning.PARALLEL)}
TRAINING_INPUT_MODE = "File"
IMAGE = "tailorbird/{name}"
"""A required member of AWS's shape; recipes run in the server's own workers and no image is fetched."""


def _everything() -> dict[str, Recipe | UseCase]:
    return {**RECIPES, **USE_CASES}


def _model(recipe: Recipe | UseCase) -> Recipe:
    """What is trained."""
    return recipe.recipe if isinstance(recipe, UseCase) else recipe


def _algorithm(recipe: Recipe | UseCase) -> str:
    own = "" if isinstance(recipe, UseCase) else recipe.algorithm
    return own or recipe.name


def _transformation(recipe: Recipe | UseCase) -> str:
    return _model(recipe).feature_transformation or recipe.name


def _document(recipe: Recipe | UseCase) -> dict[str, Any]:
    document = {
        "name": recipe.name,
        "recipeArn": lookup.RECIPE + recipe.name,
        "algorithmArn": ALGORITHM + _algorithm(recipe),
        "featureTransformationArn": TRANSFORMATION + _transformation(recipe),
        "status": "ACTIVE",
        "description": recipe.description,
        "recipeType": recipe.recipe_type.name,
        **DATES,
    }
    return document | ({"domain": recipe.domain} if isinstance(recipe, UseCase) else {})


def describe_recipe(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """One recipe."""
    arn = request["recipeArn"]
    return {"recipe": _document(lookup.known(_everything(), lookup.name_of(arn, lookup.RECIPE, "recipe"), arn))}


def list_recipes(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """All recipes by name; those that AWS has retired only if the configuration shows them.

    With `domain` AWS filters after it has cut the pages, and client code reads the first page's nextToken
    unconditionally (spec clients, Training): by default there are two pages, the first of which may be empty.
    """
    hidden = workspace.config.hide_retired_recipes
    listed = [recipe for recipe in _everything().values() if not (hidden and _model(recipe).retired)]
    rows = sorted(map(_document, listed), key=lambda row: str(row["name"]))
    if "domain" not in request:
        return standard.page_of_rows("recipes", rows, request)
    page = standard.page_of_rows("recipes", rows, {"maxResults": -(-len(rows) // 2)} | request)
    return page | {"recipes": [row for row in page["recipes"] if row.get("domain") == request["domain"]]}


def describe_algorithm(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters with defaults and ranges, and whether HPO may tune them."""
    arn = request["algorithmArn"]
    models = {_algorithm(recipe): _model(recipe) for recipe in _everything().values()}
    name = lookup.name_of(arn, ALGORITHM, "algorithm")
    parameters = _parameters(lookup.known(models, name, arn), "A")
    return {
        "algorithm": {
            "name": name,
            "algorithmArn": arn,
            "algorithmImage": {"name": name, "dockerURI": IMAGE.format(name=name)},
            "defaultHyperParameters": {key: text(default) for key, (default, _) in parameters.items()},
            "defaultHyperParameterRanges": _ranges(parameters),
            "defaultResourceConfig": RESOURCE_CONFIG,
            "trainingInputMode": TRAINING_INPUT_MODE,
            **DATES,
        }
    }


def describe_feature_transformation(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Parameters of all recipes that share the transformation, with their defaults."""
    arn = request["featureTransformationArn"]
    defaults: dict[str, dict[str, str]] = {}
    for recipe in _everything().values():
        found = {key: text(default) for key, (default, _) in _parameters(_model(recipe), "F").items()}
        defaults.setdefault(_transformation(recipe), {}).update(found)
    name = lookup.name_of(arn, TRANSFORMATION, "feature transformation")
    return {
        "featureTransformation": {
            "name": name,
            "featureTransformationArn": arn,
            "defaultParameters": lookup.known(defaults, name, arn),
            "status": "ACTIVE",
            **DATES,
        }
    }


def _parameters(recipe: Recipe, kind: str) -> dict[str, tuple[Value, Domain]]:
    return {name: found for name, found in domains(recipe.settings).items() if found[1].kind == kind}


def _ranges(parameters: dict[str, tuple[Value, Domain]]) -> dict[str, list[dict[str, Any]]]:
    def of(kind: type) -> list[tuple[str, Domain]]:
        return [(name, domain) for name, (_, domain) in parameters.items() if domain.type is kind]

    def numeric(kind: type) -> list[dict[str, Any]]:
        return [
            {"name": name, "minValue": kind(domain.low), "maxValue": kind(domain.high), "isTunable": domain.tunable}
            for name, domain in of(kind)
        ]

    return {
        "integerHyperParameterRanges": numeric(int),
        "continuousHyperParameterRanges": numeric(float),
        "categoricalHyperParameterRanges": [
            {"name": name, "values": ["true", "false"], "isTunable": domain.tunable} for name, domain in of(bool)
        ],
    }


OPERATIONS = {
    f.__name__: f for f in (describe_recipe, list_recipes, describe_algorithm, describe_feature_transformation)
}

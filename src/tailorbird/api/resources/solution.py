"""Solutions: a recipe with its settings; ACTIVE from the first moment (spec clients, Asynchrony)."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle, lookup, solution_config, training_columns, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.api.training_columns import Columns
from tailorbird.errors import InvalidInputException
from tailorbird.recipes import recipe_names
from tailorbird.recipes.recipe import Recipe
from tailorbird.workspace import Workspace

RESOURCE = Resource(
    "Solution",
    arn="{name}",
    parents=("DatasetGroup",),
    dependents=(("Campaign", "solutionArn"), ("Campaign", "_nextSolutionArn")),
    owned=(
        ("SolutionVersion", "solutionArn"),
        ("BatchInferenceJob", "solutionArn"),
        ("BatchSegmentJob", "solutionArn"),
    ),
)

DEFAULTS = {
    "performHPO": False,
    "performAutoML": False,
    "performAutoTraining": True,
    "performIncrementalUpdate": False,
}

UPDATED = ("performAutoTraining", "performIncrementalUpdate")
"""What UpdateSolution replaces, besides parts of solutionConfig."""


@lifecycle.atomic
def create_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Checks the recipe and the whole configuration now, so that a training does not fail for them later."""
    automatic, config = request.get("performAutoML", False), request.get("solutionConfig", {})
    if automatic == ("recipeArn" in request):
        raise InvalidInputException(
            "Give exactly one of recipeArn, which ListRecipes shows, and performAutoML true, which chooses a recipe."
        )
    group = lifecycle.find(workspace, "DatasetGroup", request["datasetGroupArn"])["datasetGroupArn"]
    if automatic:
        solution_config.contest_of(config)
        solution_config.training_days(config)
        _check_incremental(None, request)
        columns: Columns = {}
    else:
        recipe = lookup.recipe(request["recipeArn"])
        solution_config.check(recipe, request)
        _check_incremental(recipe, request)
        where = "solutionConfig.trainingDataConfig"
        columns = training_columns.visible_columns(workspace, group, where, config.get("trainingDataConfig", {}))
        solution_config.check_objective(workspace, recipe, group, config, columns)
    return lifecycle.create(workspace, RESOURCE, DEFAULTS | {"solutionConfig": {}} | request, _columns=columns)


def describe_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The solution with a summary of its newest version, once it has one."""
    document = lifecycle.find(workspace, RESOURCE.name, request["solutionArn"])
    versions = lifecycle.related(workspace, "SolutionVersion", solutionArn=request["solutionArn"])
    shown = document | {"solutionConfig": solution_config.described_config(document["solutionConfig"])}
    return {"solution": shown | ({"latestSolutionVersion": versions[-1]} if versions else {})}


@lifecycle.atomic
def update_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Changes the rate of automatic training, which starts the schedule anew, or which events count (spec 3.3)."""
    arn, config = request["solutionArn"], request.get("solutionUpdateConfig", {})
    document = lifecycle.find(workspace, RESOURCE.name, arn)
    told = {member: request[member] for member in (*UPDATED, "solutionUpdateConfig") if member in request}
    if not told:
        raise InvalidInputException(f"Nothing to update: give one of {', '.join(UPDATED)}, solutionUpdateConfig.")
    recipe = lookup.recipe(document["recipeArn"]) if "recipeArn" in document else None
    _check_incremental(recipe, request)
    solution_config.check_events(recipe, config)
    solution_config.training_days(config)
    changed = document["solutionConfig"] | config
    solution_config.rules_of(document.get("eventType"), changed)
    then = {member: request[member] for member in UPDATED if member in request}
    then |= {"solutionConfig": changed, "_lookAgain": None}
    if "autoTrainingConfig" in config:
        then["_scheduledFrom"] = workspace.clock()
    transitions.begin_update(workspace, arn, "latestSolutionUpdate", told, then)
    return {"solutionArn": arn}


def _check_incremental(recipe: Recipe | None, request: dict[str, Any]) -> None:
    if request.get("performIncrementalUpdate") and not (recipe and recipe.updates_items):
        able = recipe_names(lambda each: each.updates_items)
        raise InvalidInputException(f"performIncrementalUpdate is for {able} only: leave it out.")


OPERATIONS = {
    "create_solution": create_solution,
    "describe_solution": describe_solution,
    "update_solution": update_solution,
}

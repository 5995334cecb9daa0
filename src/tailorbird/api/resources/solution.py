"""Solutions: a recipe with its settings; ACTIVE from the first moment (spec clients, Asynchrony)."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import recipe as recipes
from tailorbird.errors import InvalidInputException
from tailorbird.recipes import settings_of
from tailorbird.workspace import Workspace

RESOURCE = Resource(
    "Solution",
    arn="solution/{name}",
    parents=("datasetGroupArn",),
    dependents=(("Campaign", "solutionArn"),),
    owned=(("SolutionVersion", "solutionArn"), ("BatchInferenceJob", "solutionArn")),
)

DEFAULTS = {
    "performHPO": False,
    "performAutoML": False,
    "performAutoTraining": True,
    "performIncrementalUpdate": False,
}

# Parts of AWS's request that this version cannot honour yet; it says so rather than train something else.
NOT_YET = ("hpoConfig", "autoMLConfig", "optimizationObjective", "eventsConfig", "trainingDataConfig")


def create_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Checks the recipe and every hyperparameter now, so that a training does not fail for them later."""
    if request.get("performAutoML") or request.get("performHPO"):
        raise InvalidInputException(
            "performAutoML and performHPO are not available yet: name a recipe, leave them out."
        )
    if "recipeArn" not in request:
        raise InvalidInputException("recipeArn is required: choose one that ListRecipes shows.")
    config = request.get("solutionConfig", {})
    for member in NOT_YET:
        if config.get(member):
            raise InvalidInputException(f"solutionConfig.{member} is not available yet: leave it out.")
    settings_of(
        recipes.of_arn(request["recipeArn"]),
        config.get("algorithmHyperParameters", {}),
        config.get("featureTransformationParameters", {}),
    )
    threshold(config)
    return lifecycle.create(workspace, RESOURCE, DEFAULTS | {"solutionConfig": {}} | request)


def threshold(config: dict[str, Any]) -> float | None:
    """EventValueThreshold as a number; AWS sends it as text. Raises InvalidInput."""
    text = config.get("eventValueThreshold")
    try:
        return None if text in (None, "") else float(text)
    except ValueError as error:
        raise InvalidInputException(f"solutionConfig.eventValueThreshold {text!r} is not a number.") from error


def describe_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The solution with a summary of its newest version, once it has one."""
    document = lifecycle.find(workspace, RESOURCE, request["solutionArn"])
    versions = lifecycle.related(workspace, "SolutionVersion", solutionArn=request["solutionArn"])
    return {"solution": document | ({"latestSolutionVersion": versions[-1]} if versions else {})}


OPERATIONS = {"create_solution": create_solution, "describe_solution": describe_solution}

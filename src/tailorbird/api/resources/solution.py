"""Solutions: a recipe with its settings; ACTIVE from the first moment (spec clients, Asynchrony)."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import recipe as recipes
from tailorbird.errors import InvalidInputException
from tailorbird.recipes import settings_of
from tailorbird.workspace import Workspace

RESOURCE = Resource(
    "Solution",
    arn="solution/{name}",
    parents=("datasetGroupArn",),
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
"""What UpdateSolution replaces, besides the rate."""

DEFAULT_RATE = "rate(7 days)"
MOST_DAYS = 30

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
    _check_training(request, config, request["recipeArn"])
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


def update_solution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Turns automatic training on or off or changes its rate, which starts the schedule anew (spec 3.3)."""
    arn, config = request["solutionArn"], request.get("solutionUpdateConfig", {})
    document = lifecycle.find(workspace, RESOURCE, arn)
    told = {member: request[member] for member in (*UPDATED, "solutionUpdateConfig") if member in request}
    if not told:
        raise InvalidInputException(f"Nothing to update: give one of {', '.join(UPDATED)}, solutionUpdateConfig.")
    if config.get("eventsConfig"):
        raise InvalidInputException("solutionUpdateConfig.eventsConfig is not available yet: leave it out.")
    _check_training(request, config, document["recipeArn"])
    then = {member: request[member] for member in UPDATED if member in request}
    if "autoTrainingConfig" in config:
        rate = {"autoTrainingConfig": config["autoTrainingConfig"]}
        then |= {"solutionConfig": document["solutionConfig"] | rate, "_scheduledFrom": workspace.clock()}
    then["_lookAgain"] = None
    transitions.begin_update(workspace, arn, "latestSolutionUpdate", told, then)
    return {"solutionArn": arn}


def _check_training(request: dict[str, Any], config: dict[str, Any], recipe: str) -> None:
    if request.get("performIncrementalUpdate") and not recipes.of_arn(recipe).updates_items:
        raise InvalidInputException("performIncrementalUpdate is for aws-semantic-similarity only: leave it out.")
    training_days(config)


def training_days(config: dict[str, Any]) -> int:
    """Days from the start of one automatic training to the next, 1 to 30; raises InvalidInput."""
    rate = config.get("autoTrainingConfig", {}).get("schedulingExpression", DEFAULT_RATE)
    days = int(rate.removeprefix("rate(").split()[0])
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInputException(f"autoTrainingConfig.schedulingExpression {rate!r}: choose 1 to {MOST_DAYS} days.")
    return days


OPERATIONS = {
    "create_solution": create_solution,
    "describe_solution": describe_solution,
    "update_solution": update_solution,
}

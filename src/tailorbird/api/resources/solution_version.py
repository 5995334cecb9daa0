"""Solution versions: the training job, its metrics and its artifact, which never changes once it is there."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle, lookup, solution_config, standard, trainings, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.data import training
from tailorbird.errors import InvalidInputException, ResourceAlreadyExistsException, ResourceInUseException
from tailorbird.recipes import recipe_names, settings_of
from tailorbird.recipes.recipe import Progress
from tailorbird.recipes.settings import text
from tailorbird.serving import models
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

# What a version takes over from its solution at creation.
INHERITED = (
    "datasetGroupArn",
    "eventType",
    "performAutoML",
    "performHPO",
    "performIncrementalUpdate",
    "recipeArn",
    "solutionConfig",
    "_columns",
)

OF_MODEL = ("recipeArn", "tunedHPOParams", "_metrics", "_data")
"""What an UPDATE takes over from the version it starts from."""


def train(workspace: Workspace, document: Document, progress: Progress) -> Document:
    """Trains what the version inherited from its solution; with AutoML the solution learns which recipe won.

    An UPDATE trains nothing: it is an earlier version with newer items.
    """
    if document["trainingMode"] == trainings.UPDATE:
        return _update(workspace, document)
    automatic = document["performAutoML"]
    order = _contest(workspace, document) if automatic else _order(workspace, document)
    outcome = trainings.train(workspace, order, progress)
    found: Document = {
        "trainingHours": outcome.hours,
        "_metrics": outcome.metrics,
        "_data": outcome.data,
        "_warnings": outcome.warnings,
    }
    if outcome.tuned:
        tuned = {name: text(value) for name, value in outcome.tuned.items()}
        found["tunedHPOParams"] = {"algorithmHyperParameters": tuned}
    if automatic:
        found["recipeArn"] = lookup.RECIPE + outcome.recipe.name
        result = {"autoMLResult": {"bestRecipeArn": found["recipeArn"]}}
        workspace.catalogue.update(document["solutionArn"], lambda solution: solution | result)
    return found


def _order(workspace: Workspace, document: Document) -> trainings.Order:
    """What the solution's recipe and configuration ask for."""
    recipe, config = lookup.recipe(document["recipeArn"]), document["solutionConfig"]
    wanted = config.get("optimizationObjective")
    return trainings.Order(
        artifact=document["solutionVersionArn"],
        group_arn=document["datasetGroupArn"],
        recipe=recipe,
        settings=settings_of(
            recipe,
            config.get("algorithmHyperParameters", {}),
            config.get("featureTransformationParameters", {}),
            seed=workspace.config.seed,
        ),
        selection=training.Selection(solution_config.rules_of(document.get("eventType"), config), document["_columns"]),
        updates_items=document["performIncrementalUpdate"],
        objective=trainings.Objective(wanted["itemAttribute"], wanted["objectiveSensitivity"]) if wanted else None,
        search=solution_config.search_of(recipe, document["performHPO"], config),
    )


def _contest(workspace: Workspace, document: Document) -> trainings.Order:
    """AutoML: the competing recipes with their defaults; the rest of solutionConfig is ignored (spec 2.1)."""
    rivals, metric = solution_config.contest_of(document["solutionConfig"])
    first, *others = ((recipe, settings_of(recipe, {}, {}, seed=workspace.config.seed)) for recipe in rivals)
    return trainings.Order(
        artifact=document["solutionVersionArn"],
        group_arn=document["datasetGroupArn"],
        recipe=first[0],
        settings=first[1],
        selection=training.Selection(solution_config.rules_of(document.get("eventType"), {})),
        contest=trainings.Contest((first, *others), metric),
        search=solution_config.search_of(first[0], document["performHPO"], {}),
    )


def _update(workspace: Workspace, document: Document) -> Document:
    """The model of the newest FULL version, with items and exposures as of now; its metrics are that model's."""
    began = workspace.clock()
    full = lookup.trained_version(workspace, document["_updates"])
    source = full["solutionVersionArn"]
    served = models.open_model(workspace, source)
    with workspace.artifacts.publish_again(document["solutionVersionArn"], source) as artifact:
        trainings.add_pool(workspace, artifact.pools, full, served)
    hours = trainings.hours(workspace.clock() - began)
    members = [member for member in OF_MODEL if member in full]
    return {"trainingHours": hours} | {member: full[member] for member in members}


def _dispose(workspace: Workspace, document: Document) -> None:
    workspace.artifacts.remove(document["solutionVersionArn"])


RESOURCE = Resource(
    "SolutionVersion",
    arn="{solutionName}/{hexId}",
    deletable=False,
    parents=("Solution",),
    job=train,
    dispose=_dispose,
)


def create_solution_version(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Copies the solution's settings, so that the version says for ever what it was made of."""
    mode = request.get("trainingMode", trainings.FULL)
    if mode not in (trainings.FULL, trainings.UPDATE):
        raise InvalidInputException(
            f"trainingMode {mode} is for automatic training: ask for {trainings.FULL} or {trainings.UPDATE}."
        )
    return begin(workspace, request, "MANUAL")


@lifecycle.atomic
def begin(workspace: Workspace, request: dict[str, Any], training_type: str) -> Document:
    """A new version of request["solutionArn"]; `training_type` is MANUAL or AUTOMATIC."""
    solution = lifecycle.find(workspace, "Solution", request["solutionArn"])
    lifecycle.refuse_while(workspace, trainings.RACING, datasetGroupArn=solution["datasetGroupArn"])
    if "name" in request:
        _check_name(workspace, request["name"])
    inherited = {member: solution[member] for member in INHERITED if member in solution}
    hex_id = lifecycle.hex_id()
    return lifecycle.create(
        workspace,
        RESOURCE,
        {"name": f"{solution['name']}/{hex_id}", "trainingMode": trainings.FULL} | request,
        **inherited,
        **_base(workspace, solution, request.get("trainingMode", trainings.FULL)),
        trainingType=training_type,
        solutionName=solution["name"],
        hexId=hex_id,
    )


def _check_name(workspace: Workspace, name: str) -> None:
    """Raises ResourceAlreadyExists: a name is unique among all versions, though no ARN holds it."""
    for other in lifecycle.related(workspace, RESOURCE.name, name=name):
        raise ResourceAlreadyExistsException(
            f"There is a solution version with the name {name} already: {other['solutionVersionArn']}"
        )


def _base(workspace: Workspace, solution: Document, mode: str) -> Document:
    """What the document of an UPDATE says of the version it starts from; raises InvalidInput where there is none."""
    if mode == trainings.FULL:
        return {}
    full = lookup.newest_version(workspace, solution["solutionArn"], trainingMode=trainings.FULL)
    recipe = lookup.recipe((full or solution)["recipeArn"])
    if "MANUAL" not in recipe.updates:
        able = recipe_names(lambda each: "MANUAL" in each.updates)
        raise InvalidInputException(f"trainingMode {mode} is for {able}, not for {recipe.name}: use {trainings.FULL}.")
    if full is None:
        raise InvalidInputException(
            f"trainingMode {mode} needs an ACTIVE version of trainingMode {trainings.FULL}, which "
            f"{solution['solutionArn']} does not have: create one first."
        )
    return {"_updates": full["solutionVersionArn"]}


@lifecycle.atomic
def stop_solution_version_creation(workspace: Workspace, request: dict[str, Any]) -> None:
    """A waiting training is stopped at once, a running one within seconds (spec recipes-and-runtime 2.2).

    Its worker notices at its next report of progress; one that reports none in time is ended by the dispatcher.
    """
    arn = request["solutionVersionArn"]
    lifecycle.find(workspace, RESOURCE.name, arn)

    def change(document: Document) -> Document:
        now = workspace.clock()
        if document["status"] == lifecycle.PENDING:
            return document | {"status": lifecycle.STOPPED, "lastUpdatedDateTime": now}
        if document["status"] != lifecycle.IN_PROGRESS:
            raise ResourceInUseException(
                f"{arn} has status {document['status']}; only CREATE PENDING and CREATE IN_PROGRESS can be stopped."
            )
        end = transitions.timed_changes(now, transitions.STOP_SECONDS, {"status": lifecycle.STOPPED})
        return document | {"status": lifecycle.STOPPING, "lastUpdatedDateTime": now} | end

    workspace.catalogue.update(arn, change)


def get_solution_metrics(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics of spec recipes-and-runtime 3; while the version is not ACTIVE, ResourceInUse."""
    arn = request["solutionVersionArn"]
    document = lifecycle.find(workspace, RESOURCE.name, arn)
    if document["status"] != lifecycle.ACTIVE:
        raise ResourceInUseException(f"{arn} has status {document['status']}; metrics are there once it is ACTIVE.")
    return {"solutionVersionArn": arn, "metrics": document["_metrics"]["model"]}


def list_solution_versions(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The only list that raises ResourceNotFound for a parent that does not exist (spec control-plane 3.2)."""
    chosen = standard.meant(request)
    if "solutionArn" in chosen:
        lifecycle.find(workspace, "Solution", chosen["solutionArn"])
    return standard.page_of_documents(RESOURCE, workspace, chosen)


OPERATIONS = {
    "create_solution_version": create_solution_version,
    "get_solution_metrics": get_solution_metrics,
    "stop_solution_version_creation": stop_solution_version_creation,
    "list_solution_versions": list_solution_versions,
}

"""Solution versions: the training job, its metrics and its artifact, which never changes once it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

from tailorbird import evaluation
from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import dataset
from tailorbird.api.resources import recipe as recipes
from tailorbird.api.resources import solution as solutions
from tailorbird.data import history, training
from tailorbird.errors import InvalidInputException, ResourceInUseException
from tailorbird.recipes import settings_of
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
)


def _part(progress: Callable[[float, str], None], start: float, end: float, text: str) -> Callable[[float, str], None]:
    """A view of `progress` for a step that is only the part from `start` to `end` of the whole job."""
    return lambda share, detail: progress(start + (end - start) * share, f"{text}: {detail}")


def train(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Measures the recipe on held-out users, then trains it on everyone and writes the artifact."""
    began = workspace.clock()
    interactions = dataset.of_group(workspace, document["datasetGroupArn"], "INTERACTIONS")
    if interactions is None:
        raise JobFailed("The dataset group has no Interactions dataset: create one and import data into it.")
    items = dataset.of_group(workspace, document["datasetGroupArn"], "ITEMS")
    recipe = recipes.of_arn(document["recipeArn"])
    config = document["solutionConfig"]
    settings = settings_of(
        recipe,
        config.get("algorithmHyperParameters", {}),
        config.get("featureTransformationParameters", {}),
        seed=workspace.config.seed,
    )
    if racing := lifecycle.unfinished(workspace, ("DataDeletionJob",), datasetGroupArn=document["datasetGroupArn"]):
        raise JobFailed(racing)
    progress(0.0, "reading the data")
    try:
        snapshot = training.load(workspace, interactions, items, document.get("eventType"), solutions.threshold(config))
    except training.NotEnoughData as error:
        raise JobFailed(str(error)) from error
    held_out = evaluation.split(snapshot.interactions, workspace.config.seed)
    candidate = recipe.train(held_out.train, settings, _part(progress, 0.02, 0.48, "training for the metrics"))
    metrics = {
        "model": evaluation.measure(candidate, held_out, recipe.recipe_type),
        "popularity": evaluation.popularity_baseline(held_out),
    }
    model = recipe.train(snapshot.interactions, settings, _part(progress, 0.5, 0.96, "training on everyone"))
    progress(0.97, "writing the artifact")
    with models.publish(models.folder_of(workspace, document["solutionVersionArn"])) as folder:
        history.save(snapshot.interactions, models.part(folder, "history"))
        model.save(models.part(folder, "model"))
        manifest = models.Manifest(recipe.name, snapshot.newest_event, document.get("eventType"))
        models.write_manifest(folder, manifest)
    hours = (workspace.clock() - began) * (os.cpu_count() or 1) / 3600
    return {"trainingHours": max(0.001, round(hours, 3)), "_metrics": metrics}


def _dispose(workspace: Workspace, document: Document) -> None:
    shutil.rmtree(models.folder_of(workspace, document["solutionVersionArn"]), ignore_errors=True)


RESOURCE = Resource(
    "SolutionVersion",
    arn="solution/{solutionName}/{hexId}",
    parents=("solutionArn",),
    job=train,
    dispose=_dispose,
)


def create_solution_version(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Copies the solution's settings, so that the version says for ever what it was made of."""
    if request.get("trainingMode", "FULL") != "FULL":
        raise InvalidInputException("trainingMode can only be FULL for now: leave it out.")
    solution = lifecycle.find(workspace, solutions.RESOURCE, request["solutionArn"])
    lifecycle.refuse_while(workspace, ("DataDeletionJob",), datasetGroupArn=solution["datasetGroupArn"])
    inherited = {member: solution[member] for member in INHERITED if member in solution}
    hex_id = lifecycle.hex_id()
    return lifecycle.create(
        workspace,
        RESOURCE,
        {"name": f"{solution['name']}/{hex_id}", "trainingMode": "FULL"} | request,
        **inherited,
        trainingType="MANUAL",
        solutionName=solution["name"],
        hexId=hex_id,
    )


def trained(workspace: Workspace, arn: str) -> Document:
    """The version, provided it is ACTIVE; raises ResourceInUse while it trains, InvalidInput where it failed."""
    lifecycle.find(workspace, RESOURCE, arn)
    return lifecycle.active(workspace, arn)


def get_solution_metrics(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics of spec recipes-and-runtime 3; while the version is not ACTIVE, ResourceInUse."""
    arn = request["solutionVersionArn"]
    document = lifecycle.find(workspace, RESOURCE, arn)
    if document["status"] != lifecycle.ACTIVE:
        raise ResourceInUseException(f"{arn} has status {document['status']}; metrics are there once it is ACTIVE.")
    return {"solutionVersionArn": arn, "metrics": document["_metrics"]["model"]}


OPERATIONS = {
    "create_solution_version": create_solution_version,
    "get_solution_metrics": get_solution_metrics,
}

"""Recommenders: a domain's use case, trained and in service in one (spec recipes-and-runtime 1.5)."""

from __future__ import annotations

import dataclasses
from typing import Any

from tailorbird.api import lifecycle, lookup, serving_config, training_columns, trainings, transitions
from tailorbird.api.lifecycle import ACTIVE, DELETING, INACTIVE, Resource
from tailorbird.api.training_columns import Columns
from tailorbird.data import training
from tailorbird.data.event_rules import EventRule
from tailorbird.errors import InvalidInputException
from tailorbird.evaluation import trends
from tailorbird.recipes import settings_of
from tailorbird.recipes.recipe import Progress
from tailorbird.recipes.use_cases import UseCase
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

TRAINED_ON = "trainingDataConfig"


def train(workspace: Workspace, document: Document, progress: Progress) -> Document:
    """Trains the use case's recipe with its defaults, on the use case's event type.

    Recommenders show the eight metrics that all have, also for trends (spec recipes-and-runtime 3.2).
    """
    case = lookup.use_case(document["recipeArn"])
    recipe = case.recipe
    order = trainings.Order(
        artifact=document["_artifact"],
        group_arn=document["datasetGroupArn"],
        recipe=recipe,
        settings=dataclasses.replace(settings_of(recipe, {}, {}, seed=workspace.config.seed), **case.settings),
        selection=training.Selection(
            (EventRule(case.event_type),) if case.event_type else (),
            document["_columns"],
            again="delete the recommender and create it again",
        ),
    )
    outcome = trainings.train(workspace, order, progress)
    shown = {name: value for name, value in outcome.metrics["model"].items() if name != trends.ACCURACY}
    return {
        "modelMetrics": shown,
        "_metrics": outcome.metrics,
        "_data": outcome.data,
        "_warnings": outcome.warnings,
    }


def _dispose(workspace: Workspace, document: Document) -> None:
    """All its models, and the records of its retrainings."""
    workspace.artifacts.remove(document["recommenderArn"])
    for _, other in workspace.catalogue.select("RecommenderTraining", {"recommenderArn": document["recommenderArn"]}):
        workspace.catalogue.delete(other["recommenderTrainingArn"])


RESOURCE = Resource(
    "Recommender",
    arn="{name}",
    parents=("DatasetGroup",),
    job=train,
    dispose=_dispose,
)


@lifecycle.atomic
def create_recommender(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Refuses what the group or this version cannot do; too few data show as failureReason of the training."""
    group = lifecycle.find(workspace, "DatasetGroup", request["datasetGroupArn"])
    case = lookup.use_case(request["recipeArn"])
    if group.get("domain") != case.domain:
        raise InvalidInputException(
            f"{case.name} is a use case of the domain {case.domain}; the dataset group "
            + (f"has the domain {group['domain']}." if "domain" in group else "is a custom one, without a domain.")
        )
    if case.needs_items and lookup.dataset_of(workspace, request["datasetGroupArn"], "ITEMS") is None:
        raise InvalidInputException(f"{case.name} needs an Items dataset: create one in the dataset group first.")
    _check_config(request.get("recommenderConfig", {}), case)
    columns = _columns(workspace, request["datasetGroupArn"], request.get("recommenderConfig", {}))
    lifecycle.refuse_while(workspace, trainings.RACING, datasetGroupArn=request["datasetGroupArn"])
    # A name may come again after a deletion, but what is cached under an artifact never changes.
    artifact = f"{workspace.arn_prefix}recommender/{request['name']}/{lifecycle.hex_id()}"
    return lifecycle.create(workspace, RESOURCE, request, _artifact=artifact, _columns=columns)


def describe_recommender(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Without metrics while it is being deleted (spec recipes-and-runtime 1.5)."""
    document = lifecycle.find(workspace, RESOURCE.name, request["recommenderArn"])
    hidden = {"modelMetrics"} if document["status"] in DELETING else set()
    return {"recommender": {name: value for name, value in document.items() if name not in hidden}}


@lifecycle.atomic
def update_recommender(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidInput for a configuration that is there already, as AWS does (spec control-plane 8).

    Other columns to learn from take effect with the next training.
    """
    arn, config = request["recommenderArn"], request["recommenderConfig"]
    document = lifecycle.find(workspace, RESOURCE.name, arn)
    _check_config(config, lookup.use_case(document["recipeArn"]))
    if config == document.get("recommenderConfig", {}):
        raise InvalidInputException(f"{arn} has this recommenderConfig already: change it, or do without the update.")
    told = then = {"recommenderConfig": config}
    if config.get(TRAINED_ON, {}) != document.get("recommenderConfig", {}).get(TRAINED_ON, {}):
        then = told | {"_columns": _columns(workspace, document["datasetGroupArn"], config)}
    transitions.begin_update(workspace, arn, "latestRecommenderUpdate", told, then, allowed=(ACTIVE, INACTIVE))
    return {"recommenderArn": arn}


def stop_recommender(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """An INACTIVE recommender answers nothing and keeps its model."""
    return _move(workspace, request["recommenderArn"], ACTIVE, "STOP PENDING", "STOP IN_PROGRESS", INACTIVE)


def start_recommender(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Puts it into service again, with the model it had."""
    return _move(workspace, request["recommenderArn"], INACTIVE, "START PENDING", "START IN_PROGRESS", ACTIVE)


def _move(workspace: Workspace, arn: str, allowed: str, *statuses: str) -> dict[str, Any]:
    lifecycle.find(workspace, RESOURCE.name, arn)
    told, *changes = ({"status": status} for status in statuses)
    transitions.begin(workspace, arn, told, *changes, allowed=(allowed,))
    return {"recommenderArn": arn}


def _check_config(config: dict[str, Any], case: UseCase) -> None:
    serving_config.check("recommenderConfig", config, case.name, case.recipe.explores)


def _columns(workspace: Workspace, group_arn: str, config: dict[str, Any]) -> Columns:
    where = f"recommenderConfig.{TRAINED_ON}"
    return training_columns.visible_columns(workspace, group_arn, where, config.get(TRAINED_ON, {}))


OPERATIONS = {
    f.__name__: f
    for f in (create_recommender, describe_recommender, update_recommender, stop_recommender, start_recommender)
}

"""One training: read the data, measure on held-out users, train on everyone, write the artifact.

Solution versions and recommenders both train here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tailorbird import exams
from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import JobFailed
from tailorbird.api.resources import dataset
from tailorbird.data import actions, datasets, history, training
from tailorbird.filters import item_attributes
from tailorbird.recipes.matrices import keep_items
from tailorbird.recipes.recipe import Interactions, NotEnoughData, Recipe, Responses
from tailorbird.serving import models
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

RACING = ("DataDeletionJob",)
"""Jobs of the dataset group that a training must not meet."""


@dataclass(frozen=True)
class Order:
    """What is to be trained."""

    artifact: str
    """The ARN that the model's files are kept under."""
    group_arn: str
    recipe: Recipe
    settings: Any
    """Of the recipe's own type, see `recipes.settings_of`."""
    selection: training.Selection = training.Selection()
    """Which of the data to learn from."""


@dataclass(frozen=True)
class Outcome:
    """What a training leaves besides the model."""

    hours: float
    """Hours of computing, three decimals, never 0: clients divide by it (spec clients, Training)."""
    metrics: dict[str, dict[str, float]]
    """Those of the model, and of popularity (of segments: the most active users) on the same split."""
    data: Document
    """Which data it saw, as `data_stamp` says it."""


def _part(progress: Callable[[float, str], None], start: float, end: float, text: str) -> Callable[[float, str], None]:
    """A view of `progress` for a step that is only the part from `start` to `end` of the whole job."""
    return lambda share, detail: progress(start + (end - start) * share, f"{text}: {detail}")


def train(workspace: Workspace, order: Order, progress: Callable[[float, str], None]) -> Outcome:
    """Carries out the order; raises JobFailed where the data do not suffice."""
    try:
        return _train(workspace, order, progress)
    except NotEnoughData as error:
        raise JobFailed(str(error)) from error


def _train(workspace: Workspace, order: Order, progress: Callable[[float, str], None]) -> Outcome:
    began = workspace.clock()
    if racing := lifecycle.unfinished(workspace, RACING, datasetGroupArn=order.group_arn):
        raise JobFailed(racing)
    interactions = dataset.of_group(workspace, order.group_arn, "INTERACTIONS")
    if interactions is None:
        raise JobFailed("The dataset group has no Interactions dataset: create one and import data into it.")
    items, users = (dataset.of_group(workspace, order.group_arn, kind) for kind in ("ITEMS", "USERS"))
    seen = data_stamp(workspace, order.group_arn)
    progress(0.0, "reading the data")
    selection = replace(order.selection, features=order.recipe.features)
    snapshot = training.load(workspace, interactions, items, users, selection)
    recipe, settings = order.recipe, order.settings
    columns = item_attributes.columns(items.schema) if items else ()
    if recipe.segments_by == "itemAttributes" and not columns:
        raise JobFailed(f"{recipe.name} needs an Items dataset with a numeric or categorical column.")
    data = keep_items(snapshot.interactions, recipe.most_items)
    if recipe.recipe_type == "PERSONALIZED_ACTIONS":
        data = replace(data, responses=_responses(workspace, order, data))
    exam = exams.of(recipe, settings, data, columns, workspace.config.seed)
    candidate = recipe.train(exam.train, settings, _part(progress, 0.02, 0.48, "training for the metrics"))
    metrics = {"model": exam.measure(candidate), "popularity": exam.baseline()}
    model = recipe.train(data, settings, _part(progress, 0.5, 0.96, "training on everyone"))
    progress(0.97, "writing the artifact")
    with models.publish(models.folder_of(workspace, order.artifact)) as folder:
        history.save(data, models.part(folder, "history"))
        model.save(models.part(folder, "model"))
        models.write_manifest(folder, models.Manifest(recipe.name, snapshot.newest_event, order.selection.event_type))
    hours = (workspace.clock() - began) * (os.cpu_count() or 1) / 3600
    return Outcome(max(0.001, round(hours, 3)), metrics, seen)


def _responses(workspace: Workspace, order: Order, data: Interactions) -> Responses:
    """What users did with the group's actions; raises JobFailed where it has none."""
    found = {kind: dataset.of_group(workspace, order.group_arn, kind) for kind in ("ACTIONS", "ACTION_INTERACTIONS")}
    if found["ACTIONS"] is None:
        raise JobFailed(f"{order.recipe.name} needs an Actions dataset: create one and import actions into it.")
    responses = actions.responses(workspace, found["ACTIONS"], found["ACTION_INTERACTIONS"], data)
    if not len(responses.actions):
        raise JobFailed(f"{order.recipe.name} needs actions: import some into the Actions dataset.")
    return responses


def data_stamp(workspace: Workspace, group_arn: str) -> Document:
    """What tells whether the group got new data: the stamp of each dataset that a training reads, by its type."""
    found = {kind: dataset.of_group(workspace, group_arn, kind) for kind in ("INTERACTIONS", "ITEMS")}
    # As lists, which a document gives back as they were.
    return {kind: list(datasets.stamp(workspace, each)) for kind, each in found.items() if each}

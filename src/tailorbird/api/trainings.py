"""One training: read the data, measure on held-out users, train on everyone, write the artifact.

Solution versions and recommenders both train here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorbird.api import lifecycle, lookup, solution_config
from tailorbird.api.lifecycle import JobFailed
from tailorbird.data import actions, datasets, event_rules, exploration_pool, history, training
from tailorbird.data.datasets import Dataset
from tailorbird.data.training import Snapshot
from tailorbird.evaluation import beyond_accuracy, protocols, tuning
from tailorbird.filters import item_attributes
from tailorbird.ingest import time_checkup
from tailorbird.numbers import counted
from tailorbird.recipes import objective
from tailorbird.recipes.recipe import ActionResponses, Interactions, Model, NotEnoughData, Progress, Recipe, part
from tailorbird.recipes.settings import Value
from tailorbird.serving import exploration_pools
from tailorbird.serving.models import ServedModel
from tailorbird.storage.artifacts import ExplorationPools, ModelManifest
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

FULL, UPDATE = "FULL", "UPDATE"
"""Training modes; automatic versions are FULL too (AUTOTRAIN, which AWS does not explain, is never answered)."""
RACING = ("DataDeletionJob",)
"""Jobs of the dataset group that a training must not meet."""
READ, CHOSEN, TUNED, TRAINED = 0.02, 0.3, 0.6, 0.96
"""Shares of a training at which its steps have ended, for those who watch: guesses, nothing depends on them."""
NO_INTERACTIONS = "The dataset group has no Interactions dataset: create one and import data into it."


@dataclass(frozen=True)
class Objective:
    """What lists are steered towards, see `recipes.objective`."""

    attribute: str
    sensitivity: str


@dataclass(frozen=True)
class Contest:
    """Recipes with their settings, and the metric by which the best is chosen."""

    rivals: Sequence[tuple[Recipe, Any]]
    metric: str


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
    updates_items: bool = False
    """Whether the model in service is to take up new and changed items (performIncrementalUpdate)."""
    objective: Objective | None = None
    search: tuning.Search | None = None
    """The hyperparameters to tune first."""
    contest: Contest | None = None
    """The recipes of which the best takes the place of `recipe`."""


@dataclass(frozen=True)
class Outcome:
    """What a training leaves besides the model."""

    hours: float
    """Hours of computing, three decimals, never 0: clients divide by it (spec clients, Training)."""
    metrics: dict[str, dict[str, float]]
    """Those of the model, and of popularity (of segments: the most active users) on the same split."""
    data: Document
    """Which data it saw, as `data_stamp` says it."""
    recipe: Recipe
    tuned: Mapping[str, Value]
    """The hyperparameters that HPO found; empty without one."""
    warnings: list[str]
    """What is odd about the data, each with what was made of it."""


def train(workspace: Workspace, order: Order, progress: Progress) -> Outcome:
    """Carries out the order; raises JobFailed where the data do not suffice."""
    try:
        return _train(workspace, order, progress)
    except NotEnoughData as error:
        raise JobFailed(str(error)) from error


def _train(workspace: Workspace, order: Order, progress: Progress) -> Outcome:
    began = workspace.clock()
    if racing := lifecycle.unfinished(workspace, RACING, datasetGroupArn=order.group_arn):
        raise JobFailed(racing)
    seen = data_stamp(workspace, order.group_arn)
    progress(0.0, "reading the data")
    items = lookup.dataset_of(workspace, order.group_arn, "ITEMS")
    snapshot = _snapshot(workspace, order, items)
    data = snapshot.interactions
    order, tuned, done = _choice(order, data, workspace.config.seed, progress)
    recipe, settings = order.recipe, order.settings
    half = (done + TRAINED) / 2
    watch = part(progress, done, half, "training for the metrics")
    metrics, extended = _metrics(order, data, _segment_columns(order, items, data), workspace.config.seed, watch)
    model = _steered(order, data, recipe.train(data, settings, part(progress, half, TRAINED, "training on everyone")))
    progress(TRAINED, "writing the artifact")
    learned = event_rules.written(order.selection.events)
    manifest = ModelManifest(recipe.name, snapshot.newest_event, learned, order.updates_items)
    with workspace.artifacts.publish(order.artifact, manifest, extended) as artifact:
        history.save(data, artifact.history)
        model.save(artifact.model)
        if recipe.updates:
            selection = replace(order.selection, most_items=recipe.most_items)
            _add_pool(workspace, artifact.pools, order.group_arn, data.items, selection)
    return Outcome(hours(workspace.clock() - began), metrics, seen, recipe, tuned, _warnings(data))


def _warnings(data: Interactions) -> list[str]:
    """Of interactions that were recorded too, which no import's report tells of."""
    ahead = 0 if data.stated is None else np.count_nonzero(data.stated != data.timestamp)
    return (
        [
            f"{counted(int(ahead), 'interaction has', 'interactions have')} "
            f"a TIMESTAMP in the future: {time_checkup.FUTURE['TIMESTAMP']}"
        ]
        if ahead
        else []
    )


def hours(seconds: float) -> float:
    """The trainingHours of a job that took so long; never 0, since clients divide by it (spec clients)."""
    return max(0.001, round(seconds * (os.cpu_count() or 1) / 3600, 3))


def add_pool(workspace: Workspace, pools: ExplorationPools, document: Document, served: ServedModel) -> None:
    """Adds the items as of now, and their exposures, to a model's pools.

    document: of the solution version or recommender that the model was trained for.
    """
    selection = training.Selection(served.events, document["_columns"], most_items=served.recipe.most_items)
    _add_pool(workspace, pools, document["datasetGroupArn"], served.model.items, selection)


def _add_pool(
    workspace: Workspace,
    pools: ExplorationPools,
    group_arn: str,
    known: NDArray[np.str_],
    selection: training.Selection,
) -> None:
    interactions, items = (lookup.dataset_of(workspace, group_arn, kind) for kind in ("INTERACTIONS", "ITEMS"))
    if interactions is None:
        raise JobFailed(NO_INTERACTIONS)
    found = exploration_pool.gather(workspace, interactions, items, known, selection)
    with pools.add() as folder:
        exploration_pools.save(found, len(known), folder)


def _snapshot(workspace: Workspace, order: Order, items: Dataset | None) -> Snapshot:
    """What the recipe, or every recipe of the contest, learns from."""
    interactions, users = (lookup.dataset_of(workspace, order.group_arn, kind) for kind in ("INTERACTIONS", "USERS"))
    if interactions is None and order.recipe.needs_interactions:
        raise JobFailed(NO_INTERACTIONS)
    if order.recipe.needs_text:
        _check_text(order.recipe, items)
    interactions = interactions or datasets.no_interactions(order.group_arn)
    recipes = [recipe for recipe, _ in order.contest.rivals] if order.contest else [order.recipe]
    selection = replace(
        order.selection,
        features=any(recipe.features for recipe in recipes),
        most_items=max(recipe.most_items for recipe in recipes),
        floors=order.recipe.needs_interactions,
    )
    snapshot = training.load(workspace, interactions, items, users, selection)
    data = snapshot.interactions
    if order.recipe.recipe_type.responses:
        data = replace(data, responses=_responses(workspace, order, data))
    if order.objective is not None:
        data = replace(data, reward=_reward(order.objective, data, items))
    return replace(snapshot, interactions=data)


def _reward(wanted: Objective, data: Interactions, items: Dataset | None) -> NDArray[np.float32]:
    """(item) The attribute's value, NaN for items without a record; raises JobFailed where it cannot be one."""
    if items is None:
        raise JobFailed("optimizationObjective: the dataset group has no Items dataset; create one and import items.")
    if problem := solution_config.unfit(items.schema, wanted.attribute):
        raise JobFailed(f"optimizationObjective.itemAttribute: {problem}")
    values = data.item_columns[wanted.attribute.upper()].values
    return np.array([np.nan if value is None else value for value in values], np.float32)


def _choice(
    order: Order, data: Interactions, seed: int, progress: Progress
) -> tuple[Order, Mapping[str, Value], float]:
    """The order with its recipe and hyperparameters chosen, the ones that were tuned, and the share of the job done."""
    done, tuned = READ, dict[str, Value]()
    if order.contest is not None:
        step, done = part(progress, done, CHOSEN, "AutoML"), CHOSEN
        recipe, settings = tuning.choose(order.contest.rivals, data, order.contest.metric, seed, step)
        order = replace(order, recipe=recipe, settings=settings)
    if order.search is not None:
        step, done = part(progress, done, TUNED, "HPO"), TUNED
        tuned = tuning.tune(order.recipe, order.settings, data, order.search, seed, step)
        order = replace(order, settings=replace(order.settings, **tuned))
    return order, tuned, done


def _segment_columns(order: Order, items: Dataset | None, data: Interactions) -> tuple[str, ...]:
    """The columns that queries of segments can name, of those that the training sees; raises JobFailed."""
    columns = item_attributes.columns(items.schema) if items else ()
    seen = tuple(column for column in columns if order.selection.sees("ITEMS", column))
    if "itemAttributes" in order.recipe.recipe_type.line and not seen:
        raise JobFailed(f"{order.recipe.name} needs an Items dataset with a numeric or categorical column.")
    values = (data.item_columns[column].values.tolist() for column in seen if column in data.item_columns)
    if "itemAttributes" in order.recipe.recipe_type.line and not any(_says_something(column) for column in values):
        raise JobFailed(
            f"{order.recipe.name} makes segments by {', '.join(seen)}, and no item has a value there: import items "
            "with such values, then create another solution version."
        )
    return seen


def _says_something(column: Sequence[object]) -> bool:
    return any(value is not None for value in column)


def _metrics(
    order: Order, data: Interactions, columns: Sequence[str], seed: int, progress: Progress
) -> tuple[dict[str, dict[str, float]], list[beyond_accuracy.Row]]:
    """AWS's metrics and those beside them of a model that was trained without the test users and is not needed again.

    columns: of the items, that segments can be asked by.
    """
    evaluation = protocols.of(order.recipe, order.settings, data, columns, seed)
    train = evaluation.train
    model = _steered(order, train, order.recipe.candidate(train, order.settings, progress, evaluation.queries))
    return {"model": evaluation.measure(model), "popularity": evaluation.baseline()}, evaluation.extended(model)


def _steered(order: Order, data: Interactions, model: Model) -> Model:
    """The model itself, or with the order's objective."""
    if order.objective is None or data.reward is None:
        return model
    return objective.steer(model, data.reward, order.objective.sensitivity)


def _check_text(recipe: Recipe, items: Dataset | None) -> None:
    """Raises JobFailed where no names and texts can be there (spec recipes-and-runtime 1.4)."""
    fields = items.schema.fields if items else ()
    if not any(field.item_name for field in fields) or not any(field.textual for field in fields):
        raise JobFailed(
            f"{recipe.name} needs an Items dataset whose schema has a string field with "
            '"itemName": true and one with "textual": true.'
        )


def _responses(workspace: Workspace, order: Order, data: Interactions) -> ActionResponses:
    """What users did with the group's actions; raises JobFailed where it has none."""
    found = {kind: lookup.dataset_of(workspace, order.group_arn, kind) for kind in ("ACTIONS", "ACTION_INTERACTIONS")}
    if found["ACTIONS"] is None:
        raise JobFailed(f"{order.recipe.name} needs an Actions dataset: create one and import actions into it.")
    responses = actions.responses(workspace, found["ACTIONS"], found["ACTION_INTERACTIONS"], data)
    if not len(responses.actions):
        raise JobFailed(f"{order.recipe.name} needs actions: import some into the Actions dataset.")
    return responses


def data_stamp(workspace: Workspace, group_arn: str) -> Document:
    """What tells whether the group got new data: the stamp of each dataset that a training reads, by its type."""
    found = {kind: lookup.dataset_of(workspace, group_arn, kind) for kind in ("INTERACTIONS", "ITEMS")}
    # As lists, which a document gives back as they were.
    return {kind: list(datasets.stamp(workspace, each)) for kind, each in found.items() if each}

"""An installation in a folder of a bench, whose jobs are done in the process that asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.config import load
from tailorbird.jobs import worker
from tailorbird.recipes.matrices import keep_users
from tailorbird.recipes.recipe import Interactions, Progress
from tailorbird.recipes.scorers import transformer_training
from tailorbird.recipes.scorers.transformer import Transformer
from tailorbird.recipes.scorers.transformer_training import TransformerPlan
from tailorbird.workspace import Workspace, open_workspace

ROLE = "arn:aws:iam::123456789012:role/any"
TYPES: dict[str, Any] = {"TIMESTAMP": "long", "YEAR": ["null", "long"], "GENRES": ["null", "string"]}
"""Of columns that are no texts."""
BRIEF_ROWS = 20_000
"""Rows, by whole users, that a network sees of a brief training: seconds of work, and the weights are no zeros."""


def installed(place: Path) -> Workspace:
    """The installation in the folder `data` of a place, which may read files of the place."""
    return open_workspace(load({}, data_dir=place / "data", file_roots=(place,), executor="inline"))


def call(workspace: Workspace, function: str, **request: Any) -> dict[str, Any]:
    """One operation, as the server would carry it out."""
    return OPERATIONS[function](workspace, request) or {}


def work(workspace: Workspace) -> None:
    """Does the waiting jobs in this process; raises RuntimeError where one fails."""
    for arn, kind, _ in workspace.catalogue.with_status(["CREATE PENDING"]):
        worker.work(workspace, RESOURCES[kind], arn)
        ended = workspace.catalogue.get(arn) or {}
        if ended["status"] != "ACTIVE":
            raise RuntimeError(f"{arn}: {ended.get('failureReason')}")


def schema(kind: str, columns: Sequence[str]) -> str:
    """The schema of a dataset with these columns."""
    fields: list[dict[str, Any]] = [
        {"name": column, "type": TYPES.get(column, "string")} | ({"categorical": True} if column == "GENRES" else {})
        for column in columns
    ]
    return json.dumps({"type": "record", "name": kind.title(), "fields": fields, "version": "1.0"})


def take_in(workspace: Workspace, files: Mapping[str, Path], name: str = "shop") -> str:
    """Imports CSV files, one a dataset type, and returns the new dataset group's ARN."""
    group: str = call(workspace, "create_dataset_group", name=name)["datasetGroupArn"]
    for kind, file in files.items():
        with file.open() as opened:
            columns = opened.readline().strip().replace('"', "").split(",")
        named = f"{name}-{kind.lower()}"
        told = call(workspace, "create_schema", name=named, schema=schema(kind, columns))
        dataset = call(
            workspace,
            "create_dataset",
            datasetGroupArn=group,
            schemaArn=told["schemaArn"],
            name=named,
            datasetType=kind,
        )["datasetArn"]
        source = {"dataLocation": file.as_uri()}
        call(workspace, "create_dataset_import_job", jobName=named, datasetArn=dataset, roleArn=ROLE, dataSource=source)
        work(workspace)
    return group


def train(workspace: Workspace, group: str, recipe: str) -> str:
    """Trains a recipe and returns the solution version's ARN."""
    names = {"name": recipe, "recipeArn": f"arn:aws:personalize:::recipe/{recipe}"}
    solution = call(workspace, "create_solution", datasetGroupArn=group, **names)["solutionArn"]
    version: str = call(workspace, "create_solution_version", solutionArn=solution)["solutionVersionArn"]
    work(workspace)
    return version


def serve(workspace: Workspace, name: str, version: str) -> str:
    """Makes a campaign of a solution version and returns its ARN."""
    arn: str = call(workspace, "create_campaign", name=name, solutionVersionArn=version)["campaignArn"]
    work(workspace)
    return arn


def filter_by(workspace: Workspace, group: str, name: str, expression: str) -> str:
    """Creates a filter and returns its ARN."""
    named = {"name": name, "filterExpression": expression}
    arn: str = call(workspace, "create_filter", datasetGroupArn=group, **named)["filterArn"]
    work(workspace)
    return arn


def track(workspace: Workspace, group: str) -> str:
    """Creates an event tracker and returns its tracking id."""
    told: str = call(workspace, "create_event_tracker", name="events", datasetGroupArn=group)["trackingId"]
    return told


@contextmanager
def brief() -> Iterator[None]:
    """Trains networks in this process on some users, once; the plan that decides a model's shape stays as it is."""
    whole = transformer_training.train

    def train(data: Interactions, held_out: Interactions, plan: TransformerPlan, progress: Progress) -> Transformer:
        rows = np.bincount(data.user, minlength=len(data.users))
        seen = keep_users(data, np.cumsum(rows) <= max(BRIEF_ROWS, rows[0]))
        return whole(seen, held_out, replace(plan, epochs=1), progress)

    with mock.patch.object(transformer_training, "train", train):
        yield

"""An installation in a folder of a bench, whose jobs are done in the process that asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving import generated
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.config import load
from tailorbird.jobs import worker
from tailorbird.workspace import Workspace, open_workspace

ROLE = "arn:aws:iam::123456789012:role/any"


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


def take_in(workspace: Workspace, file: Path) -> None:
    """Imports a CSV file of interactions."""
    schema = call(workspace, "create_schema", name="clicks", schema=generated.SCHEMA)["schemaArn"]
    group = call(workspace, "create_dataset_group", name="shop")["datasetGroupArn"]
    names = {"name": "clicks", "datasetType": "INTERACTIONS"}
    dataset = call(workspace, "create_dataset", datasetGroupArn=group, schemaArn=schema, **names)["datasetArn"]
    source = {"dataLocation": f"file://{file}"}
    call(workspace, "create_dataset_import_job", jobName="all", datasetArn=dataset, roleArn=ROLE, dataSource=source)
    work(workspace)

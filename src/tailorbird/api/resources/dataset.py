"""Datasets: one of each type in a group; the ARN is made of the group's name and the type."""

from __future__ import annotations

import uuid
from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import dataset_group
from tailorbird.api.resources import schema as schemas
from tailorbird.data import schema as avro
from tailorbird.data.datasets import Dataset
from tailorbird.errors import InvalidInputException, ResourceAlreadyExistsException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

TYPES = avro.DATASET_TYPES

# The dataset that AWS once made beside each event tracker; older clean-up code deletes it by this word.
TRACKER_DATASET = "/EVENT_INTERACTIONS"


def _dispose(workspace: Workspace, document: Document) -> None:
    workspace.tables.drop(document["datasetArn"])
    workspace.live.drop(document["datasetArn"])


RESOURCE = Resource(
    "Dataset",
    arn="dataset/{group}/{datasetType}",
    parents=("datasetGroupArn",),
    owned=(("DatasetImportJob", "datasetArn"), ("DatasetExportJob", "datasetArn")),
    dispose=_dispose,
)


def create_dataset(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Checks that the schema fits the type; raises ResourceAlreadyExists for a second one of a type."""
    kind = avro.dataset_type(request["datasetType"])
    group = lifecycle.active(workspace, request["datasetGroupArn"])
    schema = lifecycle.find(workspace, schemas.RESOURCE, request["schemaArn"])
    if schema.get("domain") != group.get("domain"):
        raise InvalidInputException(
            f"The schema's domain ({schema.get('domain')}) is not the dataset group's ({group.get('domain')})."
        )
    avro.check_dataset_type(avro.parse(schema["schema"], schema.get("domain")), kind)
    if lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=request["datasetGroupArn"], datasetType=kind):
        raise ResourceAlreadyExistsException(f"The dataset group has a dataset of type {kind} already.")
    # Action interactions have a tracker of their own, which shows only here (spec control-plane 8, 14).
    tracker = {"trackingId": str(uuid.uuid4())} if kind == "ACTION_INTERACTIONS" else {}
    return lifecycle.create(workspace, RESOURCE, request | {"datasetType": kind}, group=group["name"], **tracker)


def delete_dataset(workspace: Workspace, request: dict[str, Any]) -> None:
    """Refused while rows are being imported, exported or deleted, or a model is trained (spec control-plane 2.3)."""
    arn = request["datasetArn"]
    if arn.endswith(TRACKER_DATASET):
        group = arn.removesuffix(TRACKER_DATASET).replace(":dataset/", ":dataset-group/")
        lifecycle.find(workspace, dataset_group.RESOURCE, group)
        return
    document = lifecycle.find(workspace, RESOURCE, arn)
    lifecycle.refuse_while(workspace, ("DatasetImportJob", "DatasetExportJob"), datasetArn=arn)
    lifecycle.refuse_while(
        workspace, ("SolutionVersion", "DataDeletionJob"), datasetGroupArn=document["datasetGroupArn"]
    )
    lifecycle.delete(workspace, RESOURCE, arn)


def of_group(workspace: Workspace, group_arn: str, kind: str) -> Dataset | None:
    """The group's dataset of a type (upper case), if it has one."""
    found = lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=group_arn, datasetType=kind)
    return opened(workspace, found[0]) if found else None


def opened(workspace: Workspace, document: Document) -> Dataset:
    """The dataset of a document, with its schema."""
    schema = lifecycle.find(workspace, schemas.RESOURCE, document["schemaArn"])
    return Dataset(document["datasetArn"], avro.parse(schema["schema"], schema.get("domain")))


OPERATIONS = {"create_dataset": create_dataset, "delete_dataset": delete_dataset}

"""Datasets: one of each type in a group; the ARN is made of the group's name and the type."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from tailorbird.api import lifecycle, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import dataset_group
from tailorbird.api.resources import schema as schemas
from tailorbird.data import schema as avro
from tailorbird.data.datasets import Dataset
from tailorbird.errors import DamagedFile, InvalidInputException, ResourceAlreadyExistsException
from tailorbird.storage.catalogue import Document
from tailorbird.storage.manifests import key_of
from tailorbird.workspace import Workspace

TYPES = avro.DATASET_TYPES
TRAININGS = ("SolutionVersion", "Recommender", "RecommenderTraining")
"""Kinds of resources whose jobs learn from a group's datasets."""
REPLACEABLE = ("ITEMS", "USERS")
"""Types of dataset whose schema UpdateDataset can replace."""
UPDATE_PENDING = "UPDATE PENDING"
UPDATE_IN_PROGRESS = "UPDATE IN_PROGRESS"

# The dataset that AWS once made beside each event tracker; older clean-up code deletes it by this word.
TRACKER_DATASET = "/EVENT_INTERACTIONS"


def place_of(document: Document) -> str:
    """Under which name the stores keep the rows of a dataset."""
    return key_of(document["datasetArn"], document.get("_incarnation", ""))


def _dispose(workspace: Workspace, document: Document) -> None:
    workspace.tables.drop(place_of(document))
    workspace.live.drop(place_of(document))


RESOURCE = Resource(
    "Dataset",
    arn="dataset/{group}/{datasetType}",
    parents=(dataset_group.RESOURCE,),
    owned=(("DatasetImportJob", "datasetArn"), ("DatasetExportJob", "datasetArn")),
    dispose=_dispose,
)


@lifecycle.atomic
def create_dataset(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Checks that the schema fits the type; raises ResourceAlreadyExists for a second one of a type."""
    kind = avro.dataset_type(request["datasetType"])
    group = lifecycle.active(workspace, dataset_group.RESOURCE, request["datasetGroupArn"])
    schema = lifecycle.find(workspace, schemas.RESOURCE, request["schemaArn"])
    _check_domain(schema, group)
    avro.check_dataset_type(avro.parse(schema["schema"], schema.get("domain")), kind)
    if lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=request["datasetGroupArn"], datasetType=kind):
        raise ResourceAlreadyExistsException(f"The dataset group has a dataset of type {kind} already.")
    # Action interactions have a tracker of their own, which shows only here (spec control-plane 8, 14).
    tracker = {"trackingId": str(uuid.uuid4())} if kind == "ACTION_INTERACTIONS" else {}
    request = request | {"datasetType": kind}
    return lifecycle.create(
        workspace, RESOURCE, request, group=group["name"], _incarnation=lifecycle.hex_id(), **tracker
    )


@lifecycle.atomic
def update_dataset(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Gives an Items or Users dataset a schema with more fields; its rows read null there (spec 4.3)."""
    arn, schema_arn = request["datasetArn"], request["schemaArn"]
    document = lifecycle.find(workspace, RESOURCE, arn)
    if document["datasetType"] not in REPLACEABLE:
        raise InvalidInputException(
            f"The schema of {document['datasetType']} cannot be replaced, only that of {' or '.join(REPLACEABLE)}."
        )
    old = opened(workspace, document).schema
    found = lifecycle.find(workspace, schemas.RESOURCE, schema_arn)
    group = lifecycle.find(workspace, dataset_group.RESOURCE, document["datasetGroupArn"])
    _check_domain(found, group)
    new = avro.parse(found["schema"], found.get("domain"))
    avro.check_dataset_type(new, document["datasetType"])
    avro.check_replacement(old, new)
    start, seconds = workspace.clock(), workspace.config.update_seconds
    update = {"schemaArn": schema_arn, "status": lifecycle.ACTIVE, "creationDateTime": start}
    end = {"status": lifecycle.ACTIVE, "schemaArn": schema_arn, "_nextSchemaArn": None}
    transitions.begin(
        workspace,
        arn,
        {"status": UPDATE_PENDING, "_nextSchemaArn": schema_arn},
        {"status": UPDATE_IN_PROGRESS},
        end | {"latestDatasetUpdate": update | {"lastUpdatedDateTime": start + seconds}},
        allowed=(lifecycle.ACTIVE,),
    )
    return {"datasetArn": arn}


def _check_domain(schema: Document, group: Document) -> None:
    if schema.get("domain") != group.get("domain"):
        raise InvalidInputException(
            f"The schema's domain ({schema.get('domain')}) is not the dataset group's ({group.get('domain')})."
        )


@lifecycle.atomic
def delete_dataset(workspace: Workspace, request: dict[str, Any]) -> None:
    """Refused while rows are being imported, exported or deleted, or a model is trained (spec control-plane 2.3)."""
    arn = request["datasetArn"]
    if arn.endswith(TRACKER_DATASET):
        group = arn.removesuffix(TRACKER_DATASET).replace(":dataset/", ":dataset-group/")
        lifecycle.find(workspace, dataset_group.RESOURCE, group)
        return
    document = lifecycle.find(workspace, RESOURCE, arn)
    lifecycle.refuse_while(workspace, ("DatasetImportJob", "DatasetExportJob"), datasetArn=arn)
    lifecycle.refuse_while(workspace, (*TRAININGS, "DataDeletionJob"), datasetGroupArn=document["datasetGroupArn"])
    lifecycle.delete(workspace, RESOURCE, arn)


def of_group(workspace: Workspace, group_arn: str, kind: str) -> Dataset | None:
    """The group's dataset of a type (upper case), if it has one."""
    found = lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=group_arn, datasetType=kind)
    return opened(workspace, found[0]) if found else None


def opened(workspace: Workspace, document: Document) -> Dataset:
    """The dataset of a document, with its schema; raises DamagedFile where imported rows are gone."""
    _refuse_loss(workspace, document)
    schema = lifecycle.find(workspace, schemas.RESOURCE, document["schemaArn"])
    parsed = avro.parse(schema["schema"], schema.get("domain"))
    return Dataset(document["datasetArn"], parsed, document.get("_incarnation", ""))


def _refuse_loss(workspace: Workspace, document: Document) -> None:
    where, arn = place_of(document), document["datasetArn"]
    if workspace.tables.has(where):
        return
    imports = lifecycle.related(workspace, "DatasetImportJob", datasetArn=arn)
    now = workspace.catalogue.get(arn, RESOURCE.name)  # it may have been deleted meanwhile
    here = now is not None and now["status"] not in lifecycle.DELETING and place_of(now) == where
    if here and any(job["status"] == lifecycle.ACTIVE for job in imports):
        workspace.tables.refuse_loss(where)


def damages(workspace: Workspace, failed: Callable[[DamagedFile], None]) -> None:
    """Tells of each dataset whose table cannot be read at all; its segments are not looked at."""
    for _, document in workspace.catalogue.select(RESOURCE.name, failed=workspace.faults.failed):
        try:
            _refuse_loss(workspace.at_arn(document["datasetArn"]), document)
            workspace.tables.moved(place_of(document))
        except DamagedFile as error:
            failed(error)


def is_here(workspace: Workspace, target: Dataset) -> bool:
    """Whether the dataset is neither deleted nor being deleted, nor another of the same ARN in its place."""
    document = workspace.catalogue.get(target.arn, RESOURCE.name)
    return (
        document is not None
        and document["status"] not in lifecycle.DELETING
        and document.get("_incarnation", "") == target.incarnation
    )


def waiting(workspace: Workspace) -> dict[str, int]:
    """How many recorded events of each dataset are in the live store, by its ARN."""
    counts = workspace.live.waiting()
    documents = workspace.catalogue.select(RESOURCE.name, failed=workspace.faults.failed) if counts else []
    return {each["datasetArn"]: counts[where] for _, each in documents if (where := place_of(each)) in counts}


def drop_orphans(workspace: Workspace) -> None:
    """Forgets events that were recorded while their dataset was being deleted, and were never acknowledged."""
    # In this order: a dataset is there before its first event is.
    found = workspace.live.waiting()
    known = {place_of(document) for _, document in workspace.catalogue.select(RESOURCE.name)}
    for orphan in found.keys() - known:
        workspace.live.drop(orphan)


def location(request: Document) -> str:
    """Where the CSV files of an import or a data deletion lie; raises InvalidInput where `dataSource` does not say."""
    if "dataLocation" not in request["dataSource"]:
        raise InvalidInputException("dataSource.dataLocation is required: a CSV file, or a folder ending with a slash.")
    return str(request["dataSource"]["dataLocation"])


OPERATIONS = {"create_dataset": create_dataset, "update_dataset": update_dataset, "delete_dataset": delete_dataset}

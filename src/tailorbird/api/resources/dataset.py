"""Datasets: one of each type in a group; the ARN is made of the group's name and the type."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from tailorbird.api import lifecycle, lookup, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.data import schema as avro
from tailorbird.errors import DamagedFile, InvalidInputException, ResourceAlreadyExistsException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

TRAININGS = ("SolutionVersion", "Recommender", "RecommenderTraining")
"""Kinds of resources whose jobs learn from a group's datasets."""
REPLACEABLE = ("ITEMS", "USERS")
"""Types of dataset whose schema UpdateDataset can replace."""
UPDATE_PENDING = "UPDATE PENDING"
UPDATE_IN_PROGRESS = "UPDATE IN_PROGRESS"

# The dataset that AWS once made beside each event tracker; older clean-up code deletes it by this word.
TRACKER_DATASET = "/EVENT_INTERACTIONS"


def _dispose(workspace: Workspace, document: Document) -> None:
    workspace.tables.drop(lookup.place_of(document))
    workspace.live.drop(lookup.place_of(document))


RESOURCE = Resource(
    "Dataset",
    arn="{group}/{datasetType}",
    parents=("DatasetGroup",),
    owned=(("DatasetImportJob", "datasetArn"), ("DatasetExportJob", "datasetArn")),
    dispose=_dispose,
)


@lifecycle.atomic
def create_dataset(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Checks that the schema fits the type; raises ResourceAlreadyExists for a second one of a type."""
    kind = avro.dataset_type(request["datasetType"])
    group = lifecycle.active(workspace, "DatasetGroup", request["datasetGroupArn"])
    schema = lifecycle.find(workspace, "Schema", request["schemaArn"])
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
    document = lifecycle.find(workspace, RESOURCE.name, arn)
    if document["datasetType"] not in REPLACEABLE:
        raise InvalidInputException(
            f"The schema of {document['datasetType']} cannot be replaced, only that of {' or '.join(REPLACEABLE)}."
        )
    old = lookup.dataset(workspace, document).schema
    found = lifecycle.find(workspace, "Schema", schema_arn)
    group = lifecycle.find(workspace, "DatasetGroup", document["datasetGroupArn"])
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
        lifecycle.find(workspace, "DatasetGroup", group)
        return
    document = lifecycle.find(workspace, RESOURCE.name, arn)
    lifecycle.refuse_while(workspace, ("DatasetImportJob", "DatasetExportJob"), datasetArn=arn)
    lifecycle.refuse_while(workspace, (*TRAININGS, "DataDeletionJob"), datasetGroupArn=document["datasetGroupArn"])
    lifecycle.delete(workspace, RESOURCE, arn)


def damages(workspace: Workspace, failed: Callable[[DamagedFile], None]) -> None:
    """Tells of each dataset whose table cannot be read at all; its parts are not looked at."""
    for _, document in workspace.catalogue.select(RESOURCE.name, failed=workspace.faults.failed):
        try:
            lookup.refuse_loss(workspace.at_arn(document["datasetArn"]), document)
            workspace.tables.moved(lookup.place_of(document))
        except DamagedFile as error:
            failed(error)


def waiting(workspace: Workspace) -> dict[str, int]:
    """How many recorded events of each dataset are in the live store, by its ARN."""
    counts = workspace.live.waiting()
    documents = workspace.catalogue.select(RESOURCE.name, failed=workspace.faults.failed) if counts else []
    return {each["datasetArn"]: counts[where] for _, each in documents if (where := lookup.place_of(each)) in counts}


def drop_orphans(workspace: Workspace) -> None:
    """Forgets events that were recorded while their dataset was being deleted, and were never acknowledged."""
    # In this order: a dataset is there before its first event is.
    found = workspace.live.waiting()
    known = {lookup.place_of(document) for _, document in workspace.catalogue.select(RESOURCE.name)}
    for orphan in found.keys() - known:
        workspace.live.drop(orphan)


def location(request: Document) -> str:
    """Where the CSV files of an import or a data deletion lie; raises InvalidInput where `dataSource` does not say."""
    if "dataLocation" not in request["dataSource"]:
        raise InvalidInputException("dataSource.dataLocation is required: a CSV file, or a folder ending with a slash.")
    return str(request["dataSource"]["dataLocation"])


OPERATIONS = {"create_dataset": create_dataset, "update_dataset": update_dataset, "delete_dataset": delete_dataset}

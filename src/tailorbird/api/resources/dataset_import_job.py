"""Dataset import jobs: CSV files into a dataset, every row checked, all or nothing (spec control-plane 5.1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import dataset
from tailorbird.data import csv_files
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError
from tailorbird.workspace import Workspace

FAILURES = {
    "location": "Invalid Data location.",
    "missing": "Invalid Data location.",
    "denied": "Failed to create a data import job for {type} dataset. Insufficient privileges for accessing data in "
    "Amazon S3.",
}


def import_rows(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Streams the files into a new segment, which becomes visible only when all of them were acceptable."""
    target = dataset.opened(workspace, lifecycle.find(workspace, dataset.RESOURCE, document["datasetArn"]))
    kind = target.schema.dataset_type
    try:
        sources = [
            csv_files.Source(file.name, file.size, partial(workspace.objects.open, file.uri))
            for file in workspace.objects.files(document["dataSource"]["dataLocation"])
            if is_csv(file.name, document["dataSource"]["dataLocation"])
        ]
        order = [field.name for name in ("USER_ID", "TIMESTAMP") if (field := target.schema.field(name))]
        sort_by = tuple(order) if kind == "INTERACTIONS" else None
        with workspace.tables.begin(target.arn, document["datasetImportJobArn"], sort_by=sort_by) as segment:
            report = csv_files.read(sources, target.schema, segment.write, progress)
            progress(0.99, "writing")
            segment.commit(document["importMode"])
    except ObjectError as error:
        raise JobFailed(f"{FAILURES[error.kind].format(type=kind)} {error}") from error
    except csv_files.ImportFailed as error:
        told = {"_report": error.report.as_document()} if error.report else {}
        raise JobFailed(f"Failed to create a data import job for {kind} dataset. {error}", **told) from error
    return {"_report": report.as_document()}


def is_csv(name: str, location: str) -> bool:
    """Whether a file is read: under a folder only CSV files are, a file that is named itself always."""
    return not location.endswith("/") or name.lower().endswith((".csv", ".csv.gz"))


RESOURCE = Resource(
    "DatasetImportJob",
    arn="dataset-import-job/{jobName}",
    parents=("datasetArn",),
    job=import_rows,
)


def create_dataset_import_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The files are looked at by the job; an unreadable location shows as its failureReason."""
    return lifecycle.create(workspace, RESOURCE, {"importMode": "FULL"} | request)


OPERATIONS = {"create_dataset_import_job": create_dataset_import_job}

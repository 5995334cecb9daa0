"""Dataset import jobs: CSV files into a dataset, every row checked, all or nothing (spec control-plane 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import polars as pl

from tailorbird.api import attributions, lifecycle, lookup
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import dataset
from tailorbird.data.datasets import arrival, latest_records, stamp
from tailorbird.errors import DamagedFile, InvalidInputException
from tailorbird.ingest import csv_files
from tailorbird.ingest.checkup import Checkup
from tailorbird.numbers import counted
from tailorbird.recipes import use_cases
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError
from tailorbird.storage.part_writer import INCREMENTAL
from tailorbird.workspace import Workspace

PUBLISH = "publishAttributionMetricsToS3"
RACING = ("DataDeletionJob",)
"""Jobs of the dataset group that an import must not meet."""
FAILURES = {
    "location": "Invalid Data location.",
    "missing": "Invalid Data location.",
    "denied": "Failed to create a data import job for {type} dataset. Insufficient privileges for accessing data in "
    "Amazon S3.",
    "closed": "Failed to create a data import job for {type} dataset. The location cannot be read.",
}


def import_rows(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Streams the files into a new part, which becomes visible only when all of them were acceptable."""
    target = lookup.dataset(workspace, lifecycle.find(workspace, "Dataset", document["datasetArn"]))
    kind = target.schema.dataset_type
    location = dataset.location(document)
    if racing := lifecycle.unfinished(workspace, RACING, datasetGroupArn=document["datasetGroupArn"]):
        raise JobFailed(racing)
    checkup = Checkup(target.schema, workspace.clock())
    counted = _import_metrics(workspace, document, kind)
    try:
        files = workspace.objects.files(location)
        sources = [
            csv_files.Source(file.name, file.size, partial(workspace.objects.open, file.uri))
            for file in files
            if is_csv(file.name, location)
        ]
        with workspace.tables.begin(target.place, document["datasetImportJobArn"], sort_by=target.order) as part:

            def keep(frame: pl.DataFrame) -> None:
                part.write(frame)
                checkup.see(frame)
                if counted is not None:
                    counted.see(frame)

            report = csv_files.read(sources, target.schema, keep, progress, [file.name for file in files])
            progress(0.99, "writing")
            # Before the rows can be seen: a job that fails leaves everything as it was.
            if counted is not None and document.get(PUBLISH):
                _write_metrics(counted, document)
            part.commit(document["importMode"], at=arrival(workspace, target))
            if counted is not None and document["importMode"] == INCREMENTAL:
                counted.add(document)
    except ObjectError as error:
        failure = "closed" if error.kind == "denied" and not location.startswith("s3:") else error.kind
        raise JobFailed(f"{FAILURES[failure].format(type=kind)} {error}") from error
    except csv_files.ImportFailed as error:
        failed = f"Failed to create a data import job for {kind} dataset."
        more = {"cause": f"{failed} {error.cause}"}
        told = {}
        if found := error.report:
            told = {"_report": found.as_document() | more | {"warnings": [*found.warnings(), *checkup.warnings()]}}
        raise JobFailed(f"{failed} {error}", **told) from error
    left = sorted({file.name for file in files} - {source.name for source in sources})
    warnings = [*left_out_files(left), *report.warnings(), *checkup.warnings()]
    warnings += [*_missing_types(workspace, document, checkup), *_without_metadata(workspace, document, checkup)]
    return {"_report": report.as_document() | {"warnings": warnings, "summary": checkup.summary()}}


def _import_metrics(workspace: Workspace, document: Document, kind: str) -> attributions.ImportMetrics | None:
    """The metrics to count of the job's rows, if any: for CloudWatch those of incremental jobs, for S3 as asked."""
    wanted = kind == "INTERACTIONS" and (document["importMode"] == INCREMENTAL or document.get(PUBLISH))
    found = attributions.of_group(workspace, document["datasetGroupArn"]) if wanted else None
    return attributions.ImportMetrics(workspace, found) if found else None


def _write_metrics(counted: attributions.ImportMetrics, document: Document) -> None:
    try:
        counted.write(document)
    except ObjectError as error:
        raise JobFailed(f"The metrics could not be written: {error}") from error


def left_out_files(left: Sequence[str]) -> list[str]:
    """What to say of files under a location that are not read."""
    if not left:
        return []
    return [
        f"{counted(len(left), 'file under the location was', 'files under the location were')} not read, in a "
        f"subfolder or under a name that does not end in .csv or .csv.gz; the first is {left[0]}."
    ]


def _missing_types(workspace: Workspace, document: Document, checkup: Checkup) -> list[str]:
    """What to say where the group's domain needs event types that all its imported rows lack."""
    if document["importMode"] == INCREMENTAL:  # the rows before may have them
        return []
    group = lifecycle.find(workspace, "DatasetGroup", document["datasetGroupArn"])
    return checkup.missing_types(use_cases.event_types(group.get("domain")))


def _without_metadata(workspace: Workspace, document: Document, checkup: Checkup) -> list[str]:
    """What to say of imported interactions with items of which the Items dataset knows nothing."""
    items = lookup.dataset_of(workspace, document["datasetGroupArn"], "ITEMS")
    if items is None or checkup.schema.dataset_type != "INTERACTIONS":
        return []
    try:
        if not any(stamp(workspace, items)):
            return []
        return checkup.unknown_items(latest_records(workspace, items, "ITEM_ID")["ITEM_ID"])
    except DamagedFile as error:  # these rows are whole, and in
        return [f"Whether the Items dataset knows the items could not be seen: {error.message}"]


def is_csv(name: str, location: str) -> bool:
    """Whether a file is read: of a folder its own CSV files are, a file that is named itself always."""
    return not location.endswith("/") or (name.lower().endswith((".csv", ".csv.gz")) and "/" not in name)


RESOURCE = Resource(
    "DatasetImportJob",
    arn="{jobName}",
    deletable=False,
    parents=("Dataset",),
    job=import_rows,
    queue="datasetArn",
)


@lifecycle.atomic
def create_dataset_import_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The files are looked at by the job; an unreadable location shows as its failureReason.

    Raises InvalidInput for a first import that is INCREMENTAL, ResourceInUse while users' data are deleted.
    """
    dataset.location(request)
    document = lifecycle.find(workspace, "Dataset", request["datasetArn"])
    mode = request.get("importMode", "FULL")
    if mode != "FULL" and not _begun(workspace, document):
        raise InvalidInputException("The first bulk import of a dataset must have the importMode FULL.")
    group = document["datasetGroupArn"]
    if request.get(PUBLISH):
        _check_publishing(workspace, document)
    lifecycle.refuse_while(workspace, RACING, datasetGroupArn=group)
    return lifecycle.create(workspace, RESOURCE, {"importMode": mode} | request, datasetGroupArn=group)


def _check_publishing(workspace: Workspace, target: Document) -> None:
    if target["datasetType"] != "INTERACTIONS":
        raise InvalidInputException(f"{PUBLISH}: metrics are of interactions, not of {target['datasetType']}.")
    found = attributions.of_group(workspace, target["datasetGroupArn"])
    if found is None or "s3DataDestination" not in found["metricsOutputConfig"]:
        raise InvalidInputException(
            f"{PUBLISH} needs a metric attribution of the dataset group with an s3DataDestination in its "
            f"metricsOutputConfig: create or update it first."
        )


def _begun(workspace: Workspace, target: Document) -> bool:
    """Whether the dataset has imported rows, or an import that is under way or waits."""
    if workspace.tables.imported(lookup.dataset(workspace, target).place):
        return True
    return bool(lifecycle.unfinished(workspace, (RESOURCE.name,), datasetArn=target["datasetArn"]))


OPERATIONS = {"create_dataset_import_job": create_dataset_import_job}

"""What AWS has not: how far a job is, and metrics beyond those of GetSolutionMetrics.

The service is described in `wire/models`, in the format of AWS's own.
"""

from __future__ import annotations

import itertools
from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import DELETION_STAGES, PENDING, SETTLED, UNFINISHED
from tailorbird.api.resources import RESOURCES
from tailorbird.api.resources.dataset import TRAININGS
from tailorbird.errors import InvalidInputException, ResourceInUseException
from tailorbird.numbers import counted
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace


def get_job_progress(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """How far the job behind a resource is; raises InvalidInput for a resource without one, ResourceNotFound."""
    arn = request["jobArn"]
    for resource in RESOURCES.values():
        document = workspace.catalogue.get(arn, resource.name)
        if document is not None and not resource.job:
            raise InvalidInputException(f"{arn} is a {lifecycle.words(resource.name)}, behind which there is no job.")
        if document is not None:
            return {"jobArn": arn} | progress(workspace, arn, document)
    raise lifecycle.not_found("", arn)


def progress(workspace: Workspace, arn: str, document: Document) -> Document:
    """Members of GetJobProgress's answer that tell of a document with a job."""
    waits = document["status"] in (PENDING, DELETION_STAGES.pending)
    text = waiting(workspace, arn) if waits else "starting"
    told = dict(document.get("_progress", {"share": 0.0, "text": text}))
    message, end = told.pop("text"), told.pop("ends", None)
    left = end - workspace.clock() if document["status"] in UNFINISHED and end is not None else 0.0
    return told | {
        "status": document["status"],
        "failureReason": document.get("failureReason"),
        "message": message,
        "startedDateTime": document.get("_started"),
        "estimatedSecondsLeft": left if left > 0 else None,  # an estimate that has run out is none
    }


def waiting(workspace: Workspace, arn: str) -> str:
    """What is said of a job that no worker has begun: what it waits for, which all other jobs pass where it trains."""
    unfinished = workspace.catalogue.with_status(UNFINISHED, workspace.faults.failed)
    trains = {each: kind in TRAININGS for each, kind, _ in unfinished}
    older = itertools.takewhile(lambda each: each != arn, trains)
    count = sum(trains[each] == trains[arn] for each in older) if arn in trains else 0
    before = f": {counted(count, 'training' if trains[arn] else 'job')} before it" if count else ""
    return f"waiting for a worker{before}"


def get_extended_metrics(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics of `evaluation_extended`; raises ResourceInUse until the resource is trained, ResourceNotFound."""
    arn = request["resourceArn"]
    document = lifecycle.find(workspace, "Recommender" if ":recommender/" in arn else "SolutionVersion", arn)
    if "_metrics" not in document or document["status"] not in SETTLED:
        raise ResourceInUseException(f"{arn} has status {document['status']}; metrics are there once it is ACTIVE.")
    return {"resourceArn": arn, "metrics": workspace.artifacts.metrics(document.get("_artifact", arn))}


OPERATIONS = {f.__name__: f for f in (get_job_progress, get_extended_metrics)}

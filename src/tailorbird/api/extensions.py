"""What AWS has not: how far a job is, and metrics beyond those of GetSolutionMetrics.

The service is described in `wire/models`, in the format of AWS's own.
"""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import SETTLED, UNFINISHED
from tailorbird.api.resources import RESOURCES
from tailorbird.errors import InvalidInputException, ResourceInUseException
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
            return {"jobArn": arn} | progress(document, workspace.clock())
    raise lifecycle.not_found("", arn)


def progress(document: Document, now: float) -> Document:
    """Members of GetJobProgress's answer that tell of a document with a job."""
    told = dict(document.get("_progress", {"share": 0.0, "text": "waiting for a worker"}))
    message, end = told.pop("text"), told.pop("ends", None)
    running = document["status"] in UNFINISHED
    return told | {
        "status": document["status"],
        "failureReason": document.get("failureReason"),
        "message": message,
        "startedDateTime": document.get("_started"),
        "estimatedSecondsLeft": max(0.0, end - now) if running and end is not None else None,
    }


def get_extended_metrics(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics of `evaluation_extended`; raises ResourceInUse until the resource is trained, ResourceNotFound."""
    arn = request["resourceArn"]
    document = lifecycle.find(workspace, "Recommender" if ":recommender/" in arn else "SolutionVersion", arn)
    if "_metrics" not in document or document["status"] not in SETTLED:
        raise ResourceInUseException(f"{arn} has status {document['status']}; metrics are there once it is ACTIVE.")
    return {"resourceArn": arn, "metrics": workspace.artifacts.metrics(document.get("_artifact", arn))}


OPERATIONS = {f.__name__: f for f in (get_job_progress, get_extended_metrics)}

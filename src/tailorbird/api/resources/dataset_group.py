"""Dataset groups: the container of datasets, trackers, filters and solutions."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import InvalidInputException
from tailorbird.workspace import Workspace

RESOURCE = Resource(
    "DatasetGroup",
    arn="{name}",
    dependents=(
        ("Recommender", "datasetGroupArn"),
        ("EventTracker", "datasetGroupArn"),
        ("Solution", "datasetGroupArn"),
        ("Dataset", "datasetGroupArn"),
    ),
    owned=(
        ("Filter", "datasetGroupArn"),
        ("MetricAttribution", "datasetGroupArn"),
        ("DataDeletionJob", "datasetGroupArn"),
    ),
)


def create_dataset_group(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The key and the role are kept and shown, and have no other effect here (spec control-plane 7)."""
    if ("kmsKeyArn" in request) != ("roleArn" in request):
        raise InvalidInputException("kmsKeyArn and roleArn go together: give both or neither.")
    return lifecycle.create(workspace, RESOURCE, request)


OPERATIONS = {"create_dataset_group": create_dataset_group}

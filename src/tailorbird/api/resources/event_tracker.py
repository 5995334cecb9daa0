"""Event trackers: one a group; its tracking id is what PutEvents names (spec control-plane 2.3)."""

from __future__ import annotations

import uuid
from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import ResourceAlreadyExistsException
from tailorbird.workspace import Workspace

RESOURCE = Resource("EventTracker", arn="{hexId}", parents=("DatasetGroup",))


@lifecycle.atomic
def create_event_tracker(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Raises ResourceAlreadyExists when the group has a tracker, or another group's has the name."""
    for member in ("datasetGroupArn", "name"):
        for other in lifecycle.related(workspace, RESOURCE.name, **{member: request[member]}):
            raise ResourceAlreadyExistsException(
                f"There is an event tracker with this {member} already: {other['eventTrackerArn']}"
            )
    return lifecycle.create(
        workspace,
        RESOURCE,
        request,
        hexId=lifecycle.hex_id(),
        trackingId=str(uuid.uuid4()),
        accountId=workspace.config.account_id,
    )


OPERATIONS = {"create_event_tracker": create_event_tracker}

"""Schemas: Avro text, checked at creation, immutable; deletion is immediate (spec control-plane 4)."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.data import schema as avro
from tailorbird.workspace import Workspace

RESOURCE = Resource(
    "Schema",
    arn="{name}",
    dependents=(("Dataset", "schemaArn"), ("Dataset", "_nextSchemaArn")),
    taggable=False,
    has_status=False,
)


def create_schema(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Keeps the text byte for byte, since clients compare it."""
    avro.parse(request["schema"], request.get("domain"))
    return lifecycle.create(workspace, RESOURCE, request)


OPERATIONS = {"create_schema": create_schema}

"""Filters: parsed and checked against the group's schemas at creation, usable at once, immutable."""

from __future__ import annotations

from typing import Any

from tailorbird.api import lifecycle, lookup, quotas
from tailorbird.api.lifecycle import Resource
from tailorbird.data.schema import DATASET_TYPES
from tailorbird.filters import syntax
from tailorbird.filters.check import check
from tailorbird.workspace import Workspace

RESOURCE = Resource("Filter", arn="{name}", listed_as="Filters", parents=("DatasetGroup",))


def create_filter(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidInput for a wrong expression or one about fields that the group does not have, LimitExceeded."""
    return _create(workspace, request, syntax.parse(request["filterExpression"]))


@lifecycle.atomic
def _create(workspace: Workspace, request: dict[str, Any], parsed: syntax.Filter) -> dict[str, Any]:
    group = request["datasetGroupArn"]
    lifecycle.active(workspace, "DatasetGroup", group)
    found = {kind: lookup.dataset_of(workspace, group, kind) for kind in DATASET_TYPES}
    check(parsed, {kind: one.schema for kind, one in found.items() if one is not None})
    others = lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=group) if workspace.config.aws_quotas else []
    used = [parsed.fields, *(syntax.parse(each["filterExpression"]).fields for each in others)]
    quotas.check_filter_fields(workspace, len(frozenset().union(*used)))
    return lifecycle.create(workspace, RESOURCE, request)


OPERATIONS = {"create_filter": create_filter}

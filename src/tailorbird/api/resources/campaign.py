"""Campaigns: a solution version put into service; ACTIVE as soon as its files could be opened."""

from __future__ import annotations

from typing import Any

from tailorbird.api import deployments, lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import solution_version
from tailorbird.errors import InvalidInputException
from tailorbird.workspace import Workspace

RESOURCE = Resource("Campaign", arn="campaign/{name}", parents=("solutionVersionArn",))


def create_campaign(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Keeps campaignConfig exactly as given, since provisioning clients compare it."""
    version = solution_version.trained(workspace, request["solutionVersionArn"])
    if request.get("campaignConfig", {}).get("enableMetadataWithRecommendations"):
        raise InvalidInputException("campaignConfig.enableMetadataWithRecommendations is not available yet.")
    deployments.opened(workspace, version)
    return lifecycle.create(workspace, RESOURCE, {"minProvisionedTPS": 1} | request, solutionArn=version["solutionArn"])


OPERATIONS = {"create_campaign": create_campaign}

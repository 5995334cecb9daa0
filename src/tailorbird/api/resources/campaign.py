"""Campaigns: a solution version put into service; ACTIVE as soon as its files could be opened."""

from __future__ import annotations

from typing import Any

import msgspec

from tailorbird.api import deployments, lifecycle, lookup, serving_config, transitions
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import InvalidInputException, ResourceInUseException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

RESOURCE = Resource("Campaign", arn="{name}", parents=("SolutionVersion",))

LATEST = "/$LATEST"
"""`<solutionArn>/$LATEST` stands for the solution's newest ACTIVE version (spec control-plane 2.1)."""

METADATA = "enableMetadataWithRecommendations"
SYNC = "syncWithLatestSolutionVersion"

SERVED = ("solutionVersionArn", "minProvisionedTPS", "campaignConfig")
"""What an update replaces."""


def create_campaign(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Keeps campaignConfig exactly as given, since provisioning clients compare it.

    Describe shows the version that `$LATEST` stood for (inferred: clients compare that member with versions).
    """
    version = _version(workspace, request["solutionVersionArn"])
    _check_config(workspace, request["solutionVersionArn"], request.get("campaignConfig", {}), version)
    document = {"minProvisionedTPS": 1} | request | {"solutionVersionArn": version["solutionVersionArn"]}
    return lifecycle.create(workspace, RESOURCE, document, **_origin(version))


def update_campaign(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Shows in latestCampaignUpdate at once; the campaign serves the old version until that is ACTIVE."""
    document = lifecycle.find(workspace, RESOURCE.name, request["campaignArn"])
    wanted = {member: request.get(member, document.get(member)) for member in SERVED}
    named = str(wanted["solutionVersionArn"])
    if "solutionVersionArn" not in request and document.get("campaignConfig", {}).get(SYNC):
        named = document["solutionArn"] + LATEST
    version = _version(workspace, named)
    config = wanted["campaignConfig"] or {}
    try:
        _check_config(workspace, named, config, version)
    except InvalidInputException as error:
        if "campaignConfig" in request:
            raise
        fit = {member: value for member, value in config.items() if _fits(workspace, named, {member: value}, version)}
        raise InvalidInputException(
            f"{error.message} The update gives no campaignConfig, so that the campaign's own would stay: send one that "
            f"fits as well, such as {msgspec.json.encode(fit).decode()}."
        ) from error
    return begin_update(workspace, document, wanted, version)


@lifecycle.atomic
def begin_update(workspace: Workspace, document: Document, wanted: Document, version: Document) -> dict[str, Any]:
    """Starts the update of a campaign to an ACTIVE version and the other members of `SERVED`."""
    lifecycle.active(workspace, "SolutionVersion", version["solutionVersionArn"])
    told = {member: value for member, value in wanted.items() if value is not None}
    told["solutionVersionArn"] = version["solutionVersionArn"]
    transitions.begin_update(
        workspace,
        document["campaignArn"],
        "latestCampaignUpdate",
        told,
        told | _origin(version) | {"_nextSolutionArn": None},
        allowed=(lifecycle.ACTIVE, lifecycle.FAILED),
        _nextSolutionArn=version["solutionArn"],
    )
    return {"campaignArn": document["campaignArn"]}


def _origin(version: Document) -> Document:
    """Members of the version that lists and quotas of campaigns ask for."""
    return {"solutionArn": version["solutionArn"], "datasetGroupArn": version["datasetGroupArn"]}


def _version(workspace: Workspace, arn: str) -> Document:
    """The ACTIVE version that a request names, its model opened; raises ResourceInUse, InvalidInput, NotFound."""
    if arn.endswith(LATEST):
        found = lifecycle.find(workspace, "Solution", arn.removesuffix(LATEST))
        version = lookup.newest_version(workspace, found["solutionArn"])
        if version is None:
            raise ResourceInUseException(f"{found['solutionArn']} has no ACTIVE solution version yet; wait for one.")
    else:
        version = lookup.trained_version(workspace, arn)
    recipe = lookup.recipe(version["recipeArn"])
    if recipe.recipe_type.operation is None:
        job = str(recipe.recipe_type.batch_job)
        raise InvalidInputException(f"{recipe.name} serves {lifecycle.words(job)}s only: Create{job}.")
    group = deployments.group(workspace, version["datasetGroupArn"])
    deployments.deployment_of(workspace, version["solutionVersionArn"], group)
    return version


def _check_config(workspace: Workspace, named: str, config: dict[str, Any], version: Document) -> None:
    if config.get(SYNC) and not named.endswith(LATEST):
        raise InvalidInputException(
            f"campaignConfig.{SYNC} needs a solutionVersionArn of the form <solutionArn>{LATEST}; given: {named}."
        )
    recipe = lookup.recipe(version["recipeArn"])
    if config.get(METADATA) and recipe.recipe_type.responses:
        raise InvalidInputException(f"campaignConfig.{METADATA}: {recipe.name} shows no metadata; leave it out.")
    influences = deployments.influences(workspace, version["solutionVersionArn"])
    serving_config.check("campaignConfig", config, recipe.name, recipe.explores, influences)


def _fits(workspace: Workspace, named: str, config: dict[str, Any], version: Document) -> bool:
    try:
        _check_config(workspace, named, config, version)
    except InvalidInputException:
        return False
    return True


OPERATIONS = {"create_campaign": create_campaign, "update_campaign": update_campaign}

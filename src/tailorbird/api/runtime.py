"""Answers at run time (spec recipes-and-runtime 4)."""

from __future__ import annotations

import uuid
from typing import Any

from tailorbird.api import deployments, lifecycle
from tailorbird.api.resources import campaign
from tailorbird.errors import InvalidInputException, ResourceNotFoundException
from tailorbird.serving import recommend
from tailorbird.serving.recommend import Deployment, Ranked
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

DEFAULT_RESULTS = 25
MOST_RESULTS = 500

RANKING = "PERSONALIZED_RANKING"
RELATED = "RELATED_ITEMS"

NOT_YET = ("promotions", "metadataColumns", "recommenderArn")


def get_recommendations(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Items for a user, or related to an item: 25 or numResults of them, fewer where a filter leaves fewer."""
    for member in NOT_YET:
        if request.get(member):
            raise InvalidInputException(f"{member} is not available yet: leave it out.")
    deployment, version = _deployed(workspace, request)
    recipe = deployment.served.recipe
    if recipe.recipe_type == RANKING:
        raise InvalidInputException(f"A campaign of {recipe.name} answers GetPersonalizedRanking only.")
    wanted = request.get("numResults") or DEFAULT_RESULTS
    if wanted > MOST_RESULTS:
        raise InvalidInputException(f"numResults is {wanted}; at most {MOST_RESULTS} can be asked for.")
    needed = recipe.needs
    if needed is not None and not request.get(needed):
        raise InvalidInputException(f"{needed} is required for a campaign of {recipe.name}.")
    item = request.get("itemId") if recipe.recipe_type == RELATED else None
    question = recommend.query(workspace, deployment, request.get("userId"), item)
    allowed = _allowed(workspace, deployment, version, request | {"itemId": item})
    scores = deployment.served.model.score([question])[0]
    return _answer("itemList", recommend.top(deployment.served, scores, allowed, wanted))


def get_personalized_ranking(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The given items in the order that suits the user; those that the model does not know come last."""
    if request.get("metadataColumns"):
        raise InvalidInputException("metadataColumns is not available yet: leave it out.")
    deployment, version = _deployed(workspace, request)
    recipe = deployment.served.recipe
    if recipe.recipe_type != RANKING:
        raise InvalidInputException(f"A campaign of {recipe.name} answers GetRecommendations only.")
    if not 1 <= len(request["inputList"]) <= MOST_RESULTS:
        raise InvalidInputException(f"inputList must hold 1 to {MOST_RESULTS} item ids.")
    question = recommend.query(workspace, deployment, request["userId"], None)
    allowed = _allowed(workspace, deployment, version, request)
    scores = deployment.served.model.score([question])[0]
    ranked = recommend.reorder(deployment.served, scores, request["inputList"], allowed)
    return _answer("personalizedRanking", ranked)


def _deployed(workspace: Workspace, request: dict[str, Any]) -> tuple[Deployment, Document]:
    """The campaign's model and its solution version."""
    if "campaignArn" not in request:
        raise InvalidInputException("campaignArn is required.")
    document = lifecycle.find(workspace, campaign.RESOURCE, request["campaignArn"])
    if document["status"] != lifecycle.ACTIVE:
        raise InvalidInputException(f"The campaign {request['campaignArn']} has status {document['status']}.")
    version = workspace.catalogue.get(document["solutionVersionArn"])
    if version is None:
        raise ResourceNotFoundException(f"Resource Arn {document['solutionVersionArn']} does not exist.")
    return deployments.opened(workspace, version), version


def _allowed(
    workspace: Workspace, deployment: Deployment, version: Document, request: dict[str, Any]
) -> recommend.Mask | None:
    if "filterArn" not in request:
        return None
    filter_ = deployments.found_filter(workspace, request["filterArn"], version["datasetGroupArn"])
    return deployments.mask(workspace, deployment, filter_, request)


def _answer(listed: str, ranked: list[Ranked]) -> dict[str, Any]:
    items = [{"itemId": each.item, "score": each.score} for each in ranked]
    return {listed: items, "recommendationId": f"RID-{uuid.uuid4()}"}


OPERATIONS = {
    "get_recommendations": get_recommendations,
    "get_personalized_ranking": get_personalized_ranking,
}

"""Answers at run time (spec recipes-and-runtime 4)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tailorbird.api import deployments, lifecycle, serving_config
from tailorbird.api.resources import campaign, recommender
from tailorbird.api.resources import recipe as recipes
from tailorbird.errors import InvalidInputException
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.recipe_types import RecipeType
from tailorbird.serving import actions, exploration, metadata, recommend
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.recommend import Deployment, Mask, Ranked
from tailorbird.storage.catalogue import Document
from tailorbird.storage.recommendation_log import Shown
from tailorbird.workspace import Workspace

DEFAULT_RESULTS = 25
MOST_RESULTS = 500
MOST_WITH_METADATA = 50
MOST_COLUMNS = 10

DEFAULT_ACTIONS = 5
MOST_ACTIONS = 100


@dataclass(frozen=True)
class Target:
    """A campaign or recommender that is asked: its model, and what its recipe and configuration allow."""

    arn: str
    name: str
    """Of the recipe, for messages."""
    recipe_type: RecipeType
    group_arn: str
    deployment: Deployment
    required: tuple[str, ...]
    """Members that a request must have."""
    metadata: bool
    explores: Exploration | None = None
    """How GetRecommendations explores, where it does."""
    promotes: bool = True
    shows_scores: bool = True
    automatic_filter: str | None = None
    """A filter expression that holds for every request."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """The campaign's rankingInfluence."""


def get_recommendations(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Items for a user, or related to an item: 25 or numResults of them, fewer where a filter leaves fewer."""
    target = _target(workspace, request)
    _check_asked(target, request, "GetRecommendations")
    columns = _columns(target, request)
    wanted = request.get("numResults") or DEFAULT_RESULTS
    _check_length("numResults", wanted, columns)
    item = request.get("itemId") if "itemId" in target.required else None
    asked = request | {"itemId": item}
    question = recommend.query(workspace, target.deployment, request.get("userId"), item, request.get("context"))
    question = replace(question, influence=target.influence)
    allowed = _allowed(workspace, target, asked)
    scores = target.deployment.served.model.score([question])[0]
    if request.get("promotions"):
        promoted = _promoted(workspace, target, asked, request["promotions"], wanted)
        ranked = recommend.with_promotions(target.deployment.served, scores, allowed, wanted, promoted, target.explores)
    else:
        ranked = recommend.top(target.deployment.served, scores, allowed, wanted, target.explores)
    return _answer(workspace, "itemList", target, ranked, columns)


def get_personalized_ranking(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The given items in the order that suits the user; those that the model does not know come last."""
    target = _target(workspace, request)
    _check_asked(target, request, "GetPersonalizedRanking")
    columns = _columns(target, request)
    if not request["inputList"]:
        raise InvalidInputException("inputList must hold at least one item id.")
    _check_length("inputList", len(request["inputList"]), columns)
    served = target.deployment.served
    question = recommend.query(workspace, target.deployment, request["userId"], None, request.get("context"))
    allowed = _allowed(workspace, target, request)
    others = recommend.unknown(served, request["inputList"])
    others_allowed = _allowed(workspace, target, request, others) if others else None
    scores = served.model.score([question])[0]
    ranked = recommend.reorder(served, scores, request["inputList"], allowed, others_allowed)
    return _answer(workspace, "personalizedRanking", target, ranked, columns)


def get_action_recommendations(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Actions for a user: 5 or numResults of them, fewer where fewer may be offered."""
    target = _target(workspace, request)
    _check_asked(target, request, "GetActionRecommendations")
    user = request["userId"]
    wanted = request.get("numResults") or DEFAULT_ACTIONS
    if wanted > MOST_ACTIONS:
        raise InvalidInputException(f"numResults asks for {wanted} actions; at most {MOST_ACTIONS} are possible.")
    found = deployments.action_datasets(workspace, target.group_arn)
    offered = actions.offer(workspace, found.actions)
    responses = actions.responses(workspace, found.responses, user)
    allowed = actions.available(offered, responses, workspace.clock())
    if "filterArn" in request:
        filter_ = deployments.found_filter(workspace, request["filterArn"], target.group_arn)
        values = request.get("filterValues", {})
        allowed &= actions.mask(workspace, target.deployment, offered, filter_, values, user, responses)
    best = actions.ranked(workspace, target.deployment, offered, user, allowed, wanted)
    listed = [{"actionId": action, "score": score} for action, score in best]
    return {"actionList": listed, "recommendationId": _remembered(workspace, target, [action for action, _ in best])}


def _check_asked(target: Target, request: dict[str, Any], operation: str) -> None:
    """Raises InvalidInput where the operation is not that of the recipe's type, or a member is missing that it asks."""
    if operation != target.recipe_type.operation:
        raise InvalidInputException(f"A campaign of {target.name} answers {target.recipe_type.operation} only.")
    for member in target.required:
        if not request.get(member):
            raise InvalidInputException(f"{member} is required for {target.name}.")


def _target(workspace: Workspace, request: dict[str, Any]) -> Target:
    """What the request's campaignArn or recommenderArn names, provided it is in service."""
    if ("campaignArn" in request) == ("recommenderArn" in request):
        raise InvalidInputException("Give either campaignArn or recommenderArn, one of the two.")
    if "campaignArn" in request:
        return _campaign(workspace, _in_service(workspace, campaign.RESOURCE, request["campaignArn"]))
    return _recommender(workspace, _in_service(workspace, recommender.RESOURCE, request["recommenderArn"]))


def _in_service(workspace: Workspace, resource: lifecycle.Resource, arn: str) -> Document:
    document = lifecycle.find(workspace, resource, arn)
    if document["status"] != lifecycle.ACTIVE:
        raise InvalidInputException(
            f"The {lifecycle.words(resource.name)} {arn} has status {document['status']}; it answers while ACTIVE."
        )
    return document


def _campaign(workspace: Workspace, document: Document) -> Target:
    version = workspace.catalogue.get(document["solutionVersionArn"])
    if version is None:
        raise lifecycle.not_found("SolutionVersion", document["solutionVersionArn"])
    group = version["datasetGroupArn"]
    deployment = deployments.opened(workspace, document["solutionVersionArn"], group)
    recipe, config = deployment.served.recipe, document.get("campaignConfig", {})
    return Target(
        arn=document["campaignArn"],
        name=recipe.name,
        recipe_type=recipe.recipe_type,
        group_arn=group,
        deployment=deployment,
        required=recipe.recipe_type.required,
        metadata=recipe.shows_metadata or config.get("enableMetadataWithRecommendations", False),
        influence=config.get("rankingInfluence", {}),
        explores=_exploration(recipe, config),
    )


def _exploration(recipe: Recipe, config: dict[str, Any]) -> Exploration | None:
    """As the configuration says; of recipes that it has no say in, as the service does."""
    if recipe.explores:
        return serving_config.exploration(config)
    return exploration.MANAGED if "AUTOMATIC" in recipe.updates else None


def _recommender(workspace: Workspace, document: Document) -> Target:
    case = recipes.use_case_of_arn(document["recipeArn"])
    config = document.get("recommenderConfig", {})
    return Target(
        arn=document["recommenderArn"],
        name=case.name,
        recipe_type=case.recipe_type,
        group_arn=document["datasetGroupArn"],
        deployment=deployments.opened(workspace, document["_artifact"], document["datasetGroupArn"]),
        required=case.required,
        metadata=config.get("enableMetadataWithRecommendations", False),
        explores=serving_config.exploration(config) if case.recipe.explores else None,
        promotes=case.promotes,
        shows_scores=False,
        automatic_filter=case.filter_expression,
    )


def _allowed(
    workspace: Workspace, target: Target, request: dict[str, Any], others: Sequence[str] | None = None
) -> Mask | None:
    """What the request's filter and the automatic one leave of the model's items, or of others."""
    parsed = []
    if target.automatic_filter is not None:
        parsed.append(deployments.parse_filter(target.automatic_filter))
    if "filterArn" in request:
        parsed.append(deployments.found_filter(workspace, request["filterArn"], target.group_arn))
    masks = [deployments.mask(workspace, target.deployment, filter_, request, others) for filter_ in parsed]
    return np.all(masks, axis=0) if masks else None


def _promoted(
    workspace: Workspace, target: Target, request: dict[str, Any], promotions: list[dict[str, Any]], wanted: int
) -> recommend.Promotion:
    """The request's promotion; the request's own filter does not hold for its items (spec 4.3)."""
    if not target.promotes:
        raise InvalidInputException(f"{target.name} does not take promotions: leave them out.")
    for member in ("name", "percentPromotedItems", "filterArn"):
        if member not in promotions[0]:
            raise InvalidInputException(f"promotions[0].{member} is required.")
    promotion = {"userId": request.get("userId"), "itemId": request.get("itemId"), **promotions[0]}
    filter_ = deployments.found_filter(workspace, promotion["filterArn"], target.group_arn)
    allowed = deployments.mask(workspace, target.deployment, filter_, promotion)
    return recommend.Promotion(promotion["name"], wanted * promotion["percentPromotedItems"] // 100, allowed)


def _columns(target: Target, request: dict[str, Any]) -> tuple[str, ...]:
    """The Items columns that the answer is to show; raises InvalidInput (spec 4.1)."""
    asked = request.get("metadataColumns", {})
    if not asked:
        return ()
    if not target.metadata:
        raise InvalidInputException(
            "metadataColumns needs enableMetadataWithRecommendations in campaignConfig or recommenderConfig."
        )
    items = target.deployment.items
    for kind in asked:
        if kind.upper() != "ITEMS" or items is None:
            raise InvalidInputException(f"metadataColumns.{kind}: only columns of the group's ITEMS can be shown.")
    columns = tuple(name for names in asked.values() for name in names)
    if len(columns) > MOST_COLUMNS:
        raise InvalidInputException(f"metadataColumns has {len(columns)} columns; at most {MOST_COLUMNS} are possible.")
    for name in columns:
        if items is None or items.schema.field(name) is None:
            raise InvalidInputException(f"metadataColumns: the Items schema has no column {name!r}.")
    return columns


def _check_length(member: str, length: int, columns: tuple[str, ...]) -> None:
    most = MOST_WITH_METADATA if columns else MOST_RESULTS
    if length > most:
        with_ = " with metadata" if columns else ""
        raise InvalidInputException(f"{member} asks for {length} items; at most {most} are possible{with_}.")


def _answer(
    workspace: Workspace, listed: str, target: Target, ranked: list[Ranked], columns: tuple[str, ...]
) -> dict[str, Any]:
    ids = [each.item for each in ranked]
    propensities = [each.propensity for each in ranked] if target.explores else None
    items = [
        {
            "itemId": each.item,
            "score": each.score if target.shows_scores else None,
            "promotionName": each.promotion,
            "reason": (each.reason() or None) if target.deployment.served.recipe.candidates else None,
            "metadata": values or None,
        }
        for each, values in zip(ranked, metadata.of_items(target.deployment, ids, columns), strict=True)
    ]
    return {listed: items, "recommendationId": _remembered(workspace, target, ids, propensities)}


def _remembered(workspace: Workspace, target: Target, ids: list[str], propensities: list[float] | None = None) -> str:
    """The recommendationId under which events will name this answer (spec recipes-and-runtime 7, "Impressions")."""
    made = f"RID-{uuid.uuid4()}"
    workspace.recommendation_log.remember(
        Shown(made, workspace.clock(), target.arn, target.group_arn, ids, propensities)
    )
    return made


OPERATIONS = {
    "get_recommendations": get_recommendations,
    "get_personalized_ranking": get_personalized_ranking,
    "get_action_recommendations": get_action_recommendations,
}

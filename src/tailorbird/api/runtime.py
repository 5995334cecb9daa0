"""Answers at run time (spec recipes-and-runtime 4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from msgspec.structs import replace

from tailorbird.api import deployments
from tailorbird.api.deployments import Target
from tailorbird.errors import InvalidInputException
from tailorbird.serving import actions, metadata, named_items, questions, ranked_items
from tailorbird.serving.questions import Deployment, FilterQuestion, Question
from tailorbird.serving.ranked_items import Ranking
from tailorbird.serving.scores import Mask, Scores
from tailorbird.storage.recommendation_log import LoggedAnswer, new_id
from tailorbird.workspace import Workspace

# Of items, of items with metadata, and of columns of these (spec recipes-and-runtime 4, 4.1).
DEFAULT_RESULTS = 25
MOST_RESULTS = 500
MOST_WITH_METADATA = 50
MOST_COLUMNS = 10

# Of actions (the same).
DEFAULT_ACTIONS = 5
MOST_ACTIONS = 100


class _Known(NamedTuple):
    """What was found in memory for a request."""

    scores: Scores
    allowed: Mask | None


class _Answer(Protocol):
    """Answers a request from what was resolved for it."""

    def __call__(
        self, request: dict[str, Any], target: Target, deployment: Deployment, known: _Known | None = None
    ) -> dict[str, Any]: ...


def answered(function: str, workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request of the operation of a function's name."""
    operation, answer = ANSWERS[function]
    target = deployments.target(workspace, request)
    _check_asked(workspace, target, request, operation)
    return answer(request, target, deployments.deployment_of(workspace, target.artifact, target.group))


def at_hand(function: str, workspace: Workspace, request: dict[str, Any]) -> dict[str, Any] | None:
    """What `answered` answers, where that needs nothing but what is in memory and a look at an index: 0.1 ms.

    That is where the model said what it says already or is quick (2 ms), and a filter asks for nothing but metadata
    that are in memory (its first mask may take 2 ms), or it was asked the same of the user, who did nothing since.
    None otherwise: whatever reads rows or documents, makes a model or writes may take seconds, for which no other
    request should wait.
    Items come as JSON, in which most of them are in memory.
    """
    if function not in QUICK or "promotions" in request or "metadataColumns" in request:
        return None
    found = deployments.in_memory(workspace, request)
    if found is None:
        return None
    target, deployment = found
    operation, answer = ANSWERS[function]
    _check_asked(workspace, target, request, operation)
    if "filterArn" in request and request["filterArn"] not in target.group.filters:
        return None
    filters = _filters(target, request)
    unknown = deployment.served.unknown(request.get("inputList", ()))
    if unknown and (filters or named_items.may_slip(deployment, unknown)):
        return None
    scores = questions.scores_at_hand(deployment, _question(target, request))
    masks = [] if scores is None else [questions.kept_mask(deployment, each) for each in filters]
    found_masks = [mask for mask in masks if mask is not None]
    if scores is None or len(found_masks) < len(filters):
        return None
    return answer(request, target, deployment, _Known(scores, _together(found_masks)))


def _check_asked(workspace: Workspace, target: Target, request: dict[str, Any], operation: str) -> None:
    """Raises InvalidInput where the operation is not that of the recipe's type, or a member is missing that it asks.

    Values without a filter are told of in the log: AWS's model allows them.
    """
    if operation != target.recipe_type.operation:
        raise InvalidInputException(f"A campaign of {target.name} answers {target.recipe_type.operation} only.")
    for member in target.required:
        if not request.get(member):
            raise InvalidInputException(f"{member} is required for {target.name}.")
    if request.get("filterValues") and "filterArn" not in request:
        deployments.tell_unfiltered(workspace, target.arn, "requests have filterValues and no filterArn")


def _recommendations(
    request: dict[str, Any], target: Target, deployment: Deployment, known: _Known | None = None
) -> dict[str, Any]:
    """Items for a user, or related to an item: 25 or numResults of them, fewer where a filter leaves fewer."""
    columns = _columns(target, request)
    wanted = request.get("numResults") or DEFAULT_RESULTS
    _check_length("numResults", wanted, columns)
    scores, allowed = known or _found(target, deployment, request)
    if request.get("promotions"):
        promotion = _promotion(target, deployment, request, request["promotions"], wanted)
        ranking = ranked_items.with_promotions(
            deployment.served, scores, allowed, wanted, promotion, target.explores, shows_scores=target.shows_scores
        )
    else:
        ranking = ranked_items.top(
            deployment.served, scores, allowed, wanted, target.explores, shows_scores=target.shows_scores
        )
    return _listed("itemList", target, deployment, ranking, columns, written=known is not None)


def _personalized_ranking(
    request: dict[str, Any], target: Target, deployment: Deployment, known: _Known | None = None
) -> dict[str, Any]:
    """The given items in the order that suits the user; those that the model does not know come last."""
    columns = _columns(target, request)
    if not request["inputList"]:
        raise InvalidInputException("inputList must hold at least one item id.")
    _check_length("inputList", len(request["inputList"]), columns)
    if known is None:
        named_items.check(deployment, "inputList", request["inputList"])
    scores, allowed = known or _found(target, deployment, request)
    others = deployment.served.unknown(request["inputList"])
    if len(others) == len(set(request["inputList"])):
        deployments.tell_unknown(deployment.workspace, target.arn)
    others_allowed = _allowed(target, deployment, request, others) if others else None
    ranking = ranked_items.reorder(deployment.served, scores, request["inputList"], allowed, others_allowed)
    return _listed("personalizedRanking", target, deployment, ranking, columns, written=known is not None)


def _actions(
    request: dict[str, Any], target: Target, deployment: Deployment, known: _Known | None = None
) -> dict[str, Any]:
    """Actions for a user: 5 or numResults of them, fewer where fewer may be offered."""
    workspace, user = deployment.workspace, request["userId"]
    wanted = request.get("numResults") or DEFAULT_ACTIONS
    if wanted > MOST_ACTIONS:
        raise InvalidInputException(f"numResults asks for {wanted} actions; at most {MOST_ACTIONS} are possible.")
    offered = actions.offer(workspace, deployments.actions_of(target.group))
    responses = actions.responses(workspace, target.group.dataset("ACTION_INTERACTIONS"), user)
    allowed = actions.available(offered, responses, workspace.clock())
    if "filterArn" in request:
        filter_ = target.group.filter(request["filterArn"])
        values = request.get("filterValues", {})
        allowed &= actions.mask(deployment, offered, filter_, values, user, responses)
    best = actions.ranked(deployment, offered, user, allowed, wanted)
    listed = [{"actionId": action, "score": score} for action, score in best]
    return {"actionList": listed, "recommendationId": _remembered(workspace, target, [action for action, _ in best])}


def _item(target: Target, request: dict[str, Any]) -> str | None:
    """The item that related ones are asked for; other recipes do not look at itemId."""
    return request.get("itemId") if "itemId" in target.required else None


def _question(target: Target, request: dict[str, Any]) -> Question:
    return Question(request.get("userId"), _item(target, request), request.get("context", {}), target.influence)


def _filters(target: Target, request: dict[str, Any]) -> list[FilterQuestion]:
    """What is asked of the automatic filter, and of the request's."""
    filters = [] if target.automatic_filter is None else [target.automatic_filter]
    if "filterArn" in request:
        filters.append(target.group.filter(request["filterArn"]))
    values, user, item = request.get("filterValues", {}), request.get("userId"), _item(target, request)
    return [FilterQuestion(each, values, user, item) for each in filters]


def _found(target: Target, deployment: Deployment, request: dict[str, Any]) -> _Known:
    """As `_Known`, in whatever time that takes."""
    allowed = _allowed(target, deployment, request)  # first, since it refuses what is wrong with the filters
    return _Known(questions.scores(deployment, _question(target, request)), allowed)


def _allowed(
    target: Target, deployment: Deployment, request: dict[str, Any], others: Sequence[str] | None = None
) -> Mask | None:
    """What the request's filter and the automatic one leave of the model's items, or of others."""
    return _together([questions.mask(deployment, each, others) for each in _filters(target, request)])


def _together(masks: list[Mask]) -> Mask | None:
    """What all of them allow; None where there are none."""
    return masks[0] if len(masks) == 1 else np.all(masks, axis=0) if masks else None


def _promotion(
    target: Target, deployment: Deployment, request: dict[str, Any], promotions: list[dict[str, Any]], wanted: int
) -> ranked_items.Promotion:
    """The request's promotion; the request's own filter does not hold for its items (spec 4.3)."""
    if not target.promotes:
        raise InvalidInputException(f"{target.name} does not take promotions: leave them out.")
    promoted = promotions[0]
    for member in ("name", "percentPromotedItems", "filterArn"):
        if member not in promoted:
            raise InvalidInputException(f"promotions[0].{member} is required.")
    filter_, values = target.group.filter(promoted["filterArn"]), promoted.get("filterValues", {})
    asked = FilterQuestion(filter_, values, request.get("userId"), _item(target, request))
    places = wanted * promoted["percentPromotedItems"] // 100
    return ranked_items.Promotion(promoted["name"], places, questions.mask(deployment, asked))


def _columns(target: Target, request: dict[str, Any]) -> tuple[str, ...]:
    """The Items columns that the answer is to show; raises InvalidInput (spec 4.1)."""
    asked = request.get("metadataColumns", {})
    if not asked:
        return ()
    if not target.metadata:
        raise InvalidInputException(
            "metadataColumns needs enableMetadataWithRecommendations in campaignConfig or recommenderConfig."
        )
    items = target.group.dataset("ITEMS")
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


def _listed(
    listed: str, target: Target, deployment: Deployment, ranking: Ranking, columns: tuple[str, ...], *, written: bool
) -> dict[str, Any]:
    """written: whether each item is to be given as JSON already."""
    items, ids = ranking.items, ranking.ids()
    if columns:
        shown = metadata.of_items(deployment, ids, columns)
        items = [replace(item, metadata=values or None) for item, values in zip(items, shown, strict=True)]
    made = _remembered(deployment.workspace, target, ids, ranking.propensities)
    return {listed: ranking.texts() if written else items, "recommendationId": made}


def _remembered(workspace: Workspace, target: Target, ids: list[str], propensities: list[float] | None = None) -> str:
    """The recommendationId under which events will name this answer (spec recipes-and-runtime 7, "Impressions")."""
    now = workspace.clock()
    made = new_id(now)
    workspace.recommendation_log.remember(LoggedAnswer(made, now, target.arn, target.group.arn, ids, propensities))
    return made


ANSWERS: dict[str, tuple[str, _Answer]] = {
    "get_recommendations": ("GetRecommendations", _recommendations),
    "get_personalized_ranking": ("GetPersonalizedRanking", _personalized_ranking),
    "get_action_recommendations": ("GetActionRecommendations", _actions),
}
"""The operation's name, as recipe types have it, and what answers."""
QUICK = ("get_recommendations", "get_personalized_ranking")
"""What may be answered in the event loop, see `at_hand`."""

OPERATIONS = {function: partial(answered, function) for function in ANSWERS}

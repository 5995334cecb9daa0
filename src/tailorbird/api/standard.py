"""Describe, List, Delete and tags: for every resource type at once.

Every answer is the document, or a part of it that `wire` cuts out by the operation's output shape.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from tailorbird.api import lifecycle
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import (
    InvalidInputException,
    InvalidNextTokenException,
    ResourceInUseException,
    TooManyTagKeysException,
)
from tailorbird.workspace import Workspace

Operation = Callable[[Workspace, dict[str, Any]], dict[str, Any] | None]

PAGE = 100
"""Entries of a page where a request does not say (spec control-plane 1.4)."""
LAST = 2**63
"""No number of a document, or of a row of a list, comes up to this."""
_VERSION = re.compile(r"(?P<solution>.+:solution/[^/]+)/[^/]+")
_SOLUTION = re.compile(r".+:solution/[^/]+")
OWN = "arn:aws:personalize:::"
"""What the ARNs of recipes, algorithms and feature transformations begin with, which have no account."""


def operations(resource: Resource) -> dict[str, Operation]:
    """The operations that every resource has, by the names of their functions."""
    noun = lifecycle.words(resource.name).replace(" ", "_")
    table: dict[str, Operation] = {
        f"describe_{noun}": partial(_describe, resource),
        f"list_{noun}s": partial(page_of_documents, resource),
    }
    if resource.deletable:
        table[f"delete_{noun}"] = partial(_delete, resource)
    return table


def _describe(resource: Resource, workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    return {resource.member: lifecycle.find(workspace, resource.name, request[resource.arn_member])}


def _delete(resource: Resource, workspace: Workspace, request: dict[str, Any]) -> None:
    lifecycle.delete(workspace, resource, request[resource.arn_member])


def page_of_documents(resource: Resource, workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """A page of documents; all members of the request but the paging ones select."""
    limit = request.get("maxResults", PAGE)
    chosen = {name: value for name, value in meant(request).items() if name not in ("maxResults", "nextToken")}
    found = workspace.catalogue.select(
        resource.name,
        chosen,
        prefix=workspace.arn_prefix,
        after=_read_token(resource.plural, request.get("nextToken")),
        limit=limit + 1,
        newest_first=resource.newest_first,
    )
    page: dict[str, Any] = {resource.plural: [document for _, document in found[:limit]]}
    if len(found) > limit:
        page["nextToken"] = token(resource.plural, found[limit - 1][0])
    return page


def meant(request: dict[str, Any]) -> dict[str, Any]:
    """The request of a list, with a solution's ARN where it has one for its version's, or the other way round.

    A version stands for its solution, as Amazon's own clean-up sample has it, and a solution for all its versions.
    """
    if version := _VERSION.fullmatch(request.get("solutionArn", "")):
        return request | {"solutionArn": version["solution"]}
    named = request.get("solutionVersionArn", "")
    if _SOLUTION.fullmatch(named):
        others = {name: value for name, value in request.items() if name != "solutionVersionArn"}
        return others | {"solutionArn": named}
    return request


def token(listed: str, after: int) -> str:
    """An opaque page token: the list that it belongs to and the last number that was shown."""
    return base64.urlsafe_b64encode(msgspec.json.encode([listed, after])).decode()


def _read_token(listed: str, text: str | None) -> int:
    if text is None:
        return 0
    try:
        of, after = msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=tuple[str, int])
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise InvalidNextTokenException("The nextToken is not one that this service gave out.") from error
    if of != listed or not 0 <= after < LAST:
        raise InvalidNextTokenException("The nextToken belongs to another list.")
    return after


def page_of_rows(listed: str, rows: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """A page of rows that are not in the catalogue."""
    limit, start = request.get("maxResults", PAGE), _read_token(listed, request.get("nextToken"))
    page: dict[str, Any] = {listed: rows[start : start + limit]}
    if start + limit < len(rows):
        page["nextToken"] = token(listed, start + limit)
    return page


def _taggable(workspace: Workspace, resources: dict[str, Resource], arn: str, changing: bool = False) -> None:
    """Raises InvalidInput for a type without tags, ResourceNotFound, ResourceInUse for changes while it is deleted."""
    if arn.startswith(OWN):
        raise InvalidInputException(f"{arn} belongs to the service and cannot have tags.")
    for resource in resources.values() if arn.startswith(workspace.arn_prefix) else ():
        document = workspace.catalogue.get(arn, resource.name)
        if document is not None:
            if not resource.taggable:
                raise InvalidInputException(f"A {lifecycle.words(resource.name)} cannot have tags.")
            if changing and document.get("status") in lifecycle.DELETING:
                raise ResourceInUseException(f"{arn} is being deleted; its tags cannot be changed any more.")
            return
    raise lifecycle.not_found("", arn)


def tag_operations(resources: dict[str, Resource]) -> dict[str, Operation]:
    """TagResource, UntagResource, ListTagsForResource over all resource types."""

    @lifecycle.atomic
    def tag_resource(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
        _taggable(workspace, resources, request["resourceArn"], changing=True)
        workspace.catalogue.update(
            request["resourceArn"],
            lambda old: old | {"tags": lifecycle.checked_tags(request["tags"], old.get("tags", {}))},
        )
        return {}

    @lifecycle.atomic
    def untag_resource(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
        _taggable(workspace, resources, request["resourceArn"], changing=True)
        gone = set(request["tagKeys"])
        if len(gone) > lifecycle.TAGS_PER_RESOURCE:
            raise TooManyTagKeysException(
                f"tagKeys holds {len(gone)} keys; a resource has {lifecycle.TAGS_PER_RESOURCE} tags at most."
            )
        workspace.catalogue.update(
            request["resourceArn"],
            lambda old: old | {"tags": {key: value for key, value in old.get("tags", {}).items() if key not in gone}},
        )
        return {}

    def list_tags_for_resource(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
        _taggable(workspace, resources, request["resourceArn"])
        document = workspace.catalogue.get(request["resourceArn"]) or {}
        return {"tags": [{"tagKey": key, "tagValue": value} for key, value in document.get("tags", {}).items()]}

    return {f.__name__: f for f in (tag_resource, untag_resource, list_tags_for_resource)}

"""Batch segment jobs: for each line the users who will like an item, or items with certain attributes.

Source: spec recipes-and-runtime 6.3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tailorbird.api import batch, deployments, lifecycle, lookup, runtime
from tailorbird.api.lifecycle import Resource
from tailorbird.errors import InvalidInputException
from tailorbird.filters import syntax
from tailorbird.recipes import affinity, recipe_names
from tailorbird.recipes.recipe import Recipe
from tailorbird.serving import segments
from tailorbird.serving.segments import Audience
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

MOST_RESULTS = 5_000_000
"""Users of a line (spec recipes-and-runtime 6.3)."""
LINES_AT_ONCE = 500
"""All that AWS takes in a job (spec recipes-and-runtime 6.3), so that users are scored once for all of them."""


def select(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Answers every line of every input file; a line that cannot be answered gets its `error`."""
    asked = batch.target_of(workspace, document)
    progress(0.0, "reading the users")
    audience = segments.audience(workspace, asked.deployment)
    users = len(audience.population.interactions.users)

    def answering(workspace: Workspace, document: Document) -> batch.Answered:
        return partial(_answers, audience, asked.filter, document["numResults"])

    lines_at_once = int(np.clip(affinity.PAIRS_AT_ONCE // max(1, users), 1, LINES_AT_ONCE))
    return batch.run(workspace, document, answering, lines_at_once, progress)


def _answers(audience: Audience, filter_: syntax.Filter | None, count: int, lines: list[bytes]) -> list[Document]:
    """One answer a line, in the order of the lines; all users are scored once for all of them."""
    (member,) = audience.deployment.served.recipe.recipe_type.line

    def prepare(request: Document) -> tuple[Any, Any]:
        target = segments.TARGETS[member](audience, request[member])
        return target, segments.mask(audience, filter_, request["filterValues"]) if filter_ else None

    answers, waiting = batch.open_lines(lines, (member,), prepare, filter_)
    if waiting:
        targets, allowed = zip(*(needed for _, needed in waiting), strict=True)
        for (answer, _), users in zip(waiting, segments.top(audience, targets, allowed, count), strict=True):
            answer["output"] = {"usersList": users}
    return answers


RESOURCE = Resource(
    "BatchSegmentJob",
    arn="{jobName}",
    deletable=False,
    parents=("SolutionVersion",),
    job=select,
)


def create_batch_segment_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The paths are looked at by the job; what is wrong with them shows as its failureReason."""
    count = request.get("numResults", runtime.DEFAULT_RESULTS)
    if not 1 <= count <= MOST_RESULTS:
        raise InvalidInputException(f"numResults must be 1 to {MOST_RESULTS}; given: {count}.")
    version = lookup.trained_version(workspace, request["solutionVersionArn"])
    recipe = lookup.recipe(version["recipeArn"])
    if recipe.recipe_type.batch_job != RESOURCE.name:
        able = recipe_names(lambda each: each.recipe_type.batch_job == RESOURCE.name)
        raise InvalidInputException(f"{recipe.name} makes no segments: use a solution of one of {able}.")
    if "filterArn" in request:
        group = deployments.group(workspace, version["datasetGroupArn"])
        _check_filter(group.filter(request["filterArn"]), recipe)
    return lifecycle.create(workspace, RESOURCE, {"numResults": count} | request, solutionArn=version["solutionArn"])


def _check_filter(filter_: syntax.Filter, recipe: Recipe) -> None:
    """Raises InvalidInput for a filter that selects no users, or that the recipe cannot use (spec 5.5, row 30)."""
    if filter_.target.upper() != "USERID":
        raise InvalidInputException(f"The filter selects {filter_.target}; a segment needs one of UserID.")
    if "itemAttributes" in recipe.recipe_type.line and any(c.dataset in syntax.EVENT_DATASETS for c in filter_.columns):
        raise InvalidInputException(f"{recipe.name} takes no filter on Interactions: filter by Users only.")


OPERATIONS = {"create_batch_segment_job": create_batch_segment_job}

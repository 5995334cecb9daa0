"""Batch inference jobs: JSON lines in, JSON lines out (spec recipes-and-runtime 6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tailorbird.api import batch, deployments, lifecycle, runtime, serving_config, updates
from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import filter as filters
from tailorbird.api.resources import recipe as recipes
from tailorbird.api.resources import solution_version
from tailorbird.errors import InvalidInputException
from tailorbird.filters import syntax
from tailorbird.serving import recommend
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.recommend import Deployment
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

LINES_AT_ONCE = 256


def infer(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Answers every line of every input file; a line that cannot be answered gets its `error`."""
    version = solution_version.trained(workspace, document["solutionVersionArn"])
    explores = None
    if recipes.of_arn(version["recipeArn"]).explores:
        explores = serving_config.exploration(document.get("batchInferenceJobConfig", {}))
        if updates.takes_updates(workspace, version):
            updates.update(workspace, version)
    asked = batch.opened(workspace, document)
    answered = partial(_answers, workspace, asked.deployment, asked.filter, document["numResults"], explores)
    return batch.run(workspace, document, answered, LINES_AT_ONCE, progress)


def _answers(
    workspace: Workspace,
    deployment: Deployment,
    filter_: syntax.Filter | None,
    count: int,
    explores: Exploration | None,
    lines: list[bytes],
) -> list[Document]:
    """One answer a line, in the order of the lines; scored together."""

    def prepare(request: Document) -> tuple[Any, Any]:
        question = recommend.query(workspace, deployment, request.get("userId"), request.get("itemId"))
        return question, deployments.mask(workspace, deployment, filter_, request) if filter_ else None

    answers, waiting = batch.asked(lines, deployment.served.recipe.batch_members, prepare)
    scores = deployment.served.model.score([question for _, (question, _) in waiting]) if waiting else ()
    for (answer, (_, allowed)), row in zip(waiting, scores, strict=True):
        if "itemList" in answer["input"]:
            ranked = recommend.reorder(deployment.served, row, answer["input"]["itemList"], allowed)
        else:
            ranked = recommend.top(deployment.served, row, allowed, count, explores)
        answer["output"] = {"recommendedItems": [each.item for each in ranked]}
        if deployment.served.recipe.answers_scores:
            answer["output"]["scores"] = [each.score for each in ranked]
        if deployment.served.recipe.candidates:
            answer["output"]["reasons"] = [each.reason() for each in ranked]
    return answers


RESOURCE = Resource(
    "BatchInferenceJob",
    arn="batch-inference-job/{jobName}",
    parents=("solutionVersionArn",),
    job=infer,
)


def create_batch_inference_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The paths are looked at by the job; what is wrong with them shows as its failureReason."""
    mode = request.get("batchInferenceJobMode", "BATCH_INFERENCE")
    if mode != "BATCH_INFERENCE":
        raise InvalidInputException(f"batchInferenceJobMode {mode} is not available yet.")
    if not 1 <= request.get("numResults", runtime.DEFAULT_RESULTS) <= runtime.MOST_RESULTS:
        raise InvalidInputException(f"numResults must be 1 to {runtime.MOST_RESULTS}.")
    version = solution_version.trained(workspace, request["solutionVersionArn"])
    recipe = recipes.of_arn(version["recipeArn"])
    if not recipe.batch_members:
        raise InvalidInputException(
            f"{recipe.name} does no batch inference; ask a campaign, or make a batch segment job of an affinity recipe."
        )
    config = request.get("batchInferenceJobConfig", {})
    serving_config.check("batchInferenceJobConfig", config, recipe.name, recipe.explores)
    if "filterArn" in request:
        lifecycle.find(workspace, filters.RESOURCE, request["filterArn"])
        deployments.found_filter(workspace, request["filterArn"], version["datasetGroupArn"])
    defaults = {"numResults": runtime.DEFAULT_RESULTS, "batchInferenceJobMode": mode}
    return lifecycle.create(workspace, RESOURCE, defaults | request, solutionArn=version["solutionArn"])


OPERATIONS = {"create_batch_inference_job": create_batch_inference_job}

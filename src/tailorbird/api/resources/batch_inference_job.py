"""Batch inference jobs: JSON lines in, JSON lines out (spec recipes-and-runtime 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from tailorbird import messages
from tailorbird.api import deployments, lifecycle, runtime, serving_config
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import filter as filters
from tailorbird.api.resources import recipe as recipes
from tailorbird.api.resources import solution_version
from tailorbird.errors import AwsError, InvalidInputException
from tailorbird.filters import syntax
from tailorbird.serving import recommend
from tailorbird.serving.recommend import Deployment
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError
from tailorbird.workspace import Workspace

LINES_AT_ONCE = 256
LONGEST_LINE = 1 << 20
CHECK = "_CHECK"
"""Name of the object that shows, before any work, that the output can be written (spec recipes-and-runtime 6.1)."""


def infer(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Answers every line of every input file; a line that cannot be answered gets its `error`."""
    version = solution_version.trained(workspace, document["solutionVersionArn"])
    deployment = deployments.opened(workspace, version["solutionVersionArn"], version["datasetGroupArn"])
    filter_ = None
    if "filterArn" in document:
        filter_ = deployments.found_filter(workspace, document["filterArn"], version["datasetGroupArn"])
    output = document["jobOutput"]["s3DataDestination"]["path"].rstrip("/") + "/"
    try:
        inputs = workspace.objects.files(document["jobInput"]["s3DataSource"]["path"])
    except ObjectError as error:
        raise JobFailed(f"{messages.BATCH_INPUT}. {error}") from error
    if not inputs:
        raise JobFailed(f"{messages.BATCH_INPUT}. There is no file under it.")
    total, done, failed = sum(file.size for file in inputs) or 1, 0, 0
    try:
        with workspace.objects.writer(output + CHECK):
            pass
        for file in inputs:
            with (
                workspace.objects.open(file.uri) as source,
                workspace.objects.writer(f"{output}{file.name}.out") as out,
            ):
                while lines := list(islice(_lines(source), LINES_AT_ONCE)):
                    answers = _answers(workspace, deployment, filter_, lines, document["numResults"])
                    out.writelines(msgspec.json.encode(answer) + b"\n" for answer in answers)
                    done += sum(map(len, lines))
                    failed += sum(answer["error"] is not None for answer in answers)
                    progress(min(0.99, done / total), f"{file.name}: {done} of {total} bytes, {failed} errors")
    except ObjectError as error:
        raise JobFailed(f"{messages.BATCH_OUTPUT}. {error}") from error
    return {"_report": {"bytesRead": done, "linesFailed": failed}}


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines that hold something; an over-long one is given cut, so that its answer is an error."""
    while line := source.readline(LONGEST_LINE):
        if line.strip():
            yield line


def _answers(
    workspace: Workspace,
    deployment: Deployment,
    filter_: syntax.Filter | None,
    lines: list[bytes],
    count: int,
) -> list[Document]:
    """One answer a line, in the order of the lines; scored together."""
    asked: list[tuple[Document, Any]] = []
    answers: list[Document] = []
    for line in lines:
        answer: Document = {"input": line.decode(errors="replace").strip(), "output": None, "error": None}
        answers.append(answer)
        try:
            answer["input"] = request = _read(line, deployment.served.recipe.batch_members)
            item = request.get("itemId")
            question = recommend.query(workspace, deployment, request.get("userId"), item)
            allowed = deployments.mask(workspace, deployment, filter_, request) if filter_ else None
            asked.append((answer, (request, question, allowed)))
        except AwsError as error:
            answer["error"] = error.message
    if not asked:
        return answers
    scores = deployment.served.model.score([question for _, (_, question, _) in asked])
    for (answer, (request, _, allowed)), row in zip(asked, scores, strict=True):
        if "itemList" in request:
            ranked = recommend.reorder(deployment.served, row, request["itemList"], allowed)
        else:
            ranked = recommend.top(deployment.served, row, allowed, count)
        answer["output"] = {"recommendedItems": [each.item for each in ranked]}
        if deployment.served.recipe.answers_scores:
            answer["output"]["scores"] = [each.score for each in ranked]
    return answers


def _read(line: bytes, needed: tuple[str, ...]) -> Document:
    """A line as a request; raises InvalidInput saying what a line must hold."""
    try:
        request = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputException(f"The line is not JSON: {error}") from error
    example = ", ".join(f'"{name}": ' + ('["..."]' if name == "itemList" else '"..."') for name in needed)
    if not isinstance(request, dict):
        raise InvalidInputException(f"A line must be an object such as {{{example}}}.")
    for name in needed:
        value = request.get(name)
        right = (
            isinstance(value, list) and all(isinstance(v, str) for v in value)
            if name == "itemList"
            else isinstance(value, str)
        )
        if not right or not value:
            raise InvalidInputException(f"{name} is missing or of the wrong type; a line looks like {{{example}}}.")
    values = request.get("filterValues", {})
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise InvalidInputException("filterValues must be an object of strings.")
    return request


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
    config = request.get("batchInferenceJobConfig", {})
    serving_config.check("batchInferenceJobConfig", config, recipe.name, recipe.explores)
    if "filterArn" in request:
        lifecycle.find(workspace, filters.RESOURCE, request["filterArn"])
        deployments.found_filter(workspace, request["filterArn"], version["datasetGroupArn"])
    defaults = {"numResults": runtime.DEFAULT_RESULTS, "batchInferenceJobMode": mode}
    return lifecycle.create(workspace, RESOURCE, defaults | request, solutionArn=version["solutionArn"])


OPERATIONS = {"create_batch_inference_job": create_batch_inference_job}

"""What batch inference and batch segment jobs share: files of JSON lines in, a file of answers for each.

Source: spec recipes-and-runtime 6.1. An output file appears when it is complete, so a job may run twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from tailorbird import messages
from tailorbird.api import deployments
from tailorbird.api.lifecycle import JobFailed
from tailorbird.api.resources import solution_version
from tailorbird.errors import AwsError, InvalidInputException
from tailorbird.filters import syntax
from tailorbird.serving.recommend import Deployment
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError
from tailorbird.workspace import Workspace

LONGEST_LINE = 1 << 20
CHECK = "_CHECK"
"""Name of the object that shows, before any work, that the output can be written (spec recipes-and-runtime 6.1)."""

Asked = tuple[Document, Any]
"""An answer that waits for its `output`, and what is needed to find it."""


@dataclass(frozen=True)
class Opened:
    """What a job asks."""

    deployment: Deployment
    filter: syntax.Filter | None


def opened(workspace: Workspace, document: Document) -> Opened:
    """The model and the filter that a job's document names; raises InvalidInput, ResourceNotFound."""
    version = solution_version.trained(workspace, document["solutionVersionArn"])
    group = version["datasetGroupArn"]
    deployment = deployments.opened(workspace, version["solutionVersionArn"], group)
    named = document.get("filterArn")
    return Opened(deployment, deployments.found_filter(workspace, named, group) if named else None)


def check_folders(request: Document) -> None:
    """Raises InvalidInput where the answers would lie beside what is asked (spec control-plane 3.3)."""
    asked, answers = request["jobInput"]["s3DataSource"]["path"], _folder(request)
    if asked[: asked.rfind("/") + 1] == answers:
        raise InvalidInputException(
            f"jobOutput.s3DataDestination.path: {answers} is the folder of the input. Name a different folder."
        )


def _folder(document: Document) -> str:
    """Where the output goes, with a slash at the end."""
    return str(document["jobOutput"]["s3DataDestination"]["path"]).rstrip("/") + "/"


def run(
    workspace: Workspace,
    document: Document,
    answered: Callable[[list[bytes]], list[Document]],
    lines_at_once: int,
    progress: Callable[[float, str], None],
    most_lines: float = math.inf,
) -> Document:
    """Has every line of every input file answered, some at a time; raises JobFailed for a wrong path.

    answered: from lines to one answer each, with `input`, `output` and `error`. most_lines: of all files together.
    """
    output = _folder(document)
    try:
        inputs = workspace.objects.files(document["jobInput"]["s3DataSource"]["path"])
    except ObjectError as error:
        raise JobFailed(f"{messages.BATCH_INPUT}. {error}") from error
    if not inputs:
        raise JobFailed(f"{messages.BATCH_INPUT}. There is no file under it.")
    total, done, failed, count = sum(file.size for file in inputs) or 1, 0, 0, 0
    try:
        with workspace.objects.writer(output + CHECK):
            pass
        for file in inputs:
            with (
                workspace.objects.open(file.uri) as source,
                workspace.objects.writer(f"{output}{file.name}.out") as out,
            ):
                while lines := list(islice(_lines(source), lines_at_once)):
                    count += len(lines)
                    if count > most_lines:
                        raise JobFailed(f"Such a job takes {most_lines} input lines at most: make several jobs.")
                    answers = answered(lines)
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
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = source.readline(LONGEST_LINE)
        if line.strip():
            yield line


def asked(
    lines: Sequence[bytes], needed: tuple[str, ...], prepare: Callable[[Document], Any]
) -> tuple[list[Document], list[Asked]]:
    """One answer a line, and those that wait for their output: the others have their `error` already.

    needed: what a line must hold. prepare: from a line to what is needed to answer it; may raise AwsError.
    """
    answers: list[Document] = []
    waiting: list[Asked] = []
    for line in lines:
        answer: Document = {"input": line.decode(errors="replace").strip(), "output": None, "error": None}
        answers.append(answer)
        try:
            answer["input"] = _decoded(line)
            _check(answer["input"], needed)
            waiting.append((answer, prepare(answer["input"])))
        except AwsError as error:
            answer["error"] = error.message
    return answers, waiting


def _decoded(line: bytes) -> Any:
    """A line's JSON; raises InvalidInput where it is none."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputException(f"The line is not JSON: {error}") from error


def _check(request: Any, needed: tuple[str, ...]) -> None:
    """Raises InvalidInput saying what a line must hold."""
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

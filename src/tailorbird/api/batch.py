"""What batch inference and batch segment jobs share: files of JSON lines in, a file of answers for each.

Source: spec recipes-and-runtime 6.1. An output file appears when it is complete, so a job may run twice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from tailorbird import aws_texts, json_text
from tailorbird.api import batch_helpers, deployments, lookup
from tailorbird.api.lifecycle import JobFailed
from tailorbird.data.null_words import is_null_name
from tailorbird.data.values import NUMBER
from tailorbird.errors import AwsError, InvalidInputException
from tailorbird.filters import syntax
from tailorbird.serving.questions import Deployment
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError, ObjectFile
from tailorbird.workspace import Workspace

LONGEST_LINE = 1 << 20
"""Bytes: six times a list of 500 ids of 256 letters with 25 filter values of 1000 (spec recipes-and-runtime 4.1)."""
CHECK = "_CHECK"
"""Name of the object that shows, before any work, that the output can be written (spec recipes-and-runtime 6.1)."""
ANSWERS = ".out"
"""What the name of a file of answers adds to that of its input."""
_BOM = b"\xef\xbb\xbf"

TEXTS = ("userId", "itemId", "itemAttributes")
"""Members of a line that are one text."""


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


_UNREADABLE: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda line: line.startswith(b"\x1f\x8b"), "The file is packed with gzip: unpack it"),
    (lambda line: b"\0" in line, "The file is UTF-16 or no text: save it as UTF-8"),
    (lambda line: not _is_utf8(line), "The line is not UTF-8: save the file as UTF-8"),
    (lambda line: line.strip() in (b"[", b"{"), "Here begins JSON of several lines: write each object on one line"),
    (lambda line: not line.lstrip().startswith((b"{", b"[")), "The line is no JSON object, as lines of CSV are not"),
)
"""What a line is that is not JSON, the first that holds."""

_DEFECTS = (ArithmeticError, LookupError, TypeError, ValueError)
"""Errors of code that meets what a line says; those of the machine, such as no memory, are the job's."""

OpenLine = tuple[Document, Any]
"""An answer that waits for its `output`, and what is needed to find it."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchTarget:
    """What a job asks."""

    deployment: Deployment
    filter: syntax.Filter | None


def target_of(workspace: Workspace, document: Document) -> BatchTarget:
    """The model and the filter that a job's document names; raises InvalidInput, ResourceNotFound."""
    version = lookup.trained_version(workspace, document["solutionVersionArn"])
    group = deployments.group(workspace, version["datasetGroupArn"])
    deployment = deployments.deployment_of(workspace, version["solutionVersionArn"], group)
    named = document.get("filterArn")
    return BatchTarget(deployment, group.filter(named) if named else None)


def _folder(document: Document) -> str:
    """Where the output goes, with a slash at the end."""
    return str(document["jobOutput"]["s3DataDestination"]["path"]).rstrip("/") + "/"


@dataclass(frozen=True)
class Answers:
    """Those to some lines, as their file has them."""

    text: bytes
    failed: int
    first: str
    """The first error; empty without one."""
    filtered: bool
    """Whether a line has values for a filter."""


Answered = Callable[[list[bytes]], list[Document]]
"""From lines to one answer each, with `input`, `output` and `error`."""


@dataclass
class _Count:
    """What became of the lines so far."""

    read: int = 0
    """Bytes."""
    lines: int = 0
    failed: int = 0
    first: str = ""
    """The first file with an error, and the error."""

    def add(self, file: ObjectFile, lines: list[bytes], found: Answers) -> None:
        self.read += sum(map(len, lines))
        self.lines += len(lines)
        self.failed += found.failed
        if found.failed and not self.first:
            self.first = f"{file.name}: {found.first}"

    def outcome(self) -> Document:
        """The job's report, and a reason where it has no answer to show (AWS documents neither)."""
        report: Document = {"bytesRead": self.read, "linesRead": self.lines, "linesFailed": self.failed}
        if self.failed:
            report["firstError"] = self.first
        if self.lines > self.failed:
            return {"_report": report}
        failed = f"Every line failed, {self.failed} in all. The first error is in {self.first}"
        return {"_report": report, "failureReason": failed if self.failed else "The input has no line to answer."}


def run(
    workspace: Workspace,
    document: Document,
    answering: Callable[[Workspace, Document], Answered],
    lines_at_once: int,
    progress: Callable[[float, str], None],
    most_lines: float = math.inf,
    *,
    helped: bool = False,
) -> Document:
    """Has every line of every input file answered, some at a time; raises JobFailed for a wrong path.

    answering: what answers lines, made of the job's document. most_lines: of all files together. helped: whether other
    processes may make it too and answer some of the lines.
    """
    output = _folder(document)
    inputs = _inputs(workspace, document["jobInput"]["s3DataSource"]["path"])
    total, count = sum(file.size for file in inputs) or 1, _Count()
    making = partial(_making, answering)
    helped = helped and workspace.config.executor == "processes"
    start = partial(batch_helpers.helpers, workspace, document, making) if helped else None

    def blocks(source: BinaryIO) -> Iterator[list[bytes]]:
        taken = count.lines
        while lines := list(islice(_lines(source), lines_at_once)):
            taken += len(lines)
            if taken > most_lines:
                raise JobFailed(f"Such a job takes {most_lines} input lines at most: make several jobs.")
            yield lines

    try:
        with workspace.objects.writer(output + CHECK):
            pass
        with batch_helpers.Crew(making(workspace, document), total, start) as crew:
            for file in inputs:
                with (
                    workspace.objects.open(file.uri) as source,
                    workspace.objects.writer(f"{output}{file.name}{ANSWERS}") as out,
                ):
                    for lines, found in crew.answered(blocks(source)):
                        if "filterArn" not in document and found.filtered:
                            _tell_unfiltered(workspace, document)
                        out.write(found.text)
                        count.add(file, lines, found)
                        done = f"{file.name}: {count.read} of {total} bytes, {count.failed} errors"
                        progress(min(0.99, count.read / total), done)
    except ObjectError as error:
        raise JobFailed(f"{aws_texts.BATCH_OUTPUT}. {error}") from error
    return count.outcome()


def _making(
    answering: Callable[[Workspace, Document], Answered], workspace: Workspace, document: Document
) -> Callable[[list[bytes]], Answers]:
    return partial(_answers, answering(workspace, document))


def _answers(answered: Answered, lines: list[bytes]) -> Answers:
    found = answered(lines)
    errors = [answer["error"] for answer in found if answer["error"] is not None]
    text = b"".join([json_text.encode(answer) + b"\n" for answer in found])
    return Answers(text, len(errors), errors[0] if errors else "", any(map(_has_values, found)))


def _tell_unfiltered(workspace: Workspace, document: Document) -> None:
    of = "lines of batch jobs have filterValues, the jobs no filterArn"
    deployments.tell_unfiltered(workspace, document["solutionVersionArn"], of)


def _has_values(answer: Document) -> bool:
    return isinstance(answer["input"], dict) and bool(answer["input"].get("filterValues"))


def _inputs(workspace: Workspace, path: str) -> list[ObjectFile]:
    """The files of lines at the path; of a folder without what batch jobs wrote there (spec control-plane 3.3)."""
    try:
        found = workspace.objects.files(path)
    except ObjectError as error:
        raise JobFailed(f"{aws_texts.BATCH_INPUT}. {error}") from error
    inputs = [file for file in found if not path.endswith("/") or not _is_ours(file.name)]
    if not inputs:
        but = f" but what batch jobs wrote there (*{ANSWERS}, {CHECK})" if found else ""
        raise JobFailed(f"{aws_texts.BATCH_INPUT}. There is no file under it{but}.")
    return inputs


def _is_ours(name: str) -> bool:
    return name.endswith(ANSWERS) or name.rpartition("/")[2] == CHECK


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines that hold something; an over-long one is given cut, so that its answer is an error."""
    while line := source.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = source.readline(LONGEST_LINE)
        if line.removeprefix(_BOM).strip():
            yield line


def open_lines(
    lines: Sequence[bytes],
    needed: tuple[str, ...],
    prepare: Callable[[Document], Any],
    filter_: syntax.Filter | None = None,
) -> tuple[list[Document], list[OpenLine]]:
    """One answer a line, and those that wait for their output: the others have their `error` already.

    needed: what a line must hold. prepare: from what a line asks to what is needed to answer it; may raise AwsError.
    filter_: the job's, whose placeholders are named in filterValues.
    """
    answers: list[Document] = []
    waiting: list[OpenLine] = []
    for line in lines:
        text = line.removeprefix(_BOM)  # editors on Windows begin a file so
        answer: Document = {"input": text.decode(errors="replace").strip(), "output": None, "error": None}
        answers.append(answer)
        try:
            answer["input"] = _decode(text, needed)
            question = _question(answer["input"], needed)
            _check_places(answer["input"], filter_.parameters if filter_ else ())
            waiting.append((answer, prepare(question)))
        except AwsError as error:
            answer["error"] = error.message
        except _DEFECTS as error:
            # The job's other lines, which may be a million, are answered all the same.
            log.exception("a line was not answered, by a defect")
            answer["error"] = f"Internal error ({type(error).__name__}); the server's log has the details."
    return answers, waiting


def _example(needed: tuple[str, ...]) -> str:
    """A line that holds what is needed."""
    members = (f'"{name}": ' + ('["..."]' if name == "itemList" else '"..."') for name in needed)
    return f"{{{', '.join(members)}}}"


def _decode(line: bytes, needed: tuple[str, ...]) -> Any:
    """A line's JSON; raises InvalidInput where it is none, saying what it is instead."""
    try:
        return json_text.decode(line)
    except ValueError as error:
        found = next((words for is_so, words in _UNREADABLE if is_so(line)), f"The line is not JSON: {error}")
        raise InvalidInputException(f"{found}; a line looks like {_example(needed)}.") from error


def _question(given: Any, needed: tuple[str, ...]) -> Document:
    """What a line asks, whole numbers as the text that ids are; raises InvalidInput saying what it must hold."""
    if not isinstance(given, dict):
        kind = ", not a list of them" if isinstance(given, list) else ""
        raise InvalidInputException(f"A line must be an object such as {_example(needed)}{kind}.")
    texts = {name: _text(name, given[name]) for name in TEXTS if name in given}
    found: Document = {name: text for name, text in texts.items() if not is_null_name(text)}
    if isinstance(given.get("itemList"), list):
        found["itemList"] = [_item(number, each) for number, each in enumerate(given["itemList"])]
    if missing := [name for name in needed if not found.get(name)]:
        kind = "empty, missing or no list" if missing[0] == "itemList" else "missing or no text"
        raise InvalidInputException(f"{missing[0]} is {kind}; a line looks like {_example(needed)}.")
    return found | {"filterValues": _values(given.get("filterValues"))}


def _item(number: int, value: Any) -> str:
    name = f"itemList[{number}]"
    text = _text(name, value)
    if is_null_name(text):
        shown = json_text.encode(value).decode()
        raise InvalidInputException(f"{name} is {shown}, which is no item id: leave it out, or write it as a text.")
    return text


def _values(given: Any) -> dict[str, str]:
    """The filterValues of a line; none where they are left out or null."""
    values = {} if given is None else given
    if not isinstance(values, dict) or not all(_is_value(value) for value in values.values()):
        raise InvalidInputException(
            'filterValues must be an object of texts such as {"GENRE": "\\"Comedy\\",\\"Drama\\""}.'
        )
    return {name: _listed(value) if isinstance(value, list) else str(value) for name, value in values.items()}


def _is_value(value: Any) -> bool:
    """Whether it is a text, a number, or a list of such that can be written as one text."""
    if isinstance(value, list):
        return all(_is_value(each) and not isinstance(each, list) and '"' not in str(each) for each in value)
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _listed(values: list[Any]) -> str:
    return ",".join(f'"{each}"' for each in values)


def _check_places(given: Document, placeholders: tuple[str, ...]) -> None:
    """Raises InvalidInput for values of the filter in a wrong place: the line would be answered as if without them."""
    inside = given.get("filterValues") or {}
    for name in given if placeholders else ():
        if name.lower().replace("_", "") == "filtervalues" and name != "filterValues":
            raise InvalidInputException(f"{name} must be written filterValues.")
        if name in placeholders and name not in (*TEXTS, "itemList", *inside):
            raise InvalidInputException(f'{name} belongs into filterValues: "filterValues": {{"{name}": "..."}}.')


def _text(name: str, value: Any) -> str:
    """A text, also where it is written as a whole number; empty where it is neither."""
    if isinstance(value, float):
        raise InvalidInputException(NUMBER.format(name=name, value=value) + ".")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

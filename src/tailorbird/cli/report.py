"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn

from tailorbird.api import extensions, lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.cli.bars import Bars
from tailorbird.cli.columns import aligned
from tailorbird.config import Config
from tailorbird.evaluation.beyond_accuracy import TWO_NDCGS
from tailorbird.ingest.import_report import EXAMPLES_SHOWN
from tailorbird.numbers import counted
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

FOLLOW_SECONDS = 0.5
"""Between two looks at a job: as often as a worker tells of it (jobs/lease.py)."""
REMARK_LETTERS = 120
"""Of a remark on a job among others: reasons of failures have up to a thousand."""
BASELINES = (
    "The baseline is the most popular items on the same questions; of user segments the most active users, of actions "
    "how often each was taken."
)
LEFT_OUT = (("rowsDropped", "rowsRead", "row", "dropped"), ("linesFailed", "linesRead", "line", "failed"))
"""Members of reports: a part, the whole, what they count, and what became of the part."""


def print_jobs(config: Config) -> None:
    """One line a job, oldest first; ARNs whole, so that they can be copied, and long remarks cut."""
    with closing(open_workspace(config)) as workspace:
        found = [(arn, document, _remark(workspace, arn, document)) for arn, document in jobs(workspace)]
    for arn, document, remark in found:
        began = _time(document["creationDateTime"])
        say(f"{began}  {document['status']:<18}  {arn}  {_shortened(remark)}".rstrip())
    if not found:
        say("There are no jobs yet: an import, a training or a batch job makes one.")
    if any(_shortened(remark) != remark for *_, remark in found):
        say("`tailorbird job ARN` tells the rest of what ends in dots.")


def _shortened(remark: str) -> str:
    """A remark in one line of the list."""
    line = " ".join(remark.split())
    return line if len(line) <= REMARK_LETTERS else f"{line[: REMARK_LETTERS - 3].rstrip()}..."


def _remark(workspace: Workspace, arn: str, document: Document) -> str:
    """What to know of a job at a glance: how far it is, why it failed, or what it left out."""
    if document["status"] in lifecycle.UNFINISHED:
        return _progress(workspace, arn, document)
    if "failureReason" in document:
        return str(document["failureReason"])
    told = document.get("_report", {})
    left_out = [
        f"{told[count]:,} of {counted(told[total], noun)} {fate}"
        for count, total, noun, fate in LEFT_OUT
        if told.get(count)
    ]
    emptied, warned = told.get("cellsEmptied", 0), len(told.get("warnings", ())) + len(document.get("_warnings", ()))
    values = f"{counted(emptied, 'value')} emptied" if emptied else ""
    return ", ".join(filter(None, [*left_out, values, counted(warned, "warning") if warned else ""]))


def print_job(config: Config, name: str, follow: bool = False) -> bool:
    """Everything that is known of one job, first its progress until it ends if asked to `follow`.

    name: its ARN, or a name that no other one has. False when there is no such job.
    """
    with closing(open_workspace(config)) as workspace:
        found = jobs_called(jobs(workspace), name)
        if len(found) != 1:
            missing = f"No job has the ARN or name {name}; `tailorbird jobs` lists them."
            complain(ambiguous(name, found) if found else missing)
            return False
        ((arn, document),) = found
        if follow:
            document = _follow(workspace, arn, document)
        say(f"{arn}  {document['status']}")
        if document["status"] in lifecycle.UNFINISHED:
            say(_progress(workspace, arn, document))
    _print_outcome(document)
    return True


def _print_outcome(document: Document) -> None:
    """Why a job failed, its metrics, what it did, and warnings."""
    told = document.get("_report", {})
    if "failureReason" in document:
        say(told.get("cause", document["failureReason"]))
    if "_metrics" in document:
        _print_metrics(document["_metrics"])
    _print_report(told, "failureReason" in document)
    for warning in document.get("_warnings", ()):
        say(f"Warning: {warning}")


def _print_metrics(metrics: dict[str, dict[str, Any]]) -> None:
    """Those of GetSolutionMetrics, beside the baseline's."""
    rows = [(name, str(value), str(metrics["popularity"][name])) for name, value in metrics["model"].items()]
    for line in aligned([("metric", "model", "baseline"), *rows]):
        say(line)
    say(BASELINES)
    if any(name.startswith("normalized") for name in metrics["model"]):
        say(TWO_NDCGS)


def _print_report(told: Document, failed: bool) -> None:
    """What a job did with rows, users or lines; `failed` where the first error was told as its reason."""
    if "problems" in told:
        print_import(told)
    elif "usersNamed" in told:
        say(f"{counted(told['usersNamed'], 'user')} named, {told['usersFound']:,} found")
        for warning in told["warnings"]:
            say(f"Warning: {warning}")
    elif "rowsWritten" in told:
        say(f"{counted(told['rowsWritten'], 'row')} written")
    elif "linesRead" in told:
        say(f"{counted(told['linesRead'], 'line')} read, {told['linesFailed']:,} failed")
        if "firstError" in told and not failed:
            say(f"The first error is in {told['firstError']}")


def _follow(workspace: Workspace, arn: str, document: Document) -> Document:
    """Shows a job until it has ended; returns its document as it is then, or as it last was."""
    with Bars(Console(), BarColumn(), TextColumn("{task.fields[text]}", markup=False)) as bars:
        while document["status"] in lifecycle.UNFINISHED:
            share = document.get("_progress", {}).get("share", 0.0)
            bars.show("", share, _progress(workspace, arn, document))
            time.sleep(FOLLOW_SECONDS)
            document = workspace.catalogue.get(arn) or document | {"status": lifecycle.DELETE_IN_PROGRESS}
    return document


def print_import(report: Document) -> None:
    """Counts, each reason with the places of its first problems, and warnings."""
    say(
        f"{counted(report['rowsRead'], 'row')} read, {report['rowsKept']:,} kept, {report['rowsDropped']:,} dropped; "
        f"{counted(report['cellsEmptied'], 'single value')} emptied"
    )
    if report.get("summary"):
        say(report["summary"])
    if report.get("columnsIgnored"):
        say(f"Columns that the schema has not, and that are not read: {', '.join(report['columnsIgnored'])}")
    for each in report["counts"]:
        say(f"{each['count']:>9,} x {each['reason']}")
        examples = [problem for problem in report["problems"] if problem["reason"] == each["reason"]]
        for problem in examples[:EXAMPLES_SHOWN]:
            value = json.dumps(problem["value"], ensure_ascii=False)
            say(f"{'':>12}{problem['file']}, line {problem['line']}: {value}")
    for warning in report.get("warnings", ()):
        say(f"Warning: {warning}")


def say(text: str, *, error: bool = False) -> None:
    """A line as it is: not wrapped, not coloured, no mark-up read into users' data."""
    Console(stderr=error).print(text, soft_wrap=True, highlight=False, markup=False)


def complain(text: str) -> None:
    """As `say`, of what a command cannot do: to standard error."""
    say(text, error=True)


def _progress(workspace: Workspace, arn: str, document: Document) -> str:
    """How far an unfinished job is, and how long it will still take, or has taken where no estimate holds any more."""
    told = extensions.progress(workspace, arn, document)
    left = told["estimatedSecondsLeft"]
    estimate = "" if left is None else f", about {_span(left)} left"
    if left is None and "ends" in document.get("_progress", {}):
        estimate = f", longer than estimated: {_span(workspace.clock() - told['startedDateTime'])} so far"
    return f"{told['share']:.0%} {told['message']}{estimate}"


def _span(seconds: float) -> str:
    # From 90 seconds on, minutes are within a third.
    return f"{max(1.0, seconds):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def jobs(workspace: Workspace) -> list[tuple[str, Document]]:
    """All jobs by their ARNs, oldest first."""
    kinds = [kind for kind, resource in RESOURCES.items() if resource.job]
    found = [(lifecycle.own_arn(kind, doc), doc) for kind in kinds for _, doc in workspace.catalogue.select(kind)]
    return sorted(found, key=lambda pair: float(pair[1]["creationDateTime"]))


def jobs_called(jobs: list[tuple[str, Document]], name: str) -> list[tuple[str, Document]]:
    """The job with this ARN, or else those that have this name in theirs: their own, or that of their solution."""
    exact = [job for job in jobs if job[0] == name]
    return exact or [job for job in jobs if name in job[0].split("/")[1:]]


def ambiguous(name: str, found: list[tuple[str, Document]]) -> str:
    """What is said where several jobs have a name."""
    return "\n".join([f"{len(found)} jobs are called {name}. Give the ARN of one:", *(arn for arn, _ in found)])


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")

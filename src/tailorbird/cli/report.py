"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table

from tailorbird.api import extensions, lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.errors import AwsError
from tailorbird.evaluation.beyond_accuracy import TWO_NDCGS
from tailorbird.ingest.import_report import EXAMPLES_SHOWN
from tailorbird.numbers import counted
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

FOLLOW_SECONDS = 0.5
"""Between two looks at a job: as often as a worker tells of it (jobs/lease.py)."""
LONGER = "longer than estimated"
BASELINES = (
    "The baseline is the most popular items on the same questions; of user segments the most active users, of actions "
    "how often each was taken."
)
LEFT_OUT = (("rowsDropped", "rowsRead", "row", "dropped"), ("linesFailed", "linesRead", "line", "failed"))
"""Members of reports: a part, the whole, what they count, and what became of the part."""


def print_jobs(config: Config) -> None:
    """One line a job, oldest first; ARNs whole, so that they can be copied."""
    found = _jobs(config)
    for arn, document in found:
        say(f"{_time(document['creationDateTime'])}  {document['status']:<18}  {arn}  {_remark(document)}".rstrip())
    if not found:
        say("There are no jobs yet: an import, a training or a batch job makes one.")


def _remark(document: Document) -> str:
    """What to know of a job at a glance: how far it is, why it failed, or what it left out."""
    if document["status"] in lifecycle.UNFINISHED:
        return _progress(document) if "_progress" in document else ""
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
    found = _jobs_called(_jobs(config), name)
    if len(found) != 1:
        complain(
            _ambiguous(name, found) if found else f"No job has the ARN or name {name}; `tailorbird jobs` lists them."
        )
        return False
    ((arn, document),) = found
    if follow:
        document = _follow(config, arn, document)
    say(f"{arn}  {document['status']}")
    told = document.get("_report", {})
    if "failureReason" in document:
        say(told.get("cause", document["failureReason"]))
    if document["status"] in lifecycle.UNFINISHED and "_progress" in document:
        say(_progress(document))
    if "_metrics" in document:
        Console().print(_metrics(document["_metrics"]))
        say(BASELINES)
        if any(name.startswith("normalized") for name in document["_metrics"]["model"]):
            say(TWO_NDCGS)
    _print_report(told, "failureReason" in document)
    for warning in document.get("_warnings", ()):
        say(f"Warning: {warning}")
    return True


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


def _follow(config: Config, arn: str, document: Document) -> Document:
    """Shows a bar until the job has ended; returns its document as it is then, or as it last was."""
    workspace = open_workspace(config)
    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console()) as bar:
        task = bar.add_task("", total=1.0)
        while document["status"] in lifecycle.UNFINISHED:
            bar.update(task, completed=document.get("_progress", {}).get("share", 0.0), description=_progress(document))
            time.sleep(FOLLOW_SECONDS)
            document = workspace.catalogue.get(arn) or document | {"status": lifecycle.DELETE_IN_PROGRESS}
    workspace.close()
    return document


def print_metrics(config: Config, name: str) -> bool:
    """The answer of GetExtendedMetrics as a table, the interval behind each value; False where there is none.

    name: as of `print_job`.
    """
    found = _jobs_called([job for job in _jobs(config) if "_metrics" in job[1]], name)
    if len(found) > 1:
        complain(_ambiguous(name, found))
        return False
    arn = found[0][0] if found else name
    workspace = open_workspace(config)
    region = "".join(arn.split(":")[3:4]) or config.region
    try:
        answer = extensions.get_extended_metrics(workspace.at(region), {"resourceArn": arn})
    except AwsError as error:
        complain(error.message)
        return False
    finally:
        workspace.close()
    table = _table("metric", "users", "questions", "model", "95 %", "most popular items", "95 %")
    for row in answer["metrics"]:
        cells = [cell for one in (row["model"], row["popularity"]) for cell in (f"{one['value']:.4f}", _interval(one))]
        table.add_row(row["name"], row["cohort"], str(row["questions"]), *cells)
    Console().print(table)
    say(TWO_NDCGS)
    return True


def _interval(estimate: Document) -> str:
    return "" if estimate["lower"] is None else f"{estimate['lower']:.4f} to {estimate['upper']:.4f}"


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


def _table(*columns: str) -> Table:
    """A table that cuts nothing off: in a narrow terminal its cells wrap, and names without a space as well."""
    return Table(*(Column(each, overflow="fold") for each in columns))


def _progress(document: Document) -> str:
    told = extensions.progress(document, time.time())
    left = told["estimatedSecondsLeft"]
    estimate = "" if left is None else f", about {_span(left)} left"
    if left is None and "ends" in document.get("_progress", {}) and document["status"] in lifecycle.UNFINISHED:
        estimate = f", {LONGER}"
    return f"{told['share']:.0%} {told['message']}{estimate}"


def _span(seconds: float) -> str:
    # From 90 seconds on, minutes are within a third.
    return f"{max(1.0, seconds):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _jobs(config: Config) -> list[tuple[str, Document]]:
    workspace = open_workspace(config)
    kinds = [kind for kind, resource in RESOURCES.items() if resource.job]
    found = [(lifecycle.own_arn(kind, doc), doc) for kind in kinds for _, doc in workspace.catalogue.select(kind)]
    workspace.close()
    return sorted(found, key=lambda pair: float(pair[1]["creationDateTime"]))


def _jobs_called(jobs: list[tuple[str, Document]], name: str) -> list[tuple[str, Document]]:
    """The job with this ARN, or else those that have this name in theirs: their own, or that of their solution."""
    exact = [job for job in jobs if job[0] == name]
    return exact or [job for job in jobs if name in job[0].split("/")[1:]]


def _ambiguous(name: str, found: list[tuple[str, Document]]) -> str:
    return "\n".join([f"{len(found)} jobs are called {name}. Give the ARN of one:", *(arn for arn, _ in found)])


def _metrics(metrics: dict[str, dict[str, Any]]) -> Table:
    table = _table("metric", "model", "baseline")
    for name, value in metrics["model"].items():
        table.add_row(name, str(value), str(metrics["popularity"][name]))
    return table


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")

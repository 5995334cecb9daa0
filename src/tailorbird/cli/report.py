"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from tailorbird.api import extensions, lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.errors import AwsError
from tailorbird.evaluation.beyond_accuracy import TWO_NDCGS
from tailorbird.ingest.import_report import EXAMPLES_SHOWN
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

_console = Console()
FOLLOW_SECONDS = 0.5
BASELINES = (
    "The baseline is the most popular items on the same questions; of user segments the most active users, of actions "
    "how often each was taken."
)


def print_jobs(config: Config) -> None:
    """One line a job, oldest first; ARNs whole, so that they can be copied."""
    for arn, document in _jobs(config):
        running = document["status"] in lifecycle.UNFINISHED and "_progress" in document
        told = _progress(document) if running else document.get("failureReason", "")
        say(f"{_time(document['creationDateTime'])}  {document['status']:<18}  {arn}  {told}".rstrip())


def print_job(config: Config, arn: str, follow: bool = False) -> bool:
    """Everything that is known of one job, first its progress until it ends if asked to `follow`.

    False when there is no job with this ARN.
    """
    document = dict(_jobs(config)).get(arn)
    if document is None:
        say(f"No job has the ARN {arn}; `tailorbird jobs` lists them.")
        return False
    if follow:
        document = _follow(config, arn, document)
    say(f"{arn}  {document['status']}")
    if "failureReason" in document:
        say(document["failureReason"])
    if document["status"] in lifecycle.UNFINISHED and "_progress" in document:
        say(_progress(document))
    if "_metrics" in document:
        _console.print(_metrics(document["_metrics"]))
        say(BASELINES)
        if any(name.startswith("normalized") for name in document["_metrics"]["model"]):
            say(TWO_NDCGS)
    if "problems" in document.get("_report", {}):
        print_import(document["_report"])
    elif "_report" in document:
        _console.print_json(data=document["_report"])
    for warning in document.get("_warnings", ()):
        say(f"Warning: {warning}")
    return True


def _follow(config: Config, arn: str, document: Document) -> Document:
    """Shows a bar until the job has ended; returns its document as it is then, or as it last was."""
    workspace = open_workspace(config)
    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=_console) as bar:
        task = bar.add_task("", total=1.0)
        while document["status"] in lifecycle.UNFINISHED:
            bar.update(task, completed=document.get("_progress", {}).get("share", 0.0), description=_progress(document))
            time.sleep(FOLLOW_SECONDS)
            document = workspace.catalogue.get(arn) or document | {"status": lifecycle.DELETE_IN_PROGRESS}
    workspace.close()
    return document


def print_metrics(config: Config, arn: str) -> bool:
    """The answer of GetExtendedMetrics as a table, the interval behind each value; False where there is none."""
    workspace = open_workspace(config)
    region = "".join(arn.split(":")[3:4]) or config.region
    try:
        answer = extensions.get_extended_metrics(workspace.at(region), {"resourceArn": arn})
    except AwsError as error:
        say(error.message)
        return False
    finally:
        workspace.close()
    table = Table("metric", "users", "questions", "model", "95 %", "most popular items", "95 %")
    for row in answer["metrics"]:
        cells = [cell for one in (row["model"], row["popularity"]) for cell in (f"{one['value']:.4f}", _interval(one))]
        table.add_row(row["name"], row["cohort"], str(row["questions"]), *cells)
    _console.print(table)
    say(TWO_NDCGS)
    return True


def _interval(estimate: Document) -> str:
    return "" if estimate["lower"] is None else f"{estimate['lower']:.4f} to {estimate['upper']:.4f}"


def print_import(report: Document) -> None:
    """Counts, each reason with the places of its first problems, and warnings."""
    say(
        f"{report['rowsRead']:,} rows read, {report['rowsKept']:,} kept, {report['rowsDropped']:,} dropped; "
        f"{report['cellsEmptied']:,} single values emptied"
    )
    for each in report["counts"]:
        say(f"{each['count']:>9,} x {each['reason']}")
        examples = [problem for problem in report["problems"] if problem["reason"] == each["reason"]]
        for problem in examples[:EXAMPLES_SHOWN]:
            value = json.dumps(problem["value"], ensure_ascii=False)
            say(f"{'':>12}{problem['file']}, line {problem['line']}: {value}")
    for warning in report.get("warnings", ()):
        say(f"Warning: {warning}")


def say(text: str) -> None:
    """A line as it is: not wrapped, not coloured, no mark-up read into users' data."""
    _console.print(text, soft_wrap=True, highlight=False, markup=False)


def _progress(document: Document) -> str:
    told = extensions.progress(document, time.time())
    left = told["estimatedSecondsLeft"]
    return f"{told['share']:.0%} {told['message']}" + ("" if left is None else f", about {_span(left)} left")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _jobs(config: Config) -> list[tuple[str, Document]]:
    workspace = open_workspace(config)
    kinds = [kind for kind, resource in RESOURCES.items() if resource.job]
    found = [(lifecycle.own_arn(kind, doc), doc) for kind in kinds for _, doc in workspace.catalogue.select(kind)]
    workspace.close()
    return sorted(found, key=lambda pair: float(pair[1]["creationDateTime"]))


def _metrics(metrics: dict[str, dict[str, Any]]) -> Table:
    table = Table("metric", "model", "baseline")
    for name, value in metrics["model"].items():
        table.add_row(name, str(value), str(metrics["popularity"][name]))
    return table


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")

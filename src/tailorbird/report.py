"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailorbird.api import lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

_console = Console()


def print_jobs(config: Config) -> None:
    """One line a job, oldest first; ARNs whole, so that they can be copied."""
    for arn, document in _jobs(config):
        running = document["status"] in lifecycle.UNFINISHED and "_progress" in document
        told = _progress(document) if running else document.get("failureReason", "")
        say(f"{_time(document['creationDateTime'])}  {document['status']:<18}  {arn}  {told}".rstrip())


def print_job(config: Config, arn: str) -> bool:
    """Everything that is known of one job; False when there is none with this ARN."""
    document = dict(_jobs(config)).get(arn)
    if document is None:
        say(f"No job has the ARN {arn}; `tailorbird jobs` lists them.")
        return False
    say(f"{arn}  {document['status']}")
    if "failureReason" in document:
        say(document["failureReason"])
    if document["status"] in lifecycle.UNFINISHED and "_progress" in document:
        say(_progress(document))
    if "_metrics" in document:
        _console.print(_metrics(document["_metrics"]))
    if "problems" in document.get("_report", {}):
        print_import(document["_report"])
    elif "_report" in document:
        _console.print_json(data=document["_report"])
    return True


def print_import(report: Document) -> None:
    """Counts, reasons, the first problems with their places, and warnings."""
    say(
        f"{report['rowsRead']:,} rows read, {report['rowsKept']:,} kept, {report['rowsDropped']:,} dropped; "
        f"{report['cellsEmptied']:,} single values emptied"
    )
    for each in report["counts"]:
        say(f"{each['count']:>9,} x {each['reason']}")
    if report["problems"]:
        table = Table(
            "file", "line", "column", "value", "reason", title=f"the first {len(report['problems'])} problems"
        )
        for problem in report["problems"]:
            table.add_row(*(escape(str(problem[name])) for name in ("file", "line", "column", "value", "reason")))
        _console.print(table)
    for warning in report.get("warnings", ()):
        say(f"Warning: {warning}")


def say(text: str) -> None:
    """A line as it is: not wrapped, not coloured, no mark-up read into users' data."""
    _console.print(text, soft_wrap=True, highlight=False, markup=False)


def _progress(document: Document) -> str:
    return f"{document['_progress']['share']:.0%} {document['_progress']['text']}"


def _jobs(config: Config) -> list[tuple[str, Document]]:
    workspace = open_workspace(config)
    kinds = [kind for kind, resource in RESOURCES.items() if resource.job]
    found = [(lifecycle.own_arn(kind, doc), doc) for kind in kinds for _, doc in workspace.catalogue.select(kind)]
    workspace.close()
    return sorted(found, key=lambda pair: float(pair[1]["creationDateTime"]))


def _metrics(metrics: dict[str, dict[str, Any]]) -> Table:
    table = Table("metric", "model", "most popular items")
    for name, value in metrics["model"].items():
        table.add_row(name, str(value), str(metrics["popularity"][name]))
    return table


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")

"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from tailorbird.api import lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

_console = Console()


def print_jobs(config: Config) -> None:
    """One line a job, oldest first."""
    table = Table("started", "job", "status", "progress")
    for arn, document in _jobs(config):
        progress = document.get("_progress", {}) if document["status"] == lifecycle.IN_PROGRESS else {}
        done = f"{progress['share']:.0%} {progress['text']}" if progress else document.get("failureReason", "")
        table.add_row(_time(document["creationDateTime"]), arn, document["status"], done)
    _console.print(table)


def print_job(config: Config, arn: str) -> bool:
    """Everything that is known of one job; False when there is none with this ARN."""
    document = dict(_jobs(config)).get(arn)
    if document is None:
        _console.print(f"No job has the ARN {arn}; `tailorbird jobs` lists them.")
        return False
    _console.print(f"[bold]{arn}[/bold]  {document['status']}  {document.get('failureReason', '')}")
    if document["status"] == lifecycle.IN_PROGRESS and "_progress" in document:
        _console.print(f"{document['_progress']['share']:.0%} {document['_progress']['text']}")
    if "_metrics" in document:
        _console.print(_metrics(document["_metrics"]))
    if "_report" in document:
        _console.print_json(data=document["_report"])
    return True


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

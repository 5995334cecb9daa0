"""What an operator sees of jobs in the terminal: status, progress, what an import left out, metrics."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailorbird.api import lifecycle
from tailorbird.api.resources import RESOURCES
from tailorbird.api.resources.dataset_import_job import is_csv
from tailorbird.config import Config
from tailorbird.data import csv_files
from tailorbird.data import schema as avro
from tailorbird.data.checkup import Checkup
from tailorbird.data.csv_files import ImportFailed, Report, Source
from tailorbird.errors import InvalidInputException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

_console = Console()


def print_jobs(config: Config) -> None:
    """One line a job, oldest first."""
    table = Table("started", "job", "status", "progress")
    for arn, document in _jobs(config):
        progress = document.get("_progress", {}) if document["status"] in lifecycle.UNFINISHED else {}
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
    if document["status"] in lifecycle.UNFINISHED and "_progress" in document:
        _console.print(f"{document['_progress']['share']:.0%} {document['_progress']['text']}")
    if "_metrics" in document:
        _console.print(_metrics(document["_metrics"]))
    if "_report" in document:
        _console.print_json(data=document["_report"])
    return True


def print_checkup(path: Path, schema_text: str, domain: str | None) -> bool:
    """What an import of the file, or of the folder's CSV files, would say; False when it would fail."""
    folder = path.is_dir()
    files = [file for file in sorted(path.iterdir()) if is_csv(file.name, f"{path}/")] if folder else [path]
    sources = [Source(file.name, file.stat().st_size, partial(_opened, file)) for file in files]
    try:
        schema = avro.parse(schema_text, domain)
    except InvalidInputException as error:
        _console.print(f"The schema cannot be used: {error.message}", markup=False)
        return False
    checkup = Checkup(schema, time.time())
    try:
        found: Report | None = csv_files.read(sources, schema, checkup.see, lambda share, text: None)
        failure = ""
    except ImportFailed as error:
        found, failure = error.report, error.reason
    if found is not None:
        _print_findings(found, checkup.warnings() if found.rows_kept else [])
    if failure:
        _console.print(f"The import would fail: {failure}", markup=False)
    return not failure


def _opened(file: Path) -> BinaryIO:
    return file.open("rb")


def _print_findings(found: Report, warnings: list[str]) -> None:
    _console.print(f"{found.rows_read:,} rows read, {found.rows_kept:,} kept, {found.rows_dropped:,} dropped")
    _console.print(f"{found.cells_emptied:,} cells emptied")
    for reason, count in found.counts.items():
        _console.print(f"{count:,} times: {reason}", markup=False)
    if found.problems:
        table = Table("file", "line", "column", "value", "problem", title=f"The first {len(found.problems)} problems")
        for problem in found.problems:
            table.add_row(
                *map(escape, (problem.file, str(problem.line), problem.column, problem.value, problem.reason))
            )
        _console.print(table)
    for warning in warnings:
        _console.print(f"Warning: {warning}", markup=False)


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

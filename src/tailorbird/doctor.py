"""The import doctor: what an import of a file would say, without a server."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tailorbird import report
from tailorbird.api.resources.dataset_import_job import is_csv
from tailorbird.data import csv_files
from tailorbird.data import schema as avro
from tailorbird.data.checkup import Checkup
from tailorbird.data.csv_files import ImportFailed, Source
from tailorbird.errors import InvalidInputException


def examine(path: Path, schema_text: str, domain: str | None) -> bool:
    """Prints what becomes of the rows of a file, or of a folder's CSV files; False when an import would fail."""
    files = [path]
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if is_csv(file.name, "folder/")]
    sources = [Source(file.name, file.stat().st_size, partial(_opened, file)) for file in files]
    try:
        schema = avro.parse(schema_text, domain)
    except InvalidInputException as error:
        report.say(f"The schema cannot be used: {error.message}")
        return False
    checkup = Checkup(schema, time.time())
    try:
        found = csv_files.read(sources, schema, checkup.see, lambda share, text: None)
    except ImportFailed as error:
        if error.report is not None:
            report.print_import(error.report.as_document())
        report.say(f"The import would fail: {error.reason}")
        return False
    report.print_import(found.as_document() | {"warnings": checkup.warnings()})
    return True


def _opened(file: Path) -> BinaryIO:
    return file.open("rb")

"""The import doctor: what an import of a file would say, without a server."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tailorbird.api.resources.dataset_import_job import is_csv, left_out_files
from tailorbird.cli import report
from tailorbird.data import schema as avro
from tailorbird.errors import InvalidInputException
from tailorbird.ingest import csv_files
from tailorbird.ingest.checkup import Checkup
from tailorbird.ingest.csv_files import ImportFailed, Source
from tailorbird.numbers import counted
from tailorbird.recipes import use_cases


def examine(path: Path, schema_file: Path, domain: str | None) -> bool:
    """Prints what becomes of the rows of a file, or of a folder's CSV files; False when an import would fail."""
    files, left_out = [path], []
    if path.is_dir():
        names = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
        files = [file for name, file in names.items() if is_csv(name, "folder/")]
        left_out = [name for name in names if not is_csv(name, "folder/")]
    sources = [Source(file.name, file.stat().st_size, partial(_opened, file)) for file in files]
    try:
        schema = avro.parse(schema_file.read_text(encoding="utf-8"), domain)
    except (InvalidInputException, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, InvalidInputException) else "it is not UTF-8. Save it as UTF-8."
        report.say(f"The schema cannot be used: {reason}")
        return False
    checkup = Checkup(schema, time.time())
    try:
        found = csv_files.read(sources, schema, checkup.see, lambda share, text: None, left_out)
    except ImportFailed as error:
        if error.report is not None and (error.report.rows_read or error.report.problems):
            report.print_import(
                error.report.as_document() | {"warnings": [*error.report.warnings(), *checkup.warnings()]}
            )
        report.say(f"The import would fail: {error.cause if error.report else error.reason}")
        return False
    missing = checkup.missing_types(use_cases.event_types(domain))
    warnings = [*left_out_files(left_out), *found.warnings(), *checkup.warnings(), *missing]
    report.print_import(found.as_document() | {"warnings": warnings, "summary": checkup.summary()})
    lost = [(found.rows_dropped, "row", "dropped"), (found.cells_emptied, "value", "emptied")]
    without = " and ".join(f"the {counted(count, noun)} {fate}" for count, noun, fate in lost if count)
    report.say("The import would succeed" + (f", without {without}." if without else "."))
    return True


def _opened(file: Path) -> BinaryIO:
    return file.open("rb")

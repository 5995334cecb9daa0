"""The check of a data folder: reads every file that it holds and tells the damaged ones. It changes nothing.

It works with and without a server beside it; what a running one replaces or removes meanwhile may be told wrongly, so
that a damage counts when a second look tells it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

from tailorbird.api import lifecycle, lookup
from tailorbird.api.resources import RESOURCES
from tailorbird.aws_local import journal, object_files
from tailorbird.cli import opening, report
from tailorbird.config import Config
from tailorbird.errors import DamagedFile
from tailorbird.numbers import counted
from tailorbird.storage import access_keys, database, formats, live, wal
from tailorbird.storage.access_keys import KEY_FILE
from tailorbird.storage.artifacts import Artifacts
from tailorbird.storage.catalogue import Document
from tailorbird.storage.database import Database
from tailorbird.storage.tables import Tables
from tailorbird.workspace import databases, losses

AT_MOST = 20
"""Findings of SQLite in one database: the remedy is the same for more."""


@dataclass
class _Inventory:
    """What there is, as far as it could be read."""

    documents: list[tuple[str, Document]] = field(default_factory=list)
    unverified: int = 0
    """Files and folders that an older version wrote without checksums."""

    def active(self, *kinds: str) -> Iterator[Document]:
        return (each for kind, each in self.documents if kind in kinds and each.get("status") == lifecycle.ACTIVE)


def examine(config: Config) -> bool:
    """Prints every damage of a data folder, what it touches and what to do; False where there is one.

    Raises NewerFormat where a newer version has written it, of which damage cannot be told.
    """
    formats.check_folder(config.data_dir)
    found, damaged = _Inventory(), 0
    parts = {
        "keys and databases": _databases(config, found),
        "tables": _tables(config, found),
        "models": _artifacts(config, found),
        "objects of the built-in S3": _objects(config),
    }
    for name, damages in parts.items():
        told = 0
        for each in damages:
            report.say(f"DAMAGED: {each}")
            told += 1
        report.say(f"{name}: {told} damaged" if told else f"{name}: whole")
        damaged += told
    owners = {(arn.split(":")[3], arn.split(":")[4]) for arn in (lifecycle.own_arn(*each) for each in found.documents)}
    for reason in filter(None, (opening.account_unseen(config, owners), opening.region_unseen(config, owners))):
        report.say(reason)
    if found.unverified:
        report.say(
            f"{counted(found.unverified, 'part of tables and models was', 'parts of tables and models were')} written "
            "by an older version without checksums: a changed bit there cannot be told. The next FULL import and the "
            "next training write them."
        )
    return not damaged


def _databases(config: Config, found: _Inventory) -> Iterator[DamagedFile]:
    stores = databases(config)
    cut = {each.file: error for each in stores if (error := wal.damage(each))}
    yield from cut.values()
    # To open a database may remove what its log holds.
    lost = [] if cut else list(losses(config))
    yield from lost
    if (config.data_dir / KEY_FILE).exists():
        try:
            access_keys.read(config.data_dir)
        except DamagedFile as error:
            yield error
    if config.database_url:
        report.say("TAILORBIRD_DATABASE_URL names another database, which has checks of its own: it is not looked at.")
        return
    for each in (store for store in stores if store.file not in cut):
        if each.file.exists():
            _refuse_newer(each)
            yield from _integrity(each)
        elif each.remedy == database.RECOVERY and each.file not in [loss.path for loss in lost]:
            yield each.damaged("is missing")
    if stores[0].file.exists() and stores[0].file not in cut:
        yield from _documents(stores[0], found)
    if stores[1].file.exists() and stores[1].file not in cut:
        yield from _events(stores[1])


def _refuse_newer(of: Database) -> None:
    engine = of.open()
    try:
        with suppress(DamagedFile):  # told by SQLite's own check
            formats.known(of, engine)
    finally:
        of.close(engine)


def _connection(of: Database) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{of.file.as_uri()}?mode=rw", uri=True)
    # A text that is none any more must not end the reading.
    connection.text_factory = bytes
    return connection


def _integrity(of: Database) -> Iterator[DamagedFile]:
    try:
        with closing(_connection(of)) as connection:
            told = [row[0].decode(errors="replace") for row in connection.execute(f"PRAGMA integrity_check({AT_MOST})")]
    except sqlite3.DatabaseError as error:
        told = [str(error)]
    if told != ["ok"]:
        yield of.damaged(f"does not pass SQLite's check ({'; '.join(told)})")


def _documents(of: Database, found: _Inventory) -> Iterator[DamagedFile]:
    """Documents that cannot be read, or are not those of their row; keeps the others."""
    try:
        with closing(_connection(of)) as connection:
            for *columns, due, body in connection.execute("SELECT arn, kind, status, due, body FROM documents"):
                row = [value.decode(errors="replace") for value in columns]
                try:
                    found.documents.append((row[1], _document(row, due, body)))
                except (ValueError, KeyError) as error:
                    yield of.damaged(f"holds a damaged document of {row[0]} ({error})")
    except sqlite3.DatabaseError:
        return  # told by SQLite's own check


def _events(of: Database) -> Iterator[DamagedFile]:
    """Events and records that are not as they were written; those that moved into a table have nothing left here."""
    columns = ", ".join(live.SEALED)
    try:
        with closing(_connection(of)) as connection:
            for number, row, *sealed in connection.execute(
                f"SELECT number, row, {columns} FROM events WHERE row IS NOT NULL"  # noqa: S608 - names of our own
            ):
                beside = live.beside(
                    value.decode(errors="replace") if isinstance(value, bytes) else value for value in sealed
                )
                try:
                    database.as_sealed(row, beside)
                except ValueError as error:
                    yield of.damaged(f"holds a damaged event, number {number} ({error})")
    except sqlite3.DatabaseError:
        return  # told by SQLite's own check


def _document(row: Sequence[str], due: float | None, body: bytes) -> Document:
    """A document that is the one of its row; raises ValueError, KeyError."""
    arn, kind, status = row
    document = database.as_sealed(body)
    if document.get("_due") != due:
        raise ValueError("its time of being due is another in the document")
    if kind not in RESOURCES:
        raise ValueError(f"its kind is {kind!r}")
    if (lifecycle.own_arn(kind, document), document.get("status", "")) != (arn, status):
        raise ValueError("its ARN or its status is another in the document")
    return document


def _tables(config: Config, found: _Inventory) -> Iterator[DamagedFile]:
    tables = Tables(config.data_dir / "tables")
    keys = {each["datasetArn"]: lookup.place_of(each) for kind, each in found.documents if kind == "Dataset"}
    imported = {keys[arn] for each in found.active("DatasetImportJob") if (arn := each["datasetArn"]) in keys}
    yield from tables.damages(keys.values(), imported)
    found.unverified += tables.unverified(keys.values())


def _artifacts(config: Config, found: _Inventory) -> Iterator[DamagedFile]:
    artifacts = Artifacts(config.data_dir / "artifacts")
    models = found.active("SolutionVersion", "Recommender")
    arns = [document.get("_artifact") or document["solutionVersionArn"] for document in models]
    yield from artifacts.damages(arns)
    found.unverified += artifacts.unverified(arns)


def _objects(config: Config) -> Iterator[DamagedFile]:
    path = config.data_dir / "neighbours" / "journal.jsonl"
    if reason := journal.damage(path):
        yield DamagedFile(path, reason, journal.REMEDY, "the S3 and IAM beside us")
    for path in sorted((config.data_dir / "neighbours" / "objects").glob("*")):
        if path.suffix != ".tmp" and (reason := object_files.damage(path)):
            yield object_files.damaged(path, reason)

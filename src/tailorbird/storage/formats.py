"""The format of what an installation keeps: a number for each store of a database, and one for the data folder.

A program brings what is older to its own format, in numbered steps, and refuses what is newer. What has tables and no
number is of format 1, from before there were numbers. Alembic would bring a second description of every table, a
folder of scripts and a command, for what is a handful of statements so far.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tailorbird.errors import DamagedFile, NewerFormat
from tailorbird.storage import durable
from tailorbird.storage.database import Database

_metadata = sa.MetaData()
_stores = sa.Table(
    "stores",
    _metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("commits", sa.BigInteger, nullable=False),  # see `commits`
)
_ALONE = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgresql": (
        "SET LOCAL lock_timeout TO 0",
        "SET LOCAL statement_timeout TO 0",
        "SELECT pg_advisory_xact_lock(7305808869231650155)",
    ),
}
"""By dialect, what keeps all others who would make or change tables away until the transaction ends, however long that
takes. The number is "exbirdts" in ASCII, so as to be nobody else's."""

FOLDER = 1
"""The format of the data folder: its tables, artifacts and manifests."""
FOLDER_FILE = "format"
"""In the data folder: its format as a number; a folder without one is of format 1."""


def bring(database: Database, engine: sa.Engine, tables: sa.MetaData) -> None:
    """Makes the tables of a store, or brings them to the format that its last step leads to.

    Any number of processes may do so at once. Raises NewerFormat.
    """
    newest = 1 + len(database.steps)
    if known(database, engine) == newest:
        return
    with engine.begin() as connection:
        for statement in _ALONE[engine.dialect.name]:
            connection.exec_driver_sql(statement)
        _metadata.create_all(connection)
        row = connection.execute(_of(database)).scalar_one_or_none()
        older = database.steps[(row or 1) - 1 :] if sa.inspect(connection).has_table(database.table) else ()
        for step in older:
            for statement in step.get(engine.dialect.name, ()):
                connection.exec_driver_sql(statement)
        tables.create_all(connection)
        if row is None:
            connection.execute(_stores.insert().values(name=database.table, format=newest, commits=0))
        else:
            connection.execute(_stores.update().where(_stores.c.name == database.table).values(format=newest))


def _of(database: Database) -> sa.Select[Any]:
    return sa.select(_stores.c.format).where(_stores.c.name == database.table)


def known(database: Database, engine: sa.Engine) -> int | None:
    """The format of a store, None where it has no number; raises NewerFormat."""
    newest = 1 + len(database.steps)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        found = connection.execute(_of(database)).scalar_one_or_none() if "stores" in names else None
    if found is not None and found > newest:
        raise NewerFormat(f"The database of {database.holds} ({database.file})", found, newest)
    return found if database.table in names else None


def bring_folder(folder: Path) -> None:
    """Notes the format of a data folder, where it is not; raises as `check_folder`."""
    check_folder(folder)
    path = folder / FOLDER_FILE
    if path.exists():
        return
    with durable.room(folder), tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{FOLDER_FILE}.") as fresh:
        fresh.write(f"{FOLDER}\n")
        fresh.flush()
        with suppress(FileExistsError):  # another process was first
            os.link(fresh.name, path)


def check_folder(folder: Path) -> None:
    """Raises NewerFormat for a data folder of a newer version, and DamagedFile where its format cannot be read."""
    path = folder / FOLDER_FILE
    try:
        found = int(path.read_text()) if path.exists() else 1
    except (OSError, ValueError) as error:
        remedy = f"Restore it from a backup, or write the number {FOLDER} into it if no newer version has run here."
        raise DamagedFile(path, f"cannot be read ({error})", remedy, "the whole folder") from error
    if found > FOLDER:
        raise NewerFormat(f"The data folder {folder}", found, FOLDER)

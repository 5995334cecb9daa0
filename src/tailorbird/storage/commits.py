"""The commits to one store: one after the other, and whether there was one since one last looked, by whatever process.

SQLite tells the latter itself, in 3 µs and three system calls, between which other threads take their turn. The index
of its log tells it in 0.3: a file beside the database that SQLite has mapped into this process's memory, where it is
read. (To open that file would be dangerous: whoever closes it takes from SQLite its locks on it, see
https://www.sqlite.org/howtocorrupt.html, 2.2.) In PostgreSQL they are counted, in the row of the store in `stores`:
what it tells itself, a snapshot, is another one after each commit to any store, and to any database.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage import postgres
from tailorbird.storage.database import Database, PreparedQuery

VERSION = "PRAGMA data_version"
"""Another number after each commit of another connection, in whatever process (sqlite.org/pragma.html)."""
MAPS = Path("/proc/self/maps")
"""What is mapped into this process's memory (Linux's proc_pid_maps(5))."""
HEADER = 48
"""Bytes at the index's start that each commit changes before it returns: among them the number of commits, and those of
the log's pages and their checksum (https://www.sqlite.org/walformat.html, 2.1)."""
COUNT = "SELECT commits FROM stores WHERE name = '{store}'"
_TURN = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "UPDATE stores SET commits = commits + 1 WHERE name = '{store}'",
}
"""By dialect, what waits until no other writer of the store is left, and keeps them away until the transaction ends:
in PostgreSQL the lock on the row, which is given back once the commit can be seen."""


class Commits:
    """Those to one store, which has been brought to its format; safe to use from many threads and processes."""

    def __init__(self, database: Database, engine: sa.Engine) -> None:
        self._engine = engine
        self._own = threading.Lock()
        """Of this process, so that it waits with one connection for the others' turns to end."""
        self._turn = _TURN[engine.dialect.name].format(store=database.table)
        query = VERSION if database.sqlite else COUNT.format(store=database.table)
        self._query = PreparedQuery(database, engine, query)
        self._looking = threading.Lock()
        self._header: ctypes.Array[ctypes.c_char] | None = None
        """Of the log's index; None where it cannot be read, and then the query is asked."""
        if database.sqlite:
            self._query()  # which has SQLite map the index, for as long as the query's connection is open
            self._header = _header(database.file)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction that writes; all writers of the store, of all processes, take turns.

        So whatever is numbered inside is numbered in the order of commits: who sees a number sees all below it. Never
        one inside another. Raises DatabaseUnavailable where no turn comes.
        """
        if not self._own.acquire(timeout=postgres.WAIT_SECONDS):
            raise DatabaseUnavailable("another writer has not ended yet")
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(self._turn)
                yield connection
        finally:
            self._own.release()

    def mark(self) -> Hashable:
        """What is equal to an earlier mark only if nothing was committed in between.

        Whoever takes it first and reads then has nothing older than the mark.
        """
        with self._looking:
            if self._header is not None:
                return self._header.raw
        return int(self._query())

    def close(self) -> None:
        """Gives the connection back."""
        with self._looking:
            self._header = None  # to read what is not mapped any more ends the process
        self._query.close()


def _header(file: Path) -> ctypes.Array[ctypes.c_char] | None:
    """That of the index of a database's log, as SQLite has it mapped; None where the system does not tell."""
    if not MAPS.exists():
        return None
    index = os.fsencode(f"{file.resolve()}-shm")
    for line in MAPS.read_bytes().splitlines():
        where, _, offset, _, _, *path = line.split(maxsplit=5)
        if path == [index] and not int(offset, 16):
            return (ctypes.c_char * HEADER).from_address(int(where.partition(b"-")[0], 16))
    return None

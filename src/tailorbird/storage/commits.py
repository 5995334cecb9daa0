"""Whether anything was committed to a database since one last looked, by whatever process: on the way of every answer.

SQLite tells that itself, in 3 µs and three system calls, between which other threads take their turn. The index of its
log tells it in 0.3: a file beside the database that SQLite has mapped into this process's memory, where it is read.
(To open that file would be dangerous: whoever closes it takes from SQLite its locks on it, see
https://www.sqlite.org/howtocorrupt.html, 2.2.)
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Hashable
from pathlib import Path

import sqlalchemy as sa

from tailorbird.storage.database import Database, PreparedQuery

VERSION = "PRAGMA data_version"
"""Another number after each commit of another connection, in whatever process (sqlite.org/pragma.html)."""
MAPS = Path("/proc/self/maps")
"""What is mapped into this process's memory (Linux's proc_pid_maps(5))."""
HEADER = 48
"""Bytes at the index's start that each commit changes before it returns: among them the number of commits, and those of
the log's pages and their checksum (https://www.sqlite.org/walformat.html, 2.1)."""


class Commits:
    """Those to one database; safe to use from many threads."""

    def __init__(self, database: Database, engine: sa.Engine) -> None:
        self._query = PreparedQuery(database, engine, VERSION) if database.sqlite else None
        self._turn = threading.Lock()
        self._header: ctypes.Array[ctypes.c_char] | None = None
        """Of the log's index; None where it cannot be read, and then the query is asked."""
        if self._query is not None:
            self._query()  # which has SQLite map the index, for as long as the query's connection is open
            self._header = _header(database.file)

    def mark(self) -> Hashable:
        """What is equal to an earlier mark only if nothing was committed in between.

        Whoever takes it first and reads then has nothing older than the mark. In databases that tell none it is never
        the same.
        """
        with self._turn:
            if self._header is not None:
                return self._header.raw
        return object() if self._query is None else int(self._query())

    def close(self) -> None:
        """Gives the connection back."""
        with self._turn:
            self._header = None  # to read what is not mapped any more ends the process
        if self._query is not None:
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

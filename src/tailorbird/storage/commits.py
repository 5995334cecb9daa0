"""The commits to one store: one after the other, and whether there was one since one last looked, by whatever process.

SQLite tells the latter itself. The index of its log, a file beside the database, would tell it in 0.1 µs rather than
2.5; but whoever closes that file takes from SQLite its locks on it (https://www.sqlite.org/howtocorrupt.html, 2.2), and
servers ended by it when a worker opened the database. In PostgreSQL they are counted, in the row of the store in
`stores`: what it tells itself, a snapshot, is another one after each commit to any store, and to any database.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage import postgres
from tailorbird.storage.database import Database, PreparedQuery

VERSION = "PRAGMA data_version"
"""Another number after each commit of another connection, in whatever process (sqlite.org/pragma.html): 2.5 µs, where
to read a document takes 400."""
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
        return int(self._query())

    def close(self) -> None:
        """Gives the connection back."""
        self._query.close()

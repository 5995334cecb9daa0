"""Whether anything was committed to a database since one last looked, by whatever process: on the way of every answer.

SQLite tells that itself. The index of its log, a file beside the database, would tell it in 0.1 µs rather than 2.5; but
whoever closes that file takes from SQLite its locks on it (https://www.sqlite.org/howtocorrupt.html, 2.2), and servers
ended by it when a worker opened the database.
"""

from __future__ import annotations

from collections.abc import Hashable

import sqlalchemy as sa

from tailorbird.storage.database import Database, PreparedQuery

VERSION = "PRAGMA data_version"
"""Another number after each commit of another connection, in whatever process (sqlite.org/pragma.html): 2.5 µs, where
to read a document takes 400."""


class Commits:
    """Those to one database; safe to use from many threads."""

    def __init__(self, database: Database, engine: sa.Engine) -> None:
        self._query = PreparedQuery(database, engine, VERSION) if database.sqlite else None

    def mark(self) -> Hashable:
        """What is equal to an earlier mark only if nothing was committed in between.

        Whoever takes it first and reads then has nothing older than the mark. In databases that tell none it is never
        the same.
        """
        return object() if self._query is None else int(self._query())

    def close(self) -> None:
        """Gives the connection back."""
        if self._query is not None:
            self._query.close()

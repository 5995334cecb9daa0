"""A query that is asked over one connection for long."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from tailorbird.storage.database import Database, PreparedQuery


def test_who_asks_while_it_is_closed_is_told(tmp_path: Path) -> None:
    """A thread may be late at the end of a server; SQLite itself would end the process."""
    for number in range(20):
        database = Database(f"sqlite:///{tmp_path / f'{number}.db'}", "numbers", "", "numbers")
        engine = database.open()
        query = PreparedQuery(database, engine, "SELECT 1")
        told = threading.Event()

        def ask(query: PreparedQuery = query, told: threading.Event = told) -> None:
            try:
                while True:
                    query()
            except sa.exc.ResourceClosedError:
                told.set()

        thread = threading.Thread(target=ask)
        thread.start()
        query.close()
        engine.dispose()
        thread.join(60)
        assert told.is_set()
        with pytest.raises(sa.exc.ResourceClosedError):
            query()

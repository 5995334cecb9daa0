"""One way to open an SQL database: SQLite in WAL mode with full durability, or whatever the URL names."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa


def open_engine(url: str, *, durable: bool = True) -> sa.Engine:
    """Returns an engine whose commits survive a power cut (SQLite: synchronous=FULL).

    Without `durable` the newest ones may be lost in it, and no commit waits for the disk.
    """
    engine = sa.create_engine(
        url,
        pool_size=32,
        max_overflow=32,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
    if engine.dialect.name == "sqlite":
        synchronous = "FULL" if durable else "NORMAL"
        sa.event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, synchronous))
    return engine


def _prepare_sqlite(connection: Any, synchronous: str) -> None:
    for pragma in ("busy_timeout=20000", "journal_mode=WAL", f"synchronous={synchronous}"):
        connection.execute(f"PRAGMA {pragma}").close()

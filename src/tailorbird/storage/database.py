"""One way to open an SQL database: SQLite in WAL mode with full durability, or PostgreSQL.

What SQLite finds damaged, full or in another's use is told as DamagedFile, NoSpace and DatabaseUnavailable, whichever
statement met it; for PostgreSQL see `postgres`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tailorbird.errors import DamagedFile, DatabaseUnavailable, NoSpace
from tailorbird.storage import checksums, postgres

_DAMAGED = {
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is no database",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
}
"""SQLite's primary result codes, https://www.sqlite.org/rescode.html."""
RECOVERY = (
    "Stop the server and restore it from a backup; without one, SQLite's command line saves what can still be read: "
    "`sqlite3 OLD .recover | sqlite3 NEW`."
)
"""The remedy for a database that cannot be done without."""
RENEWAL = "Restore it from a backup. Without one, what it held is lost, and `tailorbird serve --renew` makes a new one."
"""The remedy for one that is gone, or as good as gone."""
LOSS = "Stop the server and move it away, with the files -wal and -shm beside it: the server then makes a new one, "
"""What the remedy begins with for a database that can be done without."""
CONNECTIONS = 32
"""Of an engine that stay open, and as many more for a while: together twice the threads that answer requests (`THREADS`
in wire/endpoint.py), so that none waits for one."""
DURABLE = ("synchronous=FULL",)
QUICK = ("synchronous=NORMAL", "wal_autocheckpoint=200")
"""SQLite's settings, the second where no commit waits for the disk. There pages go from the log to the database 200 at
a time, which takes 3 ms of a core that answers share; SQLite's own 1000 took 6, and up to 60 in a busy server."""
UNHURRIED = "SET LOCAL synchronous_commit TO off"
"""As `QUICK`, for a transaction of PostgreSQL."""
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""By dialect, an insert that knows what to do where the row is there already."""
COUNTED = {"preserve_rowcount": True}
"""For an insert, which else does not tell by every driver how many rows it added."""
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""The type of a column that numbers the rows: 64 bits everywhere, which SQLite gives to INTEGER alone."""
_NO_TEXT = "Could not decode to UTF-8"
"""What Python's sqlite3 says, without a code, of a text with damaged bytes."""


NUL, NUL_SYMBOL = "\0", "\u2400"
"""The character that no text in PostgreSQL can have, and what stands there for it."""


class _Exact(sa.types.TypeDecorator[str]):
    """A text of PostgreSQL's, of any length, in the order of its bytes, whatever language the database is for."""

    impl = sa.Text
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(collation="C")

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """What stands in the database for a value."""
        return value.replace(NUL, NUL_SYMBOL) if value is not None and NUL in value else value


def exact(length: int) -> sa.types.TypeEngine[str]:
    """The type of a column of texts that are told apart and in order as in SQLite, which does not look at `length`."""
    return sa.String(length).with_variant(_Exact(), "postgresql")


Step = Mapping[str, Sequence[str]]
"""The statements, by dialect, that bring the tables of a store from one format to the next; tables that are new in it
come by themselves."""


@dataclass(frozen=True)
class Database:
    """What is to be said of a database that is damaged."""

    url: str
    holds: str
    """Words, as in: it holds data of <holds>."""
    remedy: str
    table: str
    """One that it has from its first moment on, and by which the store is known in the database."""
    steps: tuple[Step, ...] = ()
    """What leads from format 1 to the format of this program, see `formats`."""

    @cached_property
    def sqlite(self) -> bool:
        """Whether it is a file."""
        return sa.make_url(self.url).get_backend_name() == "sqlite"

    @property
    def file(self) -> Path:
        """Where SQLite has it; of others, the name of the database."""
        return Path(sa.make_url(self.url).database or self.url)

    def damaged(self, reason: str) -> DamagedFile:
        """The error; `reason` follows the path in a sentence."""
        return DamagedFile(self.file, reason, self.remedy, self.holds)

    def loss(self) -> DamagedFile | None:
        """The error where its file is not there, or has none of its tables; one that cannot be opened tells itself."""
        if not self.sqlite:
            return None
        if not self.file.exists():
            return DamagedFile(self.file, "is missing", RENEWAL, self.holds)
        try:
            with closing(sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=rw", uri=True)) as connection:
                found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [self.table]).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if found else DamagedFile(self.file, "is empty: it has no tables", RENEWAL, self.holds)

    def decode(self, text: str) -> Any:
        """The value of a JSON text that is stored in it, without its seal; raises DamagedFile.

        Whether the seal is whole is asked by `tailorbird check` alone: a resource that differs by a bit still serves.
        """
        try:
            return json_of(text)
        except ValueError as error:
            raise self.damaged(f"holds a row that is not JSON ({error}): {text[:200]!r}") from error

    def open(self, *, durable: bool = True) -> sa.Engine:
        """Returns an engine whose commits survive a power cut (SQLite: synchronous=FULL).

        Without `durable` the newest ones may be lost in it, and no commit waits for the disk; of PostgreSQL, which all
        stores of a process share, each such transaction has to say so (`UNHURRIED`).
        """
        if not self.sqlite:
            return postgres.engine(self.url, _encode_without_nul, json_of)
        engine = sa.create_engine(
            self.url,
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            hide_parameters=True,  # in the words of an error whole documents, and never the same ones twice
            json_serializer=_encode,
            json_deserializer=self.decode,
        )
        settings = DURABLE if durable else QUICK
        sa.event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, settings))
        sa.event.listen(engine, "handle_error", self._tell)
        return engine

    def close(self, engine: sa.Engine) -> None:
        """Closes the connections of an engine of `open`, which is not used any more."""
        if self.sqlite:
            engine.dispose()
        else:
            postgres.release(engine)

    def _tell(self, context: sa.engine.ExceptionContext) -> None:
        """As `tell`, of an error that SQLAlchemy met."""
        self.tell(context.original_exception)

    def tell(self, error: BaseException) -> None:
        """Raises what SQLite's error means, where that is known."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise NoSpace(self.file.parent) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseUnavailable(f"{self.file}: {error}") from error
        if code in _DAMAGED or str(error).startswith(_NO_TEXT):
            raise self.damaged(f"{_DAMAGED.get(code, 'is damaged')} ({error})") from error


def json_of(text: str) -> Any:
    """The value of a JSON text that is stored, without its seal; raises ValueError."""
    value = msgspec.json.decode(text)
    if isinstance(value, dict):
        value.pop(checksums.SEAL, None)
    return value


def as_sealed(text: bytes, beside: bytes = b"") -> dict[str, Any]:
    """A JSON object that is as it was sealed, as far as it was; raises ValueError. beside: see `checksums.sealed`."""
    found = msgspec.json.decode(checksums.unsealed(text, beside), type=dict[str, Any])
    if checksums.SEAL in found:
        raise ValueError("its checksum is none")
    return found


def _encode(value: Any) -> str:
    """A JSON text; an object is sealed. A number of numpy is written as the one that it is."""
    text = msgspec.json.encode(value, enc_hook=_plain)
    return (checksums.sealed(text) if isinstance(value, dict) else text).decode()


def _encode_without_nul(value: Any) -> str:
    """As `_encode`; PostgreSQL reads no member of a JSON text that has a NUL in any of them."""
    text = _encode(value)
    return _encode(_without_nul(json_of(text))) if "\\u0000" in text else text


def _without_nul(value: Any) -> Any:
    """A value of JSON without the character that no text in PostgreSQL can have."""
    if isinstance(value, str):
        return value.replace(NUL, NUL_SYMBOL)
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


class PreparedQuery:
    """One query, asked so often that SQLAlchemy's part of it counts: 28 µs beside SQLite's own 3.

    The database is therefore asked directly: SQLite over a connection that is kept for that and commits nothing,
    PostgreSQL over one of the pool's. Safe to use from many threads.
    """

    def __init__(self, database: Database, engine: sa.Engine, statement: str) -> None:
        self._database = database
        self._engine = engine
        self._statement = statement
        self._pooled = engine.raw_connection() if database.sqlite else None
        self._direct: Any = self._pooled.driver_connection if self._pooled is not None else None
        self._turn = threading.Lock()

    def __call__(self, **parameters: Any) -> Any:
        """The one value of the one row; None where there is no row."""
        rows = self.rows(**parameters)
        return rows[0][0] if rows else None

    def rows(self, **parameters: Any) -> Sequence[Sequence[Any]]:
        """All rows."""
        if self._pooled is None:
            told = {
                name: value.replace(NUL, NUL_SYMBOL) if isinstance(value, str) else value
                for name, value in parameters.items()
            }
            return postgres.rows(self._engine, self._statement, told)
        with self._turn:
            if self._direct is None:
                raise sa.exc.ResourceClosedError(f"{self._database.file} was closed")
            try:
                # All are fetched, as this ends the statement, and with it the view of this moment.
                found: list[tuple[Any, ...]] = self._direct.execute(self._statement, parameters).fetchall()
            except sqlite3.Error as error:
                self._database.tell(error)
                raise
        return found

    def close(self) -> None:
        """Gives the connection back, once nobody uses it: to use one that is closed ends the process."""
        if self._pooled is not None:
            with self._turn:
                self._direct = None
                self._pooled.close()


def _prepare_sqlite(connection: Any, settings: Sequence[str]) -> None:
    for pragma in ("busy_timeout=20000", "journal_mode=WAL", *settings):
        connection.execute(f"PRAGMA {pragma}").close()

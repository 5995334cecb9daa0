"""PostgreSQL as the stores use it: one pool of connections a process, what its errors mean, and its clock."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from tailorbird.errors import DatabaseUnavailable

CONNECTIONS = 4
"""Of a process that stay open. A server of PostgreSQL takes 100 by default, for all processes together."""
AT_MOST = 16
"""Of a process, under load: half the threads that answer requests, each of which needs one for a part of its time; not
tuned."""
WAIT_SECONDS = 20
"""For a connection, for another's lock, or for a network that keeps silent: as long as SQLite waits for a lock."""
STATEMENT_SECONDS = 120
"""For a statement: a thousand times what the slowest one takes, to read all recorded events of a dataset; not tuned."""
IDLE_SECONDS = 1.0
"""After which a connection is asked whether it still stands before it is used: a server that was started again has
closed it. To ask each time would take as long as most queries."""
CONNECTED: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": WAIT_SECONDS * 1000,
    "application_name": "tailorbird",
}
"""What libpq is told unless the URL tells it otherwise: a machine that is gone is noticed within `WAIT_SECONDS`."""
SESSION = {
    "lock_timeout": f"{WAIT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",  # of a process that stands still with the turn
}
CLOCK_SECONDS = 60.0
"""Between two looks at the database's clock: two machines' own drift apart by 3 ms meanwhile, at 50 parts in a
million."""
_UNAVAILABLE = frozenset({"25006", "25P03"})
"""SQLSTATEs of a server that takes no writes, since another one has taken over, and of a session that it ended; others
are told by psycopg's class (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
_NAMED = re.compile(r"(?<!:):(\w+)")
_users = Counter[sa.Engine]()
_counting = threading.Lock()


class _Pool(sa.QueuePool):
    """Tells that no connection became free as what it is for clients."""

    def _do_get(self) -> sa.pool.ConnectionPoolEntry:
        try:
            return super()._do_get()
        except sa.exc.TimeoutError as error:
            raise DatabaseUnavailable("all connections are in use") from error


logging.getLogger(f"{__name__}.{_Pool.__name__}").setLevel(logging.WARNING)
"""SQLAlchemy's own news of a pool go to a logger of its class, which would be one of ours."""


def engine(url: str, encode: Callable[[Any], str], decode: Callable[[str], Any]) -> sa.Engine:
    """The one engine of this process for a database, which all its stores share until each has called `release`.

    encode, decode: values to JSON text, and back.
    """
    made = _engine(os.getpid(), url, encode, decode)
    with _counting:
        _users[made] += 1
    return made


def release(engine: sa.Engine) -> None:
    """Closes the connections of an engine that nobody uses any more."""
    with _counting:
        _users[engine] -= 1
        last = not _users[engine]
    if last:
        engine.dispose()


@cache
def _engine(_process: int, url: str, encode: Callable[[Any], str], decode: Callable[[str], Any]) -> sa.Engine:
    """As `engine`, of a process: one that is forked must not use its parent's connections."""
    parsed = sa.make_url(url)
    told = {name: value for name, value in CONNECTED.items() if name not in parsed.query}
    settings = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    given = parsed.query.get("options", "")
    made = sa.create_engine(
        parsed,
        poolclass=_Pool,
        pool_size=CONNECTIONS,
        max_overflow=AT_MOST - CONNECTIONS,
        pool_timeout=WAIT_SECONDS,
        connect_args={**told, "options": f"{settings} {given if isinstance(given, str) else ' '.join(given)}".strip()},
        hide_parameters=True,
        json_serializer=encode,
        json_deserializer=decode,
    )
    sa.event.listen(made, "handle_error", _tell)
    sa.event.listen(made, "checkin", _note)
    sa.event.listen(made, "checkout", _look)
    return made


def rows(engine: sa.Engine, statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """What a query finds that names its parameters as `:name`.

    No transaction is around it, which would be two more ways to the server and back. The driver itself is asked: a mark
    took 84 µs of a core, by way of SQLAlchemy 230.
    """
    dbapi: Any = engine.dialect.loaded_dbapi
    try:
        pooled = engine.raw_connection()
        try:
            direct: Any = pooled.driver_connection
            direct.autocommit = True
            found: list[tuple[Any, ...]] = direct.execute(_NAMED.sub(r"%(\1)s", statement), parameters).fetchall()
            direct.autocommit = False
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            pooled.close()
    except dbapi.Error as error:
        if _passes(error, dbapi):
            raise _unavailable(error) from error
        raise
    return found


def _tell(context: sa.engine.ExceptionContext) -> None:
    """Raises what an error that SQLAlchemy met means, where it passes."""
    error = context.original_exception
    if context.is_disconnect or _passes(error, context.dialect.loaded_dbapi):
        raise _unavailable(error) from error


def _passes(error: BaseException, dbapi: Any) -> bool:
    """Whether the server, the network or a lock is to blame, and not what was asked."""
    return isinstance(error, dbapi.OperationalError) or getattr(error, "sqlstate", None) in _UNAVAILABLE


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(" ".join(str(error).split()))


def _note(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _look(connection: Any, record: Any, _: Any) -> None:
    """Has a new connection made in place of one that was idle for long and stands no more."""
    if time.monotonic() - record.info.get("used", float("inf")) < IDLE_SECONDS:
        return
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except Exception as error:
        raise sa.exc.DisconnectionError from error


class Clock:
    """Epoch seconds by the database's clock, which all machines share; safe to use from many threads.

    Between two looks at it, which cost a query, the own monotonic clock goes on from there.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._lead = self._looked = 0.0
        self._look()

    def __call__(self) -> float:
        """The time now."""
        if time.monotonic() - self._looked > CLOCK_SECONDS and self._turn.acquire(blocking=False):
            try:
                self._look()
            except DatabaseUnavailable:
                self._looked = time.monotonic()  # the own clock goes on until the next look
            finally:
                self._turn.release()
        return time.monotonic() + self._lead

    def _look(self) -> None:
        """Takes the time of the answer, halfway between asking and hearing it."""
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            asked = time.monotonic()
            now = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::float8").scalar_one()
            heard = time.monotonic()
        self._lead, self._looked = now - (asked + heard) / 2, heard

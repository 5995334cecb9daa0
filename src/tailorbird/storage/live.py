"""Recent events: durable before they are acknowledged, readable by user at once from any process.

Callers that arrive while a commit is under way share the next one (group commit): the disk's sync, not the
number of callers, sets the pace, and a lone caller waits for nobody.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tailorbird.storage.database import open_engine

_metadata = sa.MetaData()
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.String(512), nullable=False),
    sa.Column("user", sa.String(256), nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
    sa.Column("key", sa.String(256), nullable=False),
    sa.Column("session", sa.String(256), nullable=False),
    sa.Column("row", sa.Text, nullable=False),
    sa.UniqueConstraint("dataset", "key"),
    sa.Index("events_of_user", "dataset", "user", "number"),
    sqlite_autoincrement=True,
)
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True)
class Event:
    """One recorded interaction."""

    user: str
    """The user's id, or the session's where the user is anonymous."""
    session: str
    timestamp: int
    """Epoch seconds."""
    row: dict[str, Any]
    """Values by the names of the dataset's schema, in upper case."""
    event_id: str | None = None
    number: int = 0
    """Grows with every event of the installation; given by the store."""

    @property
    def key(self) -> str:
        """What makes the event a repetition of an earlier one: its eventId, or else all that it says."""
        if self.event_id is not None:
            return f"id:{hashlib.sha256(self.event_id.encode()).hexdigest()}"
        content = msgspec.json.encode([self.user, self.timestamp, self.row], order="deterministic")
        return f"content:{hashlib.sha256(content).hexdigest()}"


@dataclass
class _Ticket:
    rows: list[dict[str, Any]]
    settled: bool = False
    error: Exception | None = None


class Live:
    """The events of one installation; safe to use from many threads and processes."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        self._insert = _INSERTS[self._engine.dialect.name]
        self._queue: deque[_Ticket] = deque()
        self._writing = threading.Lock()
        _metadata.create_all(self._engine)

    def append(self, dataset: str, events: Sequence[Event]) -> None:
        """Returns once the events are on disk; repeated ones are kept once (spec control-plane 6)."""
        ticket = _Ticket(
            [
                {
                    "dataset": dataset,
                    "user": event.user,
                    "timestamp": event.timestamp,
                    "key": event.key,
                    "session": event.session,
                    "row": msgspec.json.encode(event.row).decode(),
                }
                for event in events
            ]
        )
        self._queue.append(ticket)
        with self._writing:
            if not ticket.settled:
                self._commit_waiting()
        if ticket.error is not None:
            raise ticket.error

    def _commit_waiting(self) -> None:
        """Writes all tickets that wait, in one transaction; called by whoever holds the lock.

        When that fails, each is written alone, so that one caller's bad event does not fail the others.
        """
        tickets = [self._queue.popleft() for _ in range(len(self._queue))]
        for together in (tickets, *([ticket] for ticket in tickets)):
            waiting = [ticket for ticket in together if not ticket.settled]
            if not waiting:
                continue
            try:
                with self._engine.begin() as connection:
                    statement = self._insert(_events).on_conflict_do_nothing()
                    connection.execute(statement, [row for ticket in waiting for row in ticket.rows])
            except Exception as error:
                for ticket in waiting:
                    ticket.error = error
                    ticket.settled = len(together) == 1
            else:
                for ticket in waiting:
                    ticket.error, ticket.settled = None, True

    def of_user(self, dataset: str, user: str, after: int = 0) -> list[Event]:
        """The user's events with numbers above `after`, in the order in which they arrived."""
        query = (
            sa.select(_events.c.number, _events.c.session, _events.c.timestamp, _events.c.row)
            .where(_events.c.dataset == dataset, _events.c.user == user, _events.c.number > after)
            .order_by(_events.c.number)
        )
        with self._engine.connect() as connection:
            return [
                Event(user, session, timestamp, msgspec.json.decode(row), number=number)
                for number, session, timestamp, row in connection.execute(query)
            ]

    def all(self, dataset: str) -> list[Event]:
        """All events of a dataset, in the order in which they arrived."""
        query = (
            sa.select(_events.c.user, _events.c.number, _events.c.session, _events.c.timestamp, _events.c.row)
            .where(_events.c.dataset == dataset)
            .order_by(_events.c.number)
        )
        with self._engine.connect() as connection:
            return [
                Event(user, session, timestamp, msgspec.json.decode(row), number=number)
                for user, number, session, timestamp, row in connection.execute(query)
            ]

    def newest(self, dataset: str) -> int:
        """Number of the newest event of a dataset; 0 where there is none."""
        query = sa.select(sa.func.max(_events.c.number)).where(_events.c.dataset == dataset)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def drop(self, dataset: str) -> None:
        """Forgets a dataset's events."""
        with self._engine.begin() as connection:
            connection.execute(_events.delete().where(_events.c.dataset == dataset))

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

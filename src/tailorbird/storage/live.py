"""What arrives one by one, events and single records: durable before it is acknowledged, readable at once.

Callers that arrive while a commit is under way share the next one (group commit): the disk's sync, not the
number of callers, sets the pace, and a lone caller waits for nobody.

An event that moved into a table leaves its key behind, so that its repetition is still recognised.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage import checksums, formats
from tailorbird.storage.commits import Commits
from tailorbird.storage.database import COUNTED, INSERTS, NUMBER, RECOVERY, Database, PreparedQuery, Step, exact

_metadata = sa.MetaData()
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("dataset", exact(512), nullable=False),
    sa.Column("subject", exact(256), nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
    sa.Column("key", exact(256), nullable=False),
    sa.Column("session", exact(256), nullable=False),
    sa.Column("row", sa.Text),  # null once the event has moved into a table
    sa.UniqueConstraint("dataset", "key"),
    sa.Index("events_of_subject", "dataset", "subject", "number"),
    sqlite_autoincrement=True,
)
_here = _events.c.row.is_not(None)
sa.Index("events_here", _events.c.dataset, _events.c.number, sqlite_where=_here, postgresql_where=_here)

_STEPS: tuple[Step, ...] = (
    {
        "postgresql": (
            "ALTER TABLE events ALTER number TYPE bigint, "
            'ALTER dataset TYPE text COLLATE "C", ALTER subject TYPE text COLLATE "C", '
            'ALTER key TYPE text COLLATE "C", ALTER session TYPE text COLLATE "C"',
            "ALTER SEQUENCE events_number_seq AS bigint",
        )
    },
)
"""See `formats.bring`."""

AT_ONCE = 500
"""Subjects that one statement names: SQLite before 3.32 takes 999 values, and others wait meanwhile. To erase 500 of 44
events each took 0.7 s of a busy machine; 50 at a time took nearly three times as long for all."""
KNOWN = 1 << 16
"""Subjects whose newest number is kept until the next commit, of 200 bytes each; not tuned."""
_NEWEST = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
    "postgresql": "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_number_seq",
}
"""By dialect, the newest number that was ever given."""
_SKIP = {
    "sqlite": (
        "DELETE FROM sqlite_sequence WHERE name = 'events' AND seq < :upto",
        "INSERT INTO sqlite_sequence SELECT 'events', :upto "
        "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events')",
    ),
    "postgresql": ("SELECT setval('events_number_seq', :upto)",),
}
"""By dialect, what gives no number up to `upto` any more (SQLite: https://www.sqlite.org/autoinc.html)."""
_NEWEST_HERE = "SELECT max(number) FROM events WHERE dataset = :dataset AND row IS NOT NULL"
_NEWEST_OF = "SELECT max(number) FROM events WHERE dataset = :dataset AND subject = :subject"
_OF_SUBJECT = (
    "SELECT subject, session, timestamp, row, number FROM events "
    "WHERE row IS NOT NULL AND dataset = :dataset AND subject = :subject AND number > :after ORDER BY number"
)
SEALED = ("dataset", "subject", "timestamp", "key", "session")
"""Columns that the seal of a row covers as well."""


@dataclass(frozen=True)
class Event:
    """One interaction, or one record of an item, a user or an action."""

    subject: str
    """Whom it is about: the id of the user, or of the session where the user is anonymous; else the record's id."""
    session: str
    """Equal to `subject` only where the user is anonymous; empty for a record."""
    timestamp: int
    """Epoch seconds: when it happened; of a record, when it arrived."""
    row: dict[str, Any]
    """Values by the names of the dataset's schema, in upper case."""
    event_id: str | None = None
    told: dict[str, Any] = field(default_factory=dict)
    """What the service itself adds to the row; never makes an event another one. Read back as part of `row`."""
    number: int = 0
    """Grows with every event of the installation; given by the store."""

    @property
    def key(self) -> str:
        """What makes the event a repetition of an earlier one: its eventId, or else all that it says."""
        if self.event_id is not None:
            return f"id:{hashlib.sha256(self.event_id.encode()).hexdigest()}"
        content = msgspec.json.encode([self.subject, self.timestamp, self.row], order="deterministic")
        return f"content:{hashlib.sha256(content).hexdigest()}"


@dataclass
class _Ticket:
    rows: list[dict[str, Any]]
    settled: bool = False
    repeated: bool = False
    """Whether some of the rows that were written together with these were there already."""
    error: Exception | None = None


@dataclass(frozen=True)
class _Known:
    """What holds until the next commit."""

    mark: Hashable
    """As it was before any of this was read."""
    newest: dict[tuple[str, ...], int] = field(default_factory=dict)
    """The newest number of a dataset, or about a subject of it."""


def database(url: str) -> Database:
    """The store as a database."""
    return Database(url, "the recent events and single records of all datasets", RECOVERY, "events", _STEPS)


class Live:
    """The events of one installation; safe to use from many threads and processes.

    Numbers are given in the order of commits, whatever processes write: who sees an event sees all that have a lower
    number, and none comes later. So a reader that has read up to the newest number it saw has missed none, and all that
    keep such a mark (compaction, trainings, counters of metrics) rest upon it.
    """

    def __init__(self, url: str) -> None:
        self._database = database(url)
        self._engine = self._database.open()
        self._insert = INSERTS[self._engine.dialect.name]
        self._queue: deque[_Ticket] = deque()
        self._writing = threading.Lock()
        formats.bring(self._database, self._engine, _metadata)
        self._commits = Commits(self._database, self._engine)
        self._known = _Known(object())
        self._newest_here = PreparedQuery(self._database, self._engine, _NEWEST_HERE)
        self._newest_of = PreparedQuery(self._database, self._engine, _NEWEST_OF)
        self._of_subject = PreparedQuery(self._database, self._engine, _OF_SUBJECT)

    def skip(self, upto: int) -> int | None:
        """Gives later events numbers above `upto`; the newest number until then, or None where that was higher."""
        dialect = self._engine.dialect.name
        with self._commits.begin() as connection:
            newest = connection.exec_driver_sql(_NEWEST[dialect]).scalar() or 0
            if newest >= upto:
                return None
            for statement in _SKIP[dialect]:
                connection.execute(sa.text(statement), {"upto": upto} if ":upto" in statement else {})
        return int(newest)

    def append(self, dataset: str, events: Sequence[Event]) -> list[tuple[Event, Event]]:
        """Returns once the events are on disk; repeated ones are kept once (spec control-plane 6).

        Returns, where some were repeated, each that has an eventId and the event that is kept under it, whose `row` is
        empty if it moved into a table.
        """
        ticket = _Ticket([_sealed_row(dataset, event) for event in events])
        self._queue.append(ticket)
        with self._writing:
            if not ticket.settled:
                self._commit_waiting()
        if ticket.error is not None:
            raise ticket.error
        return self._repetitions(dataset, events) if ticket.repeated else []

    def _repetitions(self, dataset: str, events: Sequence[Event]) -> list[tuple[Event, Event]]:
        given = [(event.key, event) for event in events if event.event_id is not None]
        columns = (_events.c.key, *(_events.c[name] for name in ("subject", "session", "timestamp", "row", "number")))
        query = sa.select(*columns).where(_events.c.dataset == dataset, _events.c.key.in_([key for key, _ in given]))
        with self._engine.connect() as connection:
            found = connection.execute(query).all() if given else []
        kept = {
            each.key: Event(each.subject, each.session, each.timestamp, self._database.decode(each.row or "{}"))
            for each in found
        }
        return [(event, kept[key]) for key, event in given if key in kept]

    def _commit_waiting(self) -> None:
        """Writes all tickets that wait, in one transaction; called by whoever holds the lock.

        When that fails, each is written alone, so that one caller's bad event does not fail the others; not where the
        database is away.
        """
        tickets = [self._queue.popleft() for _ in range(len(self._queue))]
        for together in (tickets, *([ticket] for ticket in tickets)):
            waiting = [ticket for ticket in together if not ticket.settled]
            if not waiting:
                continue
            try:
                with self._commits.begin() as connection:
                    statement = self._insert(_events).on_conflict_do_nothing()
                    rows = [row for ticket in waiting for row in ticket.rows]
                    repeated = connection.execute(statement, rows, execution_options=COUNTED).rowcount != len(rows)
            except Exception as error:
                for ticket in waiting:
                    ticket.error = error
                    ticket.settled = len(together) == 1 or isinstance(error, DatabaseUnavailable)
            else:
                for ticket in waiting:
                    ticket.error, ticket.settled, ticket.repeated = None, True, repeated

    def of_subject(self, dataset: str, subject: str, after: int = 0) -> list[Event]:
        """A subject's events with numbers above `after`, in the order in which they arrived."""
        return self._events(self._of_subject.rows(dataset=dataset, subject=subject, after=after))

    def all(self, dataset: str, after: int = 0, limit: int | None = None) -> list[Event]:
        """A dataset's first `limit` events with numbers above `after`, in the order in which they arrived."""
        return self._read(_events.c.dataset == dataset, _events.c.number > after, limit=limit)

    def _read(self, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[Event]:
        """Events that are still here."""
        columns = ("subject", "session", "timestamp", "row", "number")
        query = sa.select(*(_events.c[name] for name in columns)).where(_here, *where)
        with self._engine.connect() as connection:
            return self._events(connection.execute(query.order_by(_events.c.number).limit(limit)).all())

    def _events(self, rows: Sequence[Sequence[Any]]) -> list[Event]:
        return [
            Event(subject, session, timestamp, self._database.decode(row), number=number)
            for subject, session, timestamp, row, number in rows
        ]

    def newest(self, dataset: str) -> int:
        """Number of the dataset's newest event that is here; 0 where there is none."""
        return self._newest(self._newest_here, dataset=dataset)

    def newest_of(self, dataset: str, subject: str) -> int:
        """Number of the newest event about a subject, whether it moved or not; 0 where there is none."""
        return self._newest(self._newest_of, dataset=dataset, subject=subject)

    def _newest(self, query: PreparedQuery, **of: str) -> int:
        """What a query finds, which is asked again only after a commit."""
        mark, known, key = self._commits.mark(), self._known, (*of.values(),)
        if known.mark != mark:
            known = self._known = _Known(mark)
        found = known.newest.get(key)
        if found is None:
            found = query(**of) or 0
            if len(known.newest) < KNOWN:
                known.newest[key] = found
        return found

    def waiting(self) -> dict[str, int]:
        """How many events of each dataset are here."""
        query = sa.select(_events.c.dataset, sa.func.count().label("waiting")).where(_here).group_by(_events.c.dataset)
        with self._engine.connect() as connection:
            return {row.dataset: row.waiting for row in connection.execute(query)}

    def forget(self, dataset: str, upto: int) -> None:
        """Drops what the dataset's events up to this number say, which a table holds by now; keeps their keys."""
        with self._commits.begin() as connection:
            connection.execute(
                _events.update()
                .where(_here, _events.c.dataset == dataset, _events.c.number <= upto)
                .values(row=sa.null())
            )

    def sessions(self, dataset: str, users: Sequence[str]) -> set[str]:
        """Sessions in which these users were known by name, of moved events too."""
        found: set[str] = set()
        with self._engine.connect() as connection:
            for part in _parts(users):
                query = sa.select(_events.c.session).where(
                    _events.c.dataset == dataset, _events.c.subject.in_(part), _events.c.session != _events.c.subject
                )
                found.update(connection.execute(query.distinct()).scalars())
        return found - {""}

    def names(self, dataset: str, sessions: Sequence[str]) -> set[tuple[str, str]]:
        """These sessions with every user who was known by name in them, of moved events too."""
        found: set[tuple[str, str]] = set()
        with self._engine.connect() as connection:
            for part in _parts(sessions):
                query = sa.select(_events.c.session, _events.c.subject).where(
                    _events.c.dataset == dataset, _events.c.session.in_(part), _events.c.session != _events.c.subject
                )
                found.update((each.session, each.subject) for each in connection.execute(query.distinct()))
        return found

    def erase(self, dataset: str, subjects: Sequence[str], *, anonymous: bool) -> None:
        """Removes all events of the subjects, and every trace of those that moved.

        anonymous: the subjects are sessions, and only events without a user go.
        """
        for part in _parts(subjects):
            with self._commits.begin() as connection:
                connection.execute(_events.delete().where(*_about(dataset, part, anonymous)))

    def count(self, dataset: str, subjects: Sequence[str], *, anonymous: bool) -> int:
        """How many events `erase` would remove, the moved ones left out."""
        query = sa.select(sa.func.count()).where(_here)
        with self._engine.connect() as connection:
            return sum(
                connection.execute(query.where(*_about(dataset, part, anonymous))).scalar_one()
                for part in _parts(subjects)
            )

    def drop(self, dataset: str) -> None:
        """Forgets a dataset's events."""
        with self._commits.begin() as connection:
            connection.execute(_events.delete().where(_events.c.dataset == dataset))

    def close(self) -> None:
        """Closes all connections."""
        self._commits.close()
        self._newest_here.close()
        self._newest_of.close()
        self._of_subject.close()
        self._database.close(self._engine)


def _sealed_row(dataset: str, event: Event) -> dict[str, Any]:
    """The columns of an event; what it says is sealed together with the others."""
    columns = {
        "dataset": dataset,
        "subject": event.subject,
        "timestamp": event.timestamp,
        "key": event.key,
        "session": event.session,
    }
    row = msgspec.json.encode(event.row | event.told)
    return columns | {"row": checksums.sealed(row, beside(columns.values())).decode()}


def beside(columns: Iterable[object]) -> bytes:
    """What the seal of a row covers besides: the values of `SEALED`, in that order."""
    return "\n".join(map(str, columns)).encode(errors="surrogatepass")


def _about(dataset: str, subjects: Sequence[str], anonymous: bool) -> tuple[sa.ColumnElement[bool], ...]:
    about = (_events.c.dataset == dataset, _events.c.subject.in_(subjects))
    return (*about, _events.c.session == _events.c.subject) if anonymous else about


def _parts(subjects: Sequence[str]) -> Iterator[Sequence[str]]:
    """The subjects, some at a time, so that other writers get their turn."""
    return (subjects[start : start + AT_ONCE] for start in range(0, len(subjects), AT_ONCE))

"""Answers that were given, by their recommendationId: what was shown, by which campaign, and when.

Written in the background, many at a time, so that an answer never waits for the disk; what a crash of the server or
the machine catches in the last moment is lost, and an event that names it then counts like one that names nothing.
Until it is written, a list is found in the memory of the process that gave it.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Collection

import msgspec
import sqlalchemy as sa

from tailorbird.errors import DamagedFile
from tailorbird.numbers import uuid_text
from tailorbird.storage import formats
from tailorbird.storage.database import LOSS, UNHURRIED, Database, Step, exact

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.25
"""Between two writes, so that many lists share one: of 740 lists a second each took 50 µs of a core where 37 shared
one, and 24 where 185 did. A crash may lose as much, and other processes find a list up to that much later."""
FOUND_SECONDS = 1.0
"""After which an answer that another process gave is found, if ever: `WRITE_SECONDS`, and what a busy machine adds."""
LOOK_SECONDS = 0.05
"""Between two looks for it. Not tuned."""
RETRY_SECONDS = 5.0
"""After a write that failed, so that a full disk fills no log; lists that come meanwhile wait. Not tuned."""
AT_ONCE = 500
"""Ids that one statement names: SQLite before 3.32 takes 999. Of 5,000 ids, 50 at a time took 0.33 s, 500 0.18, all
0.14."""
WRITTEN_AT_ONCE = 64
"""Lists that one statement writes: Python's lock is then given away once for all of them, not once for each, after
which the writer would wait for those who answer. One at a time took 18 µs a list, 16 12, 64 10, 160 13."""
DROPPED_AT_ONCE = 10_000
"""Lists that one transaction drops, so that writers get their turn: it takes 0.2 s."""

_ID = re.compile(r"RID-([0-9a-f]{8})-([0-9a-f]{4})-7", re.ASCII)

_metadata = sa.MetaData()
_shown = sa.Table(
    "shown",
    _metadata,
    sa.Column("id", exact(40), primary_key=True),
    sa.Column("time", sa.Float, nullable=False, index=True),
    sa.Column("by", exact(256), nullable=False),
    sa.Column("group", exact(256), nullable=False),
    sa.Column("items", sa.JSON, nullable=False),
    sa.Column("propensities", sa.JSON(none_as_null=True)),
)
_STEPS: tuple[Step, ...] = (
    {
        "postgresql": (
            'ALTER TABLE shown ALTER id TYPE text COLLATE "C", ALTER by TYPE text COLLATE "C", '
            'ALTER "group" TYPE text COLLATE "C"',
        )
    },
)
"""See `formats.bring`."""


class LoggedAnswer(msgspec.Struct, frozen=True, gc=False):
    """One answer of a campaign or recommender."""

    id: str
    """Its recommendationId, see `new_id`."""
    time: float
    """Epoch seconds."""
    by: str
    """ARN of the campaign or recommender."""
    group: str
    """ARN of its dataset group."""
    items: list[str]
    """Ids of items, or of actions, in the order of the answer."""
    propensities: list[float] | None = None
    """How likely each was to be shown in its place, 0 to 1, where the campaign explores."""


def new_id(now: float) -> str:
    """A recommendationId for an answer that is given now (epoch seconds).

    It is a UUID of version 7 (RFC 9562 5.7), which begins with the time: so the index of the ids grows at its end,
    and not at thousands of places, each of which would be a page to write.
    """
    return f"RID-{uuid_text(int(now * 1000) << 80 | random.getrandbits(80), version=7)}"


def _given(name: str) -> float:
    """When the answer of an id was given (epoch seconds); 0 for what is no id of ours."""
    found = _ID.match(name)
    return int(found[1] + found[2], 16) / 1000 if found else 0.0


def database(url: str) -> Database:
    """The store as a database."""
    return Database(
        url,
        "the answers of the last days",
        LOSS + "and events that name an earlier answer bring no impressions.",
        "shown",
        _STEPS,
    )


class RecommendationLog:
    """The answers of one installation; safe to use from many threads and processes."""

    def __init__(self, url: str) -> None:
        self._database = database(url)
        self._engine = self._database.open(durable=False)
        self._lock = threading.Lock()
        self._waiting: dict[str, LoggedAnswer] = {}
        self._news = threading.Event()
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None
        self._pause = WRITE_SECONDS
        self.shared = False
        """Whether other processes give answers too: those of the last moment are waited for."""
        self._failure = ""
        """Why the newest write failed, which is told once; empty where it did not."""
        formats.bring(self._database, self._engine, _metadata)

    def remember(self, shown: LoggedAnswer) -> None:
        """Keeps an answer; returns at once."""
        with self._lock:
            self._waiting[shown.id] = shown
            if self._writer is None:
                self._writer = threading.Thread(target=self._loop, daemon=True, name="shown lists")
                self._writer.start()
        if not self._news.is_set():
            self._news.set()

    def find(self, ids: Collection[str]) -> dict[str, LoggedAnswer]:
        """The answers with these ids; unknown and expired ids are left out, and all that a damaged file hides.

        Where others give answers too, one whose id is younger than `FOUND_SECONDS` is waited for until it is not.
        """
        found = self._find(ids)
        latest = time.monotonic() + FOUND_SECONDS
        while self.shared and time.monotonic() < latest:
            awaited = [each for each in ids if each not in found and abs(time.time() - _given(each)) < FOUND_SECONDS]
            if not awaited:
                break
            time.sleep(LOOK_SECONDS)
            found |= self._find(awaited)
        return found

    def _find(self, ids: Collection[str]) -> dict[str, LoggedAnswer]:
        with self._lock:
            found = {each: self._waiting[each] for each in ids if each in self._waiting}
        missing = [each for each in ids if each not in found]
        try:
            for start in range(0, len(missing), AT_ONCE):
                query = sa.select(_shown).where(_shown.c.id.in_(missing[start : start + AT_ONCE]))
                with self._engine.connect() as connection:
                    found |= {row["id"]: LoggedAnswer(**row) for row in connection.execute(query).mappings()}
        except DamagedFile as error:
            log.error("answers are not found: events that name them bring no impressions", extra={"reason": str(error)})
        return found

    def drop_before(self, time: float) -> None:
        """Forgets the answers that were given before a moment (epoch seconds)."""
        oldest = sa.select(_shown.c.id).where(_shown.c.time < time).limit(DROPPED_AT_ONCE)
        dropped = DROPPED_AT_ONCE
        while dropped == DROPPED_AT_ONCE:
            with self._engine.begin() as connection:
                dropped = connection.execute(_shown.delete().where(_shown.c.id.in_(oldest))).rowcount

    def close(self) -> None:
        """Writes what waits and closes all connections."""
        self._closing.set()
        self._news.set()
        if self._writer is not None:
            self._writer.join()
        self._database.close(self._engine)

    def _loop(self) -> None:
        ending = False
        while not ending:
            self._news.wait()
            self._news.clear()
            self._write()  # at once after a silence; what comes in the pause is written together
            ending = self._closing.wait(self._pause)
        self._write()

    def _write(self) -> None:
        with self._lock:
            written = list(self._waiting.values())
        if not written:
            return
        self._pause = WRITE_SECONDS
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(UNHURRIED)
                for start in range(0, len(written), WRITTEN_AT_ONCE):
                    self._insert(connection, written[start : start + WRITTEN_AT_ONCE])
        except Exception as error:  # whatever it is, the next lists are to be written
            reason = str(getattr(error, "orig", error))  # without the statement, which is another each time
            if reason != self._failure:
                told = {"n": len(written), "reason": reason}
                log.error("answers are not kept: events that name them bring no impressions", extra=told)
            self._pause, self._failure = RETRY_SECONDS, reason
        else:
            self._failure = ""
        with self._lock:
            for shown in written:
                del self._waiting[shown.id]

    def _insert(self, connection: sa.Connection, answers: list[LoggedAnswer]) -> None:
        """As SQLAlchemy's own insert does, which takes three times as long: 22 µs of an answer's time."""
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        row = f"({', '.join([mark] * len(_shown.columns))})"
        statement = f"INSERT INTO shown VALUES {', '.join([row] * len(answers))}"  # noqa: S608 - of marks alone
        connection.exec_driver_sql(statement, tuple(cell for each in answers for cell in _cells(each)))


def _cells(answer: LoggedAnswer) -> tuple[str | float | None, ...]:
    """A row of the table."""
    items, propensities = (
        None if each is None else msgspec.json.encode(each).decode() for each in (answer.items, answer.propensities)
    )
    return answer.id, answer.time, answer.by, answer.group, items, propensities

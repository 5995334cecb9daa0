"""What metrics add up to, by source and quarter of an hour; each row of data counts once.

A reader is whoever counts numbered data in their order: how far it has come is kept in the same transaction as what
it counted, so it can die and begin again anywhere, and two that do the same work count once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from tailorbird.storage import formats
from tailorbird.storage.commits import Commits
from tailorbird.storage.database import INSERTS, LOSS, Database, Step, exact

PERIOD = 900
"""Seconds of a bucket (spec recipes-and-runtime 6.4)."""

_metadata = sa.MetaData()
_tallies = sa.Table(
    "tallies",
    _metadata,
    sa.Column("group", exact(256), primary_key=True),
    sa.Column("metric", exact(256), primary_key=True),
    sa.Column("source", exact(1024), primary_key=True),
    sa.Column("bucket", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("published", sa.Float, nullable=False, default=0.0),
)
_readers = sa.Table(
    "readers",
    _metadata,
    sa.Column("reader", exact(512), primary_key=True),
    sa.Column("reached", sa.BigInteger, nullable=False),
)
_STEPS: tuple[Step, ...] = (
    {
        "postgresql": (
            'ALTER TABLE tallies ALTER "group" TYPE text COLLATE "C", '
            'ALTER metric TYPE text COLLATE "C", ALTER source TYPE text COLLATE "C"',
            'ALTER TABLE readers ALTER reader TYPE text COLLATE "C"',
        )
    },
)
"""See `formats.bring`."""
_NAMES = ("group", "metric", "source", "bucket")


@dataclass(frozen=True)
class Tally:
    """A metric's value of one source over one quarter of an hour."""

    group: str
    """ARN of the dataset group."""
    metric: str
    """In upper case, as CloudWatch has it."""
    source: str
    """Label or ARN, in upper case."""
    bucket: int
    """Epoch seconds at which the quarter of an hour begins."""
    value: float


def database(url: str) -> Database:
    """The store as a database."""
    return Database(
        url,
        "the metrics of all attributions",
        LOSS + "and metrics of recorded events are counted again, those of imports not.",
        "tallies",
        _STEPS,
    )


class MetricCounters:
    """The metrics of one installation; safe to use from many threads and processes."""

    def __init__(self, url: str) -> None:
        self._database = database(url)
        self._engine = self._database.open()
        self._insert = INSERTS[self._engine.dialect.name]
        formats.bring(self._database, self._engine, _metadata)
        self._commits = Commits(self._database, self._engine)

    def reached(self, reader: str, start: int) -> int:
        """The number up to which a reader has counted; `start` for a new one."""
        query = sa.select(_readers.c.reached).where(_readers.c.reader == reader)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar() or start

    def furthest(self) -> int:
        """The highest number that any reader has reached; 0 where there is none."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(sa.func.max(_readers.c.reached))).scalar() or 0

    def add(self, reader: str, after: int, upto: int, tallies: Iterable[Tally]) -> None:
        """Adds what a reader counted in data with numbers above `after` up to `upto`; nothing where that was done."""
        rows = [vars(tally) | {"published": 0.0} for tally in tallies]
        adding = self._insert(_tallies)
        adding = adding.on_conflict_do_update(
            index_elements=_NAMES, set_={"value": _tallies.c.value + adding.excluded.value}
        )
        begun = self._insert(_readers).values(reader=reader, reached=after).on_conflict_do_nothing()
        here = (_readers.c.reader == reader, _readers.c.reached == after)
        with self._commits.begin() as connection:
            connection.execute(begun)
            moved = connection.execute(_readers.update().where(*here).values(reached=upto)).rowcount
            if moved and rows:
                connection.execute(adding, rows)

    def all(self, prefix: str) -> list[Tally]:
        """Those of all groups whose ARN begins so, oldest first."""
        query = sa.select(*(_tallies.c[name] for name in (*_NAMES, "value")))
        query = query.where(_tallies.c.group.startswith(prefix, autoescape=True)).order_by(_tallies.c.bucket)
        with self._engine.connect() as connection:
            return [Tally(**row) for row in connection.execute(query).mappings()]

    def sources(self, group: str) -> set[str]:
        """The sources that a group has tallies of."""
        query = sa.select(_tallies.c.source).where(_tallies.c.group == group).distinct()
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def unpublished(self, since: float, upto: float) -> bool:
        """Whether `publish` would find anything."""
        with self._engine.connect() as connection:
            return connection.execute(_waiting(since, upto).limit(1)).first() is not None

    def publish(self, since: float, upto: float, send: Callable[[Sequence[Tally]], None]) -> None:
        """Has sent what buckets between two moments (epoch seconds) hold that was not sent before.

        Each is sent once, except where the process dies, or `send` raises, between sending and the end.
        """
        with self._commits.begin() as connection:
            sent = []
            for row in connection.execute(_waiting(since, upto)).mappings().all():
                same = [_tallies.c[name] == row[name] for name in (*_NAMES, "published")]
                if connection.execute(_tallies.update().where(*same).values(published=row["value"])).rowcount:
                    tally = Tally(**{name: row[name] for name in (*_NAMES, "value")})
                    sent.append(replace(tally, value=row["value"] - row["published"]))
            if sent:
                send(sent)

    def drop_before(self, time: float) -> None:
        """Forgets buckets that began before a moment (epoch seconds)."""
        with self._commits.begin() as connection:
            connection.execute(_tallies.delete().where(_tallies.c.bucket < time))

    def close(self) -> None:
        """Closes all connections."""
        self._commits.close()
        self._database.close(self._engine)


def _waiting(since: float, upto: float) -> sa.Select[Any]:
    between = (_tallies.c.bucket >= since, _tallies.c.bucket <= upto - PERIOD)
    return sa.select(_tallies).where(_tallies.c.published != _tallies.c.value, *between)

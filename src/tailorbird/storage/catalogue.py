"""The documents of all resources, in one SQL table.

A document is the resource in its Describe shape plus members that only we see. Its `status` is the queue of
jobs as well (see `jobs/dispatcher.py`), so every change is a compare-and-set on a revision number. What must hold
between several documents, that a parent is there say, is asked and acted upon in one transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import sqlalchemy as sa

from tailorbird.errors import DamagedFile
from tailorbird.storage import formats, postgres
from tailorbird.storage.access_keys import AccessKey
from tailorbird.storage.commits import Commits
from tailorbird.storage.database import COUNTED, INSERTS, NUMBER, RECOVERY, Database, Step, exact

Document = dict[str, Any]

_metadata = sa.MetaData()
_documents = sa.Table(
    "documents",
    _metadata,
    sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("arn", exact(512), nullable=False, unique=True),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("due", sa.Float, nullable=True, index=True),
    sa.Column("body", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)


_keys = sa.Table(
    "access_keys",
    _metadata,
    sa.Column("of", sa.String(64), primary_key=True),
    sa.Column("key", sa.JSON, nullable=False),
)
"""The installation's access key, where the database is a shared one; no resource, so that no list ever shows it."""
_OWN = "installation"

_STEPS: tuple[Step, ...] = (
    {
        "postgresql": (
            "ALTER TABLE documents ALTER number TYPE bigint, ALTER revision TYPE bigint, "
            'ALTER arn TYPE text COLLATE "C"',
            "ALTER SEQUENCE documents_number_seq AS bigint",
        )
    },
)
"""See `formats.bring`."""

Failed = Callable[[str, Exception], None]
"""Is told of a document that cannot be read: words that name it, and why."""


class AlreadyExists(Exception):
    """A document with this ARN is there already."""


_ARNS = "arn:aws:personalize:"
"""What the ARNs of all resources begin with."""


def database(url: str) -> Database:
    """The store as a database."""
    return Database(url, "all resources", RECOVERY, "documents", _STEPS)


def is_there(url: str) -> bool:
    """Whether a database holds an installation; makes none."""
    store = database(url)
    if store.sqlite:
        return store.loss() is None
    engine = store.open()
    try:
        with engine.connect() as connection:
            return sa.inspect(connection).has_table(_documents.name)
    finally:
        store.close(engine)


class Catalogue:
    """All documents of one installation; safe to use from many threads and processes."""

    def __init__(self, url: str) -> None:
        self._database = database(url)
        self._engine = self._database.open()
        self._own = threading.local()
        formats.bring(self._database, self._engine, _metadata)
        self._commits = Commits(self._database, self._engine)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that this thread reads and writes here inside happens at one moment: all of it, or none on an error.

        Other writers, of other processes too, wait meanwhile, so what takes long is to be done before. May be nested.
        """
        if getattr(self._own, "connection", None) is not None:
            yield
            return
        with self._commits.begin() as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """The connection of the transaction which this thread is in; outside, another one."""
        inside: sa.Connection | None = getattr(self._own, "connection", None)
        if inside is not None:
            yield inside
            return
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """The connection of the transaction which this thread is in; outside, one for a transaction of its own."""
        inside: sa.Connection | None = getattr(self._own, "connection", None)
        if inside is not None:
            yield inside
            return
        with self._commits.begin() as connection:
            yield connection

    def version(self) -> Hashable:
        """What is equal to an earlier version only if no document came, changed or went since, in any process.

        Of what was read after it: as long as the version stays, to read it again would give the same. Never the same
        twice inside a transaction, whose own changes it does not show.
        """
        return self._commits.mark() if getattr(self._own, "connection", None) is None else object()

    def insert(self, kind: str, arn: str, document: Document) -> None:
        """Adds a document; raises AlreadyExists when the ARN is taken."""
        row = {
            "arn": arn,
            "kind": kind,
            "status": document.get("status", ""),
            "revision": 0,
            "due": document.get("_due"),
            "body": document,
        }
        # An error of the statement would end the transaction in PostgreSQL.
        statement = INSERTS[self._engine.dialect.name](_documents).values(row).on_conflict_do_nothing()
        with self._writing() as connection:
            if connection.execute(statement.inline(), execution_options=COUNTED).rowcount != 1:
                raise AlreadyExists(arn)

    def access_key(self) -> AccessKey | None:
        """The installation's, if it is kept here; raises DamagedFile."""
        with self._reading() as connection:
            found = connection.execute(sa.select(_keys.c.key).where(_keys.c.of == _OWN)).scalar_one_or_none()
        try:
            return None if found is None else msgspec.convert(found, AccessKey)
        except ValueError as error:
            raise self._database.damaged(f"holds a damaged access key ({error})") from error

    def keep_key(self, key: AccessKey) -> AccessKey:
        """Keeps an access key, unless there is one; that which is there then, whoever came first."""
        row = {"of": _OWN, "key": msgspec.to_builtins(key)}
        with self._writing() as connection:
            connection.execute(INSERTS[self._engine.dialect.name](_keys).values(row).on_conflict_do_nothing())
        kept = self.access_key()
        assert kept is not None
        return kept

    def clock(self) -> Callable[[], float]:
        """Tells epoch seconds: the database's where machines share it, so that none is late or early for another."""
        return time.time if self._database.sqlite else postgres.Clock(self._engine)

    def owners(self) -> set[tuple[str, str]]:
        """The region and the account of every resource there is; one look at the index for each of them."""
        found, after = set[tuple[str, str]](), _ARNS
        first = sa.select(sa.func.min(_documents.c.arn))
        with self._reading() as connection:
            while arn := connection.execute(first.where(_documents.c.arn.between(after, _ARNS[:-1] + ";"))).scalar():
                region, account = arn.split(":")[3:5]
                found.add((region, account))
                after = f"{_ARNS}{region}:{account};"  # a semicolon comes after the colon
        return found

    def get(self, arn: str, kind: str | None = None) -> Document | None:
        """The document of an ARN, or None; with `kind`, only if it is of that kind."""
        query = sa.select(_documents.c.body).where(_documents.c.arn == arn)
        if kind is not None:
            query = query.where(_documents.c.kind == kind)
        with self._reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def select(
        self,
        kind: str,
        members: Mapping[str, str] | None = None,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int | None = None,
        newest_first: bool = False,
        failed: Failed | None = None,
    ) -> list[tuple[int, Document]]:
        """Documents of a kind with their numbers, oldest first unless `newest_first`.

        members: only documents whose member of that name has that value. prefix: what their ARNs begin with.
        after: only those that come after this number; 0 for all. failed: see `with_status`.
        """
        number = _documents.c.number
        query = sa.select(number, _documents.c.body).where(_documents.c.kind == kind)
        if after:
            query = query.where(number < after if newest_first else number > after)
        if prefix:
            query = query.where(_documents.c.arn.startswith(prefix, autoescape=True))
        for name, value in (members or {}).items():
            query = query.where(_documents.c.body[name].as_string() == sa.literal(value, exact(512)))
        query = query.order_by(number.desc() if newest_first else number).limit(limit)
        return [(at, body) for at, body in self._rows(query, failed)]

    def count(
        self, kind: str, members: Mapping[str, str], *, prefix: str, statuses: Sequence[str], without: bool
    ) -> int:
        """How many documents of a kind with these members are in one of the statuses, or `without`, in none."""
        among = _documents.c.status.not_in(statuses) if without else _documents.c.status.in_(statuses)
        query = sa.select(sa.func.count()).where(
            _documents.c.kind == kind, among, _documents.c.arn.startswith(prefix, autoescape=True)
        )
        for name, value in members.items():
            query = query.where(_documents.c.body[name].as_string() == sa.literal(value, exact(512)))
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def with_status(self, statuses: Sequence[str], failed: Failed | None = None) -> list[tuple[str, str, Document]]:
        """(arn, kind, document) of every document in one of the statuses, oldest first.

        failed: is told of each document that cannot be read, which is then left out; without it, one that cannot be
        read is an error.
        """
        query = (
            sa.select(_documents.c.arn, _documents.c.kind, _documents.c.body)
            .where(_documents.c.status.in_(statuses))
            .order_by(_documents.c.number)
        )
        return [(arn, kind, body) for arn, kind, body in self._rows(query, failed)]

    def _rows(self, query: sa.Select[Any], failed: Failed | None) -> Sequence[Any]:
        """What a query over documents finds; where some of them cannot be read, the others."""
        with self._reading() as connection:
            if failed is None:
                return connection.execute(query).all()
            with suppress(DamagedFile):
                return connection.execute(query).all()
            # SQLite finds the numbers in an index, without a look at the documents.
            numbers = connection.execute(query.with_only_columns(_documents.c.number)).scalars().all()
            rows: list[Any] = []
            for number in numbers:
                try:
                    rows.extend(connection.execute(query.where(_documents.c.number == number)))
                except DamagedFile as error:
                    failed(f"document {number} of the catalogue", error)
            return rows

    def due(self, now: float, beyond: float) -> list[str]:
        """ARNs of the documents whose member `_due`, epoch seconds, is not after `now`, or is after `beyond`."""
        due = _documents.c.due
        query = sa.select(_documents.c.arn).where((due <= now) | (due > beyond))
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def any_moving(self, statuses: Sequence[str]) -> bool:
        """Whether any document is in one of the statuses or has a member `_due`, of whatever moment."""
        moving = _documents.c.status.in_(statuses) | _documents.c.due.is_not(None)
        with self._reading() as connection:
            return connection.execute(sa.select(_documents.c.number).where(moving).limit(1)).first() is not None

    def update(self, arn: str, change: Callable[[Document], Document | None]) -> Document | None:
        """Replaces a document by what `change` makes of it and returns the new one.

        `change` may be called again when another writer came first; it returns None to leave the document as
        it is, and then so does this function, as it does when there is no such document.
        """
        query = sa.select(_documents.c.revision, _documents.c.body).where(_documents.c.arn == arn)
        while True:
            with self._reading() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                return None
            changed = change(row.body)
            if changed is None:
                return None
            statement = (
                _documents.update()
                .where(_documents.c.arn == arn, _documents.c.revision == row.revision)
                .values(
                    revision=row.revision + 1,
                    status=changed.get("status", ""),
                    due=changed.get("_due"),
                    body=changed,
                )
            )
            with self._writing() as connection:
                if connection.execute(statement).rowcount == 1:
                    return changed

    def delete(self, arn: str) -> None:
        """Removes a document; nothing happens when it is gone already."""
        with self._writing() as connection:
            connection.execute(_documents.delete().where(_documents.c.arn == arn))

    def look(self) -> None:
        """Reads all pages where it is SQLite's, else something; raises DamagedFile.

        Half a second where there are 100,000 documents.
        """
        if not self._database.sqlite:
            self.get("")
            return
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise self._database.damaged(f"does not pass SQLite's check ({found})")

    def close(self) -> None:
        """Closes all connections."""
        self._commits.close()
        self._database.close(self._engine)

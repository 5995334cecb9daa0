"""Whether anything was committed is told of every process, at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tailorbird.storage.commits import MAPS, Commits
from tailorbird.storage.database import Database
from tailorbird.storage.live import Event, Live
from tailorbird.storage.metric_counters import MetricCounters


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE found (number INTEGER)")
        connection.commit()
    return path


@pytest.fixture
def database(file: Path) -> Database:
    return Database(f"sqlite:///{file}", "numbers", "", "found")


@pytest.fixture
def engine(database: Database) -> Iterator[sa.Engine]:
    made = database.open()
    yield made
    made.dispose()


def add(file: Path, number: int = 1) -> None:
    """As another process does."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO found VALUES (?)", [number])
        connection.commit()


def test_a_mark_stays_until_somebody_commits(database: Database, engine: sa.Engine, file: Path) -> None:
    commits = Commits(database, engine)
    marks = [commits.mark()]
    assert commits.mark() == marks[0]
    for number in range(20):
        add(file, number)
        marks.append(commits.mark())
        assert commits.mark() == marks[-1]
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM found"))
    marks.append(commits.mark())
    assert len(set(marks)) == len(marks)
    with engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO found VALUES (1)"))
        assert commits.mark() == marks[-1], "it is not committed"
        connection.rollback()
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT * FROM found")).all()
    assert commits.mark() == marks[-1]
    commits.close()


def test_what_another_process_commits_is_told(database: Database, engine: sa.Engine, file: Path) -> None:
    commits = Commits(database, engine)
    assert (commits._header is not None) == MAPS.exists(), "as SQLite has it mapped"
    before, asked = commits.mark(), commits._query() if commits._query else None
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM found'); c.commit()"
    subprocess.run([sys.executable, "-c", program, str(file)], check=True)
    assert commits.mark() != before
    assert commits._query is not None
    assert commits._query() != asked
    assert commits.mark() == commits.mark()
    commits._header = None  # as on another system
    before = commits.mark()
    add(file)
    assert commits.mark() != before
    commits.close()


def test_a_log_that_begins_anew_hides_no_commit(database: Database, engine: sa.Engine, file: Path) -> None:
    """The same number of pages after a checkpoint is another log."""
    commits = Commits(database, engine)
    seen = []
    for _ in range(5):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        add(file)
        seen.append(commits.mark())
    assert len(set(seen)) == 5
    commits.close()


def test_after_the_end_nothing_is_told(database: Database, engine: sa.Engine) -> None:
    commits = Commits(database, engine)
    commits.close()
    with pytest.raises(sa.exc.ResourceClosedError):
        commits.mark()


def test_what_another_process_records_is_known_at_once(database_url: str) -> None:
    ours, theirs = Live(database_url), Live(database_url)
    assert (ours.newest("d"), ours.newest_of("d", "u")) == (0, 0)
    for number in range(1, 4):
        theirs.append("d", [Event("u", "s", number, {"ITEM_ID": str(number)})])
        assert (ours.newest("d"), ours.newest_of("d", "u"), ours.newest_of("d", "other")) == (number, number, 0)
    theirs.forget("d", 2)
    assert (ours.newest("d"), ours.newest_of("d", "u")) == (3, 3)
    theirs.drop("d")
    assert (ours.newest("d"), ours.newest_of("d", "u")) == (0, 0)
    ours.close()
    theirs.close()


def test_a_store_does_not_see_the_commits_of_another(database_url: str) -> None:
    """They share a database only where it is PostgreSQL's."""
    live, counters = Live(database_url), MetricCounters(database_url)
    mark = live._commits.mark()
    if not database_url.startswith("sqlite"):
        counters.add("reader", 0, 1, [])
    assert live._commits.mark() == mark
    live.close()
    counters.close()

"""What was written by an older version is taken over, by one of many processes; what a newer one wrote is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from postgres import Postgres
from processes import line, running, tell
from tailorbird.errors import DamagedFile, NewerFormat
from tailorbird.storage import formats
from tailorbird.storage.catalogue import Catalogue
from tailorbird.storage.live import Event, Live
from tailorbird.storage.metric_counters import MetricCounters
from tailorbird.storage.recommendation_log import RecommendationLog

STORES: tuple[Callable[[str], Any], ...] = (Catalogue, Live, RecommendationLog, MetricCounters)
OPENER = """
import sys
from tailorbird import config
from tailorbird.storage.live import Event
from tailorbird.workspace import open_workspace
settings = {"TAILORBIRD_DATABASE_URL": sys.argv[3]} if sys.argv[3] else {}
settings = config.load(settings, data_dir=sys.argv[2])
print("open", flush=True)
sys.stdin.readline()
workspace = open_workspace(settings)
workspace.catalogue.insert("Schema", f"arn:{sys.argv[1]}", {})
workspace.live.append("d", [Event(sys.argv[1], "s", 1, {})])
workspace.close()
print(workspace.access_key.access_key_id, flush=True)
"""
"""Opens an installation at the same moment as others, and says which access key it has."""
FIRST = """
CREATE TABLE documents (
    number {number}, arn VARCHAR(512) NOT NULL, kind VARCHAR(64) NOT NULL, status VARCHAR(32) NOT NULL,
    revision INTEGER NOT NULL, due FLOAT, body JSON NOT NULL, UNIQUE (arn)
);
CREATE INDEX ix_documents_due ON documents (due);
CREATE INDEX ix_documents_kind ON documents (kind);
CREATE INDEX ix_documents_status ON documents (status);
CREATE TABLE events (
    number {number}, dataset VARCHAR(512) NOT NULL, subject VARCHAR(256) NOT NULL, timestamp BIGINT NOT NULL,
    key VARCHAR(256) NOT NULL, session VARCHAR(256) NOT NULL, row TEXT, UNIQUE (dataset, key)
);
CREATE INDEX events_of_subject ON events (dataset, subject, number);
CREATE INDEX events_here ON events (dataset, number) WHERE row IS NOT NULL;
CREATE TABLE shown (
    id VARCHAR(40) NOT NULL, time FLOAT NOT NULL, by VARCHAR(256) NOT NULL, "group" VARCHAR(256) NOT NULL,
    items JSON NOT NULL, propensities JSON, PRIMARY KEY (id)
);
CREATE INDEX ix_shown_time ON shown (time);
CREATE TABLE tallies (
    "group" VARCHAR(256) NOT NULL, metric VARCHAR(256) NOT NULL, source VARCHAR(1024) NOT NULL, bucket BIGINT NOT NULL,
    value FLOAT NOT NULL, published FLOAT NOT NULL, PRIMARY KEY ("group", metric, source, bucket)
);
CREATE TABLE readers (reader VARCHAR(512) NOT NULL, reached BIGINT NOT NULL, PRIMARY KEY (reader));
INSERT INTO documents (arn, kind, status, revision, body) VALUES ('arn:1', 'Schema', '', 0, '{{"name":"a"}}');
INSERT INTO events (dataset, subject, timestamp, key, session, row) VALUES ('d', 'u', 1, 'content:1', 's', '{{"A":1}}');
"""
"""All tables as the first versions made them, before there were numbers of formats, and what they wrote."""
NUMBERS = {"sqlite": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "postgresql": "SERIAL PRIMARY KEY"}


def older(url: str, postgres: Callable[[], Postgres]) -> None:
    parsed = sa.make_url(url)
    statements = FIRST.format(number=NUMBERS[parsed.get_backend_name()])
    assert parsed.database is not None
    if parsed.get_backend_name() == "postgresql":
        postgres().execute(statements, parsed.database)
        return
    with closing(sqlite3.connect(parsed.database)) as connection:
        connection.executescript(statements)


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Callable[[], Postgres]:
    """The server, where a test turns out to need it."""
    return lambda: request.getfixturevalue("postgres")  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["folder", "postgresql"])
def test_processes_that_start_at_once_all_succeed(tmp_path: Path, asked: Any, kind: str) -> None:
    url = asked().database() if kind == "postgresql" else ""
    with running(OPENER, *((str(number), str(tmp_path / "data"), url) for number in range(4))) as begun:
        for each in begun:
            tell(each, "go")
        keys = [line(each) for each in begun]
    assert (len(keys[0]), set(keys)) == (20, {keys[0]})
    live = Live(url or f"sqlite:///{tmp_path}/data/live.db")
    assert {event.subject for event in live.all("d")} == {"0", "1", "2", "3"}
    live.close()


def test_what_an_older_version_wrote_is_taken_over(database_url: str, asked: Any) -> None:
    older(database_url, asked)
    catalogue, live = Catalogue(database_url), Live(database_url)
    assert catalogue.get("arn:1") == {"name": "a"}
    live.skip(2**40)
    live.append("d", [Event("u", "s", 2, {"A": 2})])
    assert [(event.number, event.row) for event in live.all("d")] == [(1, {"A": 1}), (2**40 + 1, {"A": 2})]
    catalogue.insert("Schema", "arn:B", {})
    catalogue.insert("Schema", "arn:a", {})
    assert len(catalogue.select("Schema", prefix="arn:")) == 3
    catalogue.close()
    live.close()


@pytest.mark.parametrize("store", STORES)
def test_what_a_newer_version_wrote_is_refused(database_url: str, store: Callable[[str], Any]) -> None:
    store(database_url).close()
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE stores SET format = 99"))
    engine.dispose()
    with pytest.raises(NewerFormat, match="has format 99, and this version of Tailorbird knows formats up to"):
        store(database_url)


def test_a_newer_data_folder_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        formats.bring_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["format"]
    (tmp_path / "format").write_text(f"{formats.FOLDER + 1}\n")
    with pytest.raises(NewerFormat, match=f"The data folder {tmp_path} has format {formats.FOLDER + 1}"):
        formats.bring_folder(tmp_path)
    (tmp_path / "format").write_text("none")
    with pytest.raises(DamagedFile):
        formats.bring_folder(tmp_path)

"""What PostgreSQL alone needs: connections that are replaced, errors that pass, and one clock."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from postgres import Postgres
from support import wait_for
from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage import postgres as storage
from tailorbird.storage.catalogue import Catalogue
from tailorbird.storage.live import Event, Live
from tailorbird.storage.recommendation_log import LoggedAnswer, RecommendationLog


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = storage.engine(url, str, str)
    yield made
    storage.release(made)


def test_stores_that_meet_a_database_which_is_away_say_so_and_work_again_when_it_is_back(
    postgres: Postgres, url: str
) -> None:
    catalogue, live, answers = Catalogue(url), Live(url), RecommendationLog(url)
    catalogue.insert("Schema", "arn:1", {"name": "a"})
    clock = catalogue.clock()
    postgres.stop()
    try:
        for ask in (
            catalogue.version,
            lambda: catalogue.get("arn:1"),
            lambda: catalogue.insert("Schema", "arn:2", {}),
            lambda: live.newest("d"),
            lambda: live.append("d", [Event("u", "s", 1, {})]),
            lambda: answers.find(["RID"]),
            lambda: Live(url),
        ):
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable, match=r"Try again in a moment\. \(.+\)") as caught:
                    ask()
        assert "postgres-" not in caught.value.message, "clients need not know where it is"
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert abs(clock() - time.time()) < 60
    finally:
        postgres.start()
    live.append("d", [Event("u", "s", 1, {})])
    assert len(live.all("d")) == live.newest("d") == 1
    assert catalogue.get("arn:1") == {"name": "a"}
    answers.remember(LoggedAnswer("RID", 1.0, "c", "g", ["i"]))
    wait_for(lambda: not answers._waiting)
    assert set(answers.find(["RID"])) == {"RID"}
    for each in (catalogue, live, answers):
        each.close()


def test_connections_that_a_server_has_closed_are_replaced_unseen(
    postgres: Postgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "IDLE_SECONDS", 0.0)
    catalogue = Catalogue(url)
    version = catalogue.version()
    postgres.stop()
    postgres.start()
    assert catalogue.version() == version
    assert catalogue.get("arn:1") is None
    catalogue.close()


def test_a_store_that_is_closed_leaves_the_others_their_connections(url: str) -> None:
    first, second = Catalogue(url), Catalogue(url)
    pool = first._engine.pool
    first.version()
    first.close()
    assert (second._engine.pool is pool, second.get("arn:1")) == (True, None)
    second.close()
    assert second._engine.pool is not pool


def test_a_lock_that_another_keeps_is_no_defect(engine: sa.Engine) -> None:
    with engine.begin() as first:
        first.exec_driver_sql("CREATE TABLE t (a int)")
    with engine.begin() as first, engine.connect() as second:
        first.exec_driver_sql("LOCK TABLE t")
        second.exec_driver_sql("SET lock_timeout = '1ms'")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            second.exec_driver_sql("SELECT * FROM t")


def test_connections_that_are_all_in_use_are_no_defect(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.pool, "_timeout", 0.01)
    held = [engine.connect() for _ in range(storage.AT_MOST)]
    with pytest.raises(DatabaseUnavailable, match="all connections are in use"):
        engine.connect()
    for each in held:
        each.close()


def test_a_query_that_is_wrong_is_a_defect(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.ProgrammingError), engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    with pytest.raises(engine.dialect.loaded_dbapi.ProgrammingError):
        storage.rows(engine, "SELECT * FROM nowhere WHERE a = :a", {"a": 1})
    assert storage.rows(engine, "SELECT :a::int", {"a": 1}) == [(1,)]


def test_a_setting_of_the_url_counts_beside_our_own(url: str) -> None:
    engine = storage.engine(f"{url}&connect_timeout=7&options=-c%20work_mem%3D5MB", str, str)
    shown = storage.rows(engine, "SELECT current_setting('work_mem'), current_setting('lock_timeout')", {})
    assert shown == [("5MB", "20s")]
    storage.release(engine)


def test_the_clock_is_that_of_the_database(
    postgres: Postgres, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine's is as ours here, so that another function in its place makes the difference."""
    assert abs(storage.Clock(engine)() - time.time()) < 60
    with engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA ahead",
            "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            "'SELECT pg_catalog.clock_timestamp() + interval ''1 day'''",
            f"ALTER DATABASE {engine.url.database} SET search_path = ahead, pg_catalog, public",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    clock = storage.Clock(engine)
    assert abs(clock() - time.time() - 86_400) < 60
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA ahead CASCADE")
    assert abs(clock() - time.time() - 86_400) < 60, "until the next look"
    monkeypatch.setattr(storage, "CLOCK_SECONDS", -1.0)
    assert abs(clock() - time.time()) < 60

"""Events: kept once, in order, by any number of writers at a time."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage.live import Event, Live


@pytest.fixture
def live(database_url: str) -> Live:
    return Live(database_url)


def event(user: str, item: str, event_id: str | None = None, at: int = 1) -> Event:
    return Event(user, "session", at, {"USER_ID": user, "ITEM_ID": item, "TIMESTAMP": at}, event_id)


def test_many_writers_lose_and_double_nothing(live: Live) -> None:
    def write(writer: int) -> None:
        for number in range(20):
            live.append("d", [event(f"u{writer}", f"{number}-{part}") for part in range(3)])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    for writer in range(16):
        items = [each.row["ITEM_ID"] for each in live.of_subject("d", f"u{writer}")]
        assert items == [f"{number}-{part}" for number in range(20) for part in range(3)]
    numbers = [each.number for each in live.all("d")]
    assert len(numbers) == len(set(numbers)) == 16 * 20 * 3
    live.close()


def test_repeated_events_count_once(live: Live) -> None:
    live.append("d", [event("u", "1", "same"), event("u", "2", "same")])
    live.append("d", [event("u", "3", "same"), event("u", "4"), event("u", "4"), event("u", "4", at=2)])
    assert [(each.row["ITEM_ID"], each.timestamp) for each in live.of_subject("d", "u")] == [
        ("1", 1),
        ("4", 1),
        ("4", 2),
    ]
    live.append("other", [event("u", "1", "same")])
    assert len(live.of_subject("other", "u")) == 1
    live.close()


def test_another_process_sees_them_at_once_and_dropping_forgets_them(live: Live, database_url: str) -> None:
    other = Live(database_url)
    live.append("d", [event("u", "1"), event("u", "2"), event("v", "3")])
    first, second = other.of_subject("d", "u")
    assert [each.row["ITEM_ID"] for each in other.of_subject("d", "u", after=first.number)] == [second.row["ITEM_ID"]]
    other.drop("d")
    assert live.all("d") == []
    live.close()
    other.close()


def test_one_callers_bad_event_fails_that_caller_only(live: Live) -> None:
    def write(number: int) -> str:
        at = 2**70 if number % 10 == 0 else number  # no database keeps the former
        try:
            live.append("d", [event("u", str(number), at=at)])
        except (OverflowError, sa.exc.DataError):
            return "refused"
        return "kept"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(write, range(200)))
    assert [number for number, outcome in enumerate(outcomes) if outcome == "refused"] == list(range(0, 200, 10))
    assert len(live.of_subject("d", "u")) == 180
    live.close()


def test_who_finds_no_turn_is_told_to_come_again(tmp_path: Path) -> None:
    """Many at once too, of whom none is tried once more by itself."""
    live = Live(f"sqlite:///{tmp_path / 'live.db'}")
    with live._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")

    def write(number: int) -> str:
        try:
            live.append("d", [event("u", str(number))])
        except DatabaseUnavailable as error:
            return error.code
        return "kept"

    with closing(sqlite3.connect(tmp_path / "live.db")) as other, ThreadPoolExecutor(4) as pool:
        other.execute("BEGIN IMMEDIATE")
        assert set(pool.map(write, range(20))) == {"ServiceUnavailable"}
    assert write(0) == "kept"
    live.close()

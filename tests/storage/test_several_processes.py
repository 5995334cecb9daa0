"""Stores that several processes share: what one has acknowledged, every other one has, and none misses any."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from postgres import Postgres
from processes import line, running, tell
from support import wait_for
from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage.live import Event, Live

WRITER = """
import sys
from tailorbird.storage.live import Event, Live
live, writer = Live(sys.argv[1]), sys.argv[2]
print("open", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    size = 60 if number % 3 == int(writer) % 3 else 1
    live.append("d", [Event(f"u{writer}", "s", number, {"ITEM_ID": f"{number}-{part}"}) for part in range(size)])
live.close()
"""
"""Some of its commits are long and some short, so that the short one of another is often done first."""
ECHO = """
import sys
from tailorbird.storage.live import Event, Live
live = Live(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    live.append("d", [Event(line.strip(), "s", 1, {"ITEM_ID": "i"})])
    print("acknowledged", flush=True)
live.close()
"""
STUBBORN = """
import sys, time
from tailorbird.errors import DatabaseUnavailable
from tailorbird.storage.live import Event, Live
live, writer = Live(sys.argv[1]), sys.argv[2]
print("open", flush=True)
while number := sys.stdin.readline().strip():
    while True:
        try:
            live.append("d", [Event(f"u{writer}", "s", 1, {"ITEM_ID": number}, f"{writer} {number}")])
            break
        except DatabaseUnavailable:
            time.sleep(0.02)
    print(number, flush=True)
live.close()
"""
"""Tries until each event is acknowledged, as boto3 does."""
SLOW = """
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.subject = 'slow') EXECUTE FUNCTION pause();
"""
"""Has the commit of an event take a second, long after it got its number."""


@pytest.fixture
def live(database_url: str) -> Iterator[Live]:
    opened = Live(database_url)
    yield opened
    opened.close()


def test_a_reader_that_goes_on_from_its_mark_misses_no_event_of_any_process(live: Live, database_url: str) -> None:
    rounds, writers = 24, 3
    found, mark = list[int](), 0
    with running(WRITER, *((database_url, str(writer), str(rounds)) for writer in range(writers))) as begun:
        for each in begun:
            tell(each, "go")
        under_way = True
        while under_way:
            under_way = any(each.poll() is None for each in begun)
            upto = live.newest("d")
            found += [event.number for event in live.all("d", mark) if event.number <= upto]
            mark = upto
    numbers = [event.number for event in live.all("d")]
    assert len(numbers) == sum(60 if n % 3 == w % 3 else 1 for w in range(writers) for n in range(rounds))
    assert [number for number in numbers if number not in set(found)] == []
    assert found == numbers


def test_no_event_overtakes_one_whose_commit_takes_long(postgres: Postgres) -> None:
    url = postgres.database()
    first, second = Live(url), Live(url)
    name = url.partition("@/")[2].partition("?")[0]
    postgres.execute(SLOW, name)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(first.append, "d", [Event("slow", "s", 1, {})])
        wait_for(lambda: postgres.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        quick = threads.submit(second.append, "d", [Event("quick", "s", 1, {})])
        found, mark, under_way = list[str](), 0, True
        while under_way:
            under_way = not (slow.done() and quick.done())
            upto = first.newest("d")
            found += [event.subject for event in first.all("d", mark) if event.number <= upto]
            mark = upto
    assert found == ["slow", "quick"]
    first.close()
    second.close()


def test_what_one_process_has_acknowledged_counts_at_once_in_another(live: Live, database_url: str) -> None:
    """Both ask before each event too, so that all that they remember is of the moment before."""
    count = 100
    with running(ECHO, (database_url,)) as (other,):
        for number in range(count):
            assert live.newest_of("d", f"u{number}") == 0
            before = live.newest("d")
            tell(other, f"u{number}")
            assert line(other) == "acknowledged"
            assert live.newest("d") > before
            assert live.newest_of("d", f"u{number}") == live.newest("d")
            assert len(live.of_subject("d", f"u{number}")) == 1
    live.append("d", [Event("u", "s", 1, {})])


def test_each_event_counts_once_though_the_database_is_started_again(postgres: Postgres) -> None:
    url, found, mark, enough = postgres.database(), list[int](), 0, threading.Event()
    live = Live(url)
    with running(STUBBORN, *((url, str(writer)) for writer in range(2))) as begun, ThreadPoolExecutor(3) as threads:

        def write(process: Any) -> int:
            number = 0
            while not enough.is_set():
                tell(process, str(number))
                assert line(process) == str(number)
                number += 1
            return number

        def restart() -> None:
            try:
                for _ in range(2):
                    before = newest(live)
                    wait_for(lambda before=before: newest(live) > before)  # type: ignore[misc]
                    postgres.stop()
                    postgres.start()
            finally:
                enough.set()

        writers = [threads.submit(write, each) for each in begun]
        tasks = [*writers, threads.submit(restart)]
        under_way = True
        while under_way:
            under_way = not all(task.done() for task in tasks)
            if (upto := newest(live)) >= 0:
                with suppress(DatabaseUnavailable):
                    found += [event.number for event in live.all("d", mark) if event.number <= upto]
                    mark = upto
        tasks[-1].result()
    everything = live.all("d")
    assert sorted((event.subject, int(event.row["ITEM_ID"])) for event in everything) == [
        (f"u{writer}", number) for writer, task in enumerate(writers) for number in range(task.result())
    ]
    assert found == [event.number for event in everything]
    live.close()


def newest(live: Live) -> int:
    """The newest number; -1 while the database is away."""
    try:
        return live.newest("d")
    except DatabaseUnavailable:
        return -1

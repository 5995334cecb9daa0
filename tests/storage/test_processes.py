"""Stores that several processes share: what one has acknowledged, every other one has, and none misses any."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from postgres import Postgres
from processes import line, running, tell
from support import wait_for
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

"""Answers that were given: found at once, kept in the background, forgotten in time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import msgspec
import pytest

from support import wait_for
from tailorbird.storage import recommendation_log
from tailorbird.storage.recommendation_log import LoggedAnswer, RecommendationLog, new_id


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def lists(url: str) -> Iterator[RecommendationLog]:
    opened = RecommendationLog(url)
    yield opened
    opened.close()


def answer(number: int, propensities: list[float] | None = None) -> LoggedAnswer:
    return LoggedAnswer(f"RID-{number}", float(number), "campaign", "group", [str(number), "b"], propensities)


def test_an_answer_is_found_at_once_and_soon_by_other_processes(lists: RecommendationLog, url: str) -> None:
    told = [answer(1), answer(2, [0.75, 0.25])]
    for each in told:
        lists.remember(each)
    both = {each.id: each for each in told}
    assert lists.find(["RID-1", "RID-2", "RID-3"]) == both
    other = RecommendationLog(url)
    assert wait_for(lambda: other.find(["RID-1", "RID-2"])) == both
    other.close()


def test_an_answer_that_another_process_gave_just_now_is_waited_for(
    lists: RecommendationLog, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RecommendationLog(url)
    other.shared = True
    for number in range(3):  # the first is written at once, the others after a pause
        given = LoggedAnswer(new_id(time.time()), time.time(), "campaign", "group", [str(number)])
        lists.remember(given)
        assert other.find([given.id]) == {given.id: given}
    assert other.find([new_id(time.time())]) == {}, "nobody gave it"

    def sleep(seconds: float) -> None:
        raise AssertionError("nothing was to be waited for")

    monkeypatch.setattr(recommendation_log.time, "sleep", sleep)
    now = time.time()
    names = ["RID-none", "", new_id(now - 60), new_id(now + 60), f"{new_id(now)[:18]}-4{new_id(now)[20:]}"]
    assert other.find(names) == {}
    other.shared = False
    assert other.find([new_id(now)]) == {}
    other.close()


def test_closing_keeps_what_waits(url: str) -> None:
    lists = RecommendationLog(url)
    for number in range(1200):
        lists.remember(answer(number))
    lists.close()
    again = RecommendationLog(url)
    assert len(again.find([f"RID-{number}" for number in range(1200)])) == 1200
    again.close()


def test_ids_are_in_the_order_of_time_and_never_the_same() -> None:
    """Each is of the UUIDs' version 7, so that the index grows at its end."""
    now = 1_700_000_000.0
    made = [new_id(now + number / 1000) for number in range(1000)]
    assert made == sorted(made)
    assert len({new_id(now) for _ in range(1000)}) == 1000
    parsed = uuid.UUID(made[1].removeprefix("RID-"))
    assert (parsed.version, parsed.variant, parsed.int >> 80) == (7, uuid.RFC_4122, 1_700_000_000_001)


def test_old_answers_are_dropped(lists: RecommendationLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommendation_log, "DROPPED_AT_ONCE", 3)
    ids = [new_id(number / 2) for number in range(20)]
    for each in ids:
        lists.remember(LoggedAnswer(each, 0.0, "c", "g", ["a"]))
    wait_for(lambda: not lists._waiting)
    lists.drop_before(7.5)
    assert sorted(lists.find(ids)) == ids[14:], "those of the same second stay"


def test_answers_of_an_earlier_version_are_found_and_dropped(lists: RecommendationLog) -> None:
    given = LoggedAnswer(new_id(5.0), 5.0, "campaign", "group", ["a", "b"], [0.5, 1.0])
    with lists._engine.begin() as connection:
        connection.execute(recommendation_log._shown.insert().values(msgspec.structs.asdict(given)))
    lists.remember(answer(1))
    assert wait_for(lambda: not lists._waiting)
    assert lists.find([given.id, "RID-1", "of another kind"]) == {given.id: given, "RID-1": answer(1)}
    lists.drop_before(6.0)
    assert not lists.find([given.id])


def test_whatever_fails_is_told_once_and_the_next_lists_are_written(
    lists: RecommendationLog, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recommendation_log, "RETRY_SECONDS", 0.01)
    for number in range(3):
        broken = LoggedAnswer(f"RID-broken{number}", 0.0, "c", "g", [object()] * (number + 1))  # type: ignore[list-item]
        lists.remember(broken)
        wait_for(lambda name=broken.id: name not in lists._waiting)  # type: ignore[misc]
    assert len(caplog.records) == 1
    lists.remember(answer(1))
    other = RecommendationLog(url)
    assert wait_for(lambda: other.find(["RID-1"])) == {"RID-1": answer(1)}
    other.close()

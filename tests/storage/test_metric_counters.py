"""MetricCounters: what a reader counted is added once, and published once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tailorbird.storage.metric_counters import PERIOD, MetricCounters, Tally

ONE = Tally("arn:g", "VIEWS", "MAIL", 900, 2.0)


@pytest.fixture
def tallies(database_url: str) -> Iterator[MetricCounters]:
    opened = MetricCounters(database_url)
    yield opened
    opened.close()


def test_the_same_data_count_once(tallies: MetricCounters) -> None:
    assert tallies.reached("r", 7) == 7
    for _ in range(2):
        tallies.add("r", 7, 9, [ONE, ONE])
    assert tallies.reached("r", 7) == 9
    assert tallies.all("arn:") == [replace(ONE, value=4.0)]
    tallies.add("r", 9, 10, [])
    tallies.add("r", 9, 11, [ONE])
    assert (tallies.reached("r", 0), tallies.all("arn:")) == (10, [replace(ONE, value=4.0)])
    tallies.add("other", 0, 1, [replace(ONE, source="SMS")])
    assert tallies.sources("arn:g") == {"MAIL", "SMS"}
    assert tallies.all("arn:x") == []


def test_what_came_later_is_published_by_itself(tallies: MetricCounters) -> None:
    sent: list[Tally] = []

    def fails(_: Sequence[Tally]) -> None:
        raise ConnectionError

    tallies.add("r", 0, 1, [ONE])
    tallies.publish(0, ONE.bucket + PERIOD - 1, sent.extend)
    assert sent == [], "the quarter of an hour is not over"
    window = (0, ONE.bucket + PERIOD)
    with pytest.raises(ConnectionError):
        tallies.publish(*window, fails)
    for _ in range(2):
        tallies.publish(*window, sent.extend)
    assert sent == [ONE]
    assert not tallies.unpublished(*window)
    tallies.add("r", 1, 2, [replace(ONE, value=3.0)])
    assert tallies.unpublished(*window)
    tallies.publish(*window, sent.extend)
    assert sent == [ONE, replace(ONE, value=3.0)]


def test_old_buckets_are_dropped(tallies: MetricCounters) -> None:
    tallies.add("r", 0, 1, [ONE, replace(ONE, bucket=1800)])
    tallies.drop_before(1800)
    assert [tally.bucket for tally in tallies.all("arn:")] == [1800]

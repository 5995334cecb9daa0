"""Request rates by a clock of the test's own."""

from __future__ import annotations

import pytest

from tailorbird.api import rates
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.rates import RATES, Rates
from tailorbird.errors import ThrottlingException


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passed(counted: Rates, function: str, asked: int, **request: str) -> int:
    """How many of so many requests at once are let through."""
    for number in range(asked):
        try:
            counted.take(function, request)
        except ThrottlingException:
            return number
    return asked


def test_rates_are_of_operations_that_there_are() -> None:
    assert set(RATES) <= set(OPERATIONS)


def test_each_campaign_and_operation_has_its_own_rate_and_gets_it_back(clock: Clock) -> None:
    counted = Rates(clock)
    assert passed(counted, "get_recommendations", 600, campaignArn="a") == 500
    assert passed(counted, "get_recommendations", 600, recommenderArn="b") == 500
    assert passed(counted, "get_personalized_ranking", 600, campaignArn="a") == 500
    clock.now += 0.125
    assert passed(counted, "get_recommendations", 600, campaignArn="a") == 62
    clock.now += 60
    assert passed(counted, "get_recommendations", 600, campaignArn="a") == 500


def test_all_answers_share_a_rate(clock: Clock) -> None:
    counted = Rates(clock)
    let_through = [passed(counted, "get_recommendations", 500, campaignArn=str(number)) for number in range(6)]
    assert let_through == [500] * 5 + [0]


def test_records_are_few_and_other_operations_free(clock: Clock) -> None:
    counted = Rates(clock)
    assert passed(counted, "put_items", 20, datasetArn="a") == 10
    assert passed(counted, "put_events", 1200, trackingId="t") == 1000
    assert passed(counted, "list_recipes", 5000) == 5000
    with pytest.raises(ThrottlingException, match="more than 10 requests a second for put_items a"):
        counted.take("put_items", {"datasetArn": "a"})


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 10)
    counted = Rates(clock)
    for number in range(100):
        clock.now += 0.5
        counted.take("put_items", {"datasetArn": str(number)})
    assert len(counted._buckets) <= 11

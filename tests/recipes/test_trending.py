"""What trends: growth from one interval to the next, old data, events that come later, new items."""

from __future__ import annotations

import numpy as np
import pytest

from tailorbird.errors import InvalidInputException
from tailorbird.evaluation import trends
from tailorbird.recipes import RECIPES, settings_of, trending
from tailorbird.recipes.recipe import Interactions, Query, SelfUpdatingModel, silent

HOUR = 3600
START = 1_600_000_000 // HOUR * HOUR
NOBODY = Query(np.empty(0, np.int32), np.empty(0, np.int64))


def data(*hours: dict[int, int], items: int = 30) -> Interactions:
    """Items from 0 on, with so many interactions in each hour from START on."""
    rows = [
        (item, START + hour * HOUR + n)
        for hour, of in enumerate(hours)
        for item, many in of.items()
        for n in range(many)
    ]
    item, timestamp = np.array(rows, np.int64).T
    return Interactions(
        users=np.array(["u"]),
        items=np.array([f"i{number:02}" for number in range(items)]),
        user=np.zeros(len(rows), np.int32),
        item=item.astype(np.int32),
        timestamp=timestamp,
        event_type=np.zeros(len(rows), np.int16),
    )


def train(rows: Interactions) -> trending.Trends:
    return trending.train(rows, trending.Settings("1 hour"), silent)


def best(model: trending.Trends, count: int) -> list[str]:
    return model.items[np.argsort(-model.score([NOBODY])[0])][:count].tolist()


def test_growth_counts_and_not_popularity():
    model = train(data({1: 50, 2: 5, 3: 1}, {1: 50, 2: 4, 3: 9, 4: 3}))
    assert best(model, 3) == ["i03", "i04", "i01"]
    assert best(model, 4)[3] == "i02"


def test_the_traffic_is_not_a_trend():
    """A thousand items by Zipf's law: whatever the traffic, hardly anything trends, and what is popular comes next."""
    share = 1 / np.arange(1, 1001)
    share /= share.sum()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        previous = rng.multinomial(1000, share)
        for events in (600, 50, 3000):
            last = rng.multinomial(events, share)
            grown = trending.growth(previous, last)
            assert np.count_nonzero(grown) < 0.1 * len(share)
            model = train(data(dict(enumerate(previous.tolist())), dict(enumerate(last.tolist())), items=len(share)))
            first = [int(item[1:]) for item in best(model, len(share))]
            assert (last[first[: np.count_nonzero(last)]] > 0).all()
            assert first.index(0) < 0.1 * len(share)


def test_a_small_growth_of_much_and_a_large_one_of_little():
    """Of half the traffic: what kept its number doubled its share; one interaction more is no trend."""
    model = train(data({1: 100, 2: 20, 3: 20, 4: 0}, {1: 30, 2: 20, 3: 9, 4: 1}))
    assert best(model, 4) == ["i02", "i01", "i03", "i04"]


def test_items_without_a_recent_interaction_come_last_the_popular_ones_first():
    model = train(data({5: 3, 6: 2, 7: 1}, {1: 40, 2: 40}, {1: 2}))
    assert best(model, 5) == ["i01", "i02", "i05", "i06", "i07"]


def test_an_interval_without_interactions_is_one_too():
    assert best(train(data({1: 9}, {}, {2: 3})), 2) == ["i02", "i01"]


def test_later_events_count_when_their_interval_has_closed():
    model = train(data({1: 5}, {1: 9}))
    assert isinstance(model, SelfUpdatingModel)
    items = ["i02"] * 7 + ["new"] * 9
    times = START + 2 * HOUR + np.arange(16, dtype=np.int64)
    open_ = model.with_events(items, times, START + 3 * HOUR - 1)
    assert best(open_, 1) == ["i01"]
    closed = model.with_events(items, times, START + 3 * HOUR)
    assert best(closed, 2) == ["new", "i02"]
    assert closed.items[:30].tolist() == model.items.tolist()
    later = closed.with_events([], np.empty(0, np.int64), START + 1000 * HOUR)
    assert best(later, 2) == ["new", "i02"]


def test_survives_save_and_load(tmp_path):
    model = train(data({1: 5}, {1: 9, 2: 10}))
    model.save(tmp_path)
    loaded = trending.Trends.load(tmp_path)
    np.testing.assert_array_equal(loaded.score([NOBODY]), model.score([NOBODY]))
    assert best(loaded.with_events(["i07"] * 20, np.full(20, START + 2 * HOUR), np.inf), 1) == ["i07"]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (({1: 1}, {1: 5, 2: 2}, {1: 9, 2: 4}), 0.0),
        (({1: 1}, {1: 1, 2: 9, 3: 2}, {2: 14, 4: 2}), round(2 / 4, 4)),
        (({1: 1}, {1: 5}, {2: 4}), 0.0),
        (({1: 5},), 0.0),
        (({1: 1}, {1: 5, 2: 3}, {1: 9, 2: 3}), 1.0),
    ],
)
def test_accuracy_is_the_share_of_the_growth_that_was_foreseen(hours, expected):
    def top_one(before: Interactions) -> trending.Trends:
        model = train(before)
        scores = np.where(model.scores == model.scores.max(), model.scores, -np.inf).astype(np.float32)
        return trending.Trends(model.items, model.interval, model.popularity, model.item, model.timestamp, scores)

    assert trends.accuracy(top_one, data(*hours), HOUR) == expected


@pytest.mark.parametrize("text", ["30 minutes", "30 min", "1h", "1 hour", "3h", "1 Day"])
def test_spellings_of_the_frequency(text):
    found = settings_of(RECIPES["aws-trending-now"], {}, {"trend_discovery_frequency": text})
    assert found.trend_discovery_frequency in trending.SECONDS


@pytest.mark.parametrize("text", ["2 hours", "7", ""])
def test_another_frequency_is_refused(text):
    with pytest.raises(InvalidInputException, match="one of 30 minutes, 1 hour, 3 hours, 1 day"):
        settings_of(RECIPES["aws-trending-now"], {}, {"trend_discovery_frequency": text})

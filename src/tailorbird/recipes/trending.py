"""aws-trending-now: the items whose share of all interactions grew most from one interval to the next.

Intervals are as long as trend_discovery_frequency says and begin at multiples of it. The last one is the newest that
has closed and is not later than the newest interaction, so that old data trend too.

Of the share, since traffic rises and falls with the hours, and all items with it. It grew as far as it grew by more
than its standard error: of few interactions nobody can say whether they are a trend. Items that did not grow follow by
their interactions in the last interval, and those without one by all they had at training. So a list begins with what
trends, goes on with what is popular now, and ends with what was.

The model follows events by itself: `with_events` counts those that were recorded since the training, of items that
the training did not know too.

Source: spec recipes-and-runtime 1.4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data import clocks
from tailorbird.recipes.recipe import Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import POPULAR_ITEMS
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

SECONDS = {"30 minutes": 1800, "1 hour": 3600, "2 hours": 7200, "3 hours": 10800, "1 day": clocks.DAY}
"""Intervals by name; two hours is that of the domain's use case and cannot be asked for (spec 1.5)."""
FREQUENCIES = (
    ("30 minutes", "30 min", "30min", "30m"),
    ("1 hour", "1h"),
    ("3 hours", "3h", "3 hour"),
    ("1 day", "1d"),
)
"""What clients may ask for: the value, then its other spellings."""
KEPT = 3
"""Intervals of training data that a model keeps: the two compared, and one that is not over yet."""


ARRAYS = ("items", "popularity", "item", "timestamp", "scores")


@dataclass(frozen=True)
class Settings:
    """Parameters of spec recipes-and-runtime 1.3."""

    trend_discovery_frequency: str = hyperparameter("3 hours", kind="F", choices=FREQUENCIES)

    @property
    def interval(self) -> int:
        """Seconds."""
        return SECONDS[self.trend_discovery_frequency]


@dataclass(frozen=True)
class Trends:
    """Scores of the items, and the newest interactions, with which later ones are compared."""

    items: NDArray[np.str_]
    """Those of the training in its order, then new ones."""
    interval: int
    """Seconds."""
    popularity: NDArray[np.int64]
    """Interactions of each item at training."""
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    """Epoch seconds; parallel to `item`. Some may be to come: they count when their time is there."""
    scores: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item): the ranks, from 1 for the item that trends least."""
        return np.tile(self.scores, (len(queries), 1))

    def with_events(self, items: Sequence[str], timestamps: NDArray[np.int64], now: float) -> Trends:
        """Returns the model with interactions since the training, as of `now`; all times in epoch seconds."""
        numbers = {item: number for number, item in enumerate(self.items.tolist())}
        coded = [numbers.setdefault(item, len(numbers)) for item in items]
        popularity = np.zeros(len(numbers), np.int64)
        popularity[: len(self.popularity)] = self.popularity
        item = np.concatenate([self.item, np.array(coded, np.int32)])
        timestamp = np.concatenate([self.timestamp, timestamps])
        end = last_end(clocks.newest(timestamp, now), self.interval, now)
        return _trends(np.array(list(numbers), np.str_), self.interval, popularity, item, timestamp, end)

    def save(self, folder: Path) -> None:
        """Writes an .npy file for each array, and interval.json."""
        save_arrays(folder, **{name: getattr(self, name) for name in ARRAYS})
        (folder / "interval.json").write_text(json.dumps(self.interval), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Trends:
        """Reads what `save` wrote."""
        interval = json.loads((folder / "interval.json").read_text(encoding="utf-8"))
        items, *arrays = load_arrays(folder, *ARRAYS)
        return cls(items, interval, *arrays)


def train(data: Interactions, settings: Settings, progress: Progress) -> Trends:
    """Counts interactions in the last intervals, as of the end of the newest interaction's own."""
    progress(0.0, "counting interactions by interval")
    interval = settings.interval
    popularity = np.bincount(data.item, minlength=len(data.items)).astype(np.int64)
    newest, times = int(data.timestamp.max(initial=0)), data.stated_times
    recent = times > newest - KEPT * interval
    model = _trends(data.items, interval, popularity, data.item[recent], times[recent], last_end(newest, interval))
    progress(1.0, f"counted {len(data.user)} interactions")
    return model


def last_end(newest: int, interval: int, now: float = np.inf) -> int:
    """Returns the epoch second at which the last interval ended, of data with this newest interaction."""
    return int(min(now, (newest // interval + 1) * interval)) // interval * interval


def counts(
    items: int, item: NDArray[np.int32], timestamp: NDArray[np.int64], end: int, interval: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns how many interactions each of `items` items had in the interval before the last, and in the last."""
    age = (end - 1 - timestamp) // interval
    previous, last = (np.bincount(item[age == number], minlength=items) for number in (1, 0))
    return previous, last


def traffic(previous: NDArray[np.int64], last: NDArray[np.int64]) -> float:
    """Returns the interactions of the last interval for each one of that before; 1 where that had none."""
    return float(last.sum() / previous.sum()) if previous.any() else 1.0


def growth(previous: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns how far each item's interactions exceed what its share before comes to by more than one standard error.

    Of n interactions that were counted, the mean number that was to be expected has the variance n + 1/2 (the posterior
    of a Poisson mean under Jeffreys' prior), which makes small counts and intervals with little traffic say little.
    """
    scale = traffic(previous, last)
    error = np.sqrt(last + 0.5 + scale**2 * (previous + 0.5))
    return np.asarray(np.maximum(last - scale * previous - error, 0))


def _trends(
    items: NDArray[np.str_],
    interval: int,
    popularity: NDArray[np.int64],
    item: NDArray[np.int32],
    timestamp: NDArray[np.int64],
    end: int,
) -> Trends:
    previous, last = counts(len(items), item, timestamp, end, interval)
    scores = np.empty(len(items), np.float32)
    scores[np.lexsort((popularity, last, growth(previous, last)))] = np.arange(1, len(items) + 1)
    return Trends(items, interval, popularity, item, timestamp, scores)


RECIPES = (
    Recipe(
        "aws-trending-now",
        POPULAR_ITEMS,
        "Items whose interactions grow fastest; the same answer for everyone, found anew as events come in.",
        Settings,
        train,
        Trends,
        algorithm="aws-trending-now-custom",
        when="For what is new and rising where every interval has many interactions: news, social feeds, sales. It "
        "follows events without a training. On the sparse data below it foretells nothing, and popular items are "
        "level or better.",
        learns_from="interactions: with what, and when",
        paper="None: growth of the share of all interactions, less its standard error.",
    ),
)

"""Data in which metadata and context predict: what kind of item is due goes by the time of day, its genre by the user.

The last tenth of every user's rows are of the last five days, and half of those are of items that are new then.
"""

from __future__ import annotations

import numpy as np

from tailorbird.recipes.recipe import Column, Interactions, Query

KINDS = {"morning": "news", "evening": "film"}
GENRES = 6
OLD_ITEMS, NEW_ITEMS = 240, 144
ROWS = 30
DAY = 86400
START = 1_600_000_000


def kind_of(item: int) -> str:
    return list(KINDS.values())[item % 2]


def genre_of(item: int) -> int:
    return item // 2 % GENRES


def tastes(users: int = 200, seed: int = 5) -> Interactions:
    rng = np.random.default_rng(seed)
    item, timestamp, day_part = [], [], []
    for user in range(users):
        for row in range(ROWS):
            late = row >= ROWS * 9 // 10
            part = str(rng.choice(list(KINDS)))
            kind = list(KINDS).index(part) if rng.random() < 0.9 else int(rng.integers(2))
            genre = user % GENRES if rng.random() < 0.8 else int(rng.integers(GENRES))
            first, count = (OLD_ITEMS, NEW_ITEMS) if late and rng.random() < 0.5 else (0, OLD_ITEMS)
            item.append(first + 2 * GENRES * int(rng.integers(count // (2 * GENRES))) + 2 * genre + kind)
            timestamp.append(START + (57 * DAY if late else 0) + row * 2 * DAY + int(rng.integers(DAY)))
            day_part.append(part)
    items = OLD_ITEMS + NEW_ITEMS
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(users)]),
        items=np.array([f"i{number:03}" for number in range(items)]),
        user=np.repeat(np.arange(users, dtype=np.int32), ROWS),
        item=np.array(item, np.int32),
        timestamp=np.array(timestamp, np.int64),
        event_type=np.zeros(users * ROWS, np.int16),
        item_columns={
            "KIND": Column("categorical", np.array([kind_of(number) for number in range(items)], object)),
            "GENRE": Column("categorical", np.array([f"g{genre_of(number)}" for number in range(items)], object)),
        },
        user_columns={
            "TASTE": Column("categorical", np.array([f"g{number % GENRES}" for number in range(users)], object))
        },
        context={"DAY_PART": Column("categorical", np.array(day_part, object))},
    )


def question(items: list[int], **told: object) -> Query:
    """A question after everything else; between the user's interactions lie two days, as in the data."""
    times = START + (130 + 2 * np.arange(len(items), dtype=np.int64)) * DAY
    return Query(np.array(items, np.int32), times, **told)

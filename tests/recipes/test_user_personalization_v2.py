"""What the second generation adds to the blend: the plan of its transformer, its setting, and what events weigh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipes.test_transformer import cycles, described
from tailorbird.recipes import user_personalization_v2
from tailorbird.recipes.recipe import Interactions, Query, silent
from tailorbird.recipes.user_personalization_v2 import Settings, transformer_plan


def data(rows: int, items: int, length: int) -> Interactions:
    return cycles(rows // length, items, length)


def test_the_plan_follows_from_the_data() -> None:
    small, sparse, dense = (
        transformer_plan(data(*size), Settings())
        for size in ((30_000, 500, 10), (200_000, 12_000, 8), (1_000_000, 3_000, 160))
    )
    assert small.epochs > sparse.epochs
    assert (sparse.width, dense.width) == (64, 128)
    assert sparse.dropout > dense.dropout == small.dropout
    assert (sparse.length, dense.length) == (20, 160)
    assert transformer_plan(data(90_000, 3_000, 300), Settings()).length == 100
    assert sparse.sampled
    assert not dense.sampled
    assert not any(each.times for each in (small, sparse, dense))  # places for times
    assert transformer_plan(described(), Settings()).times


def test_without_recency_bias_neither_time_nor_recent_popularity_counts() -> None:
    rows = described()
    model = user_personalization_v2.train(rows, Settings(apply_recency_bias=False), silent)
    assert "recent" not in model.scorers
    history = rows.item[:4], rows.timestamp[:4]
    soon, late = (model.score([Query(*history, now=int(rows.timestamp[3]) + wait)]) for wait in (1, 10**6))
    np.testing.assert_array_equal(soon, late)
    with_time = user_personalization_v2.train(rows, Settings(), silent)
    soon, late = (with_time.score([Query(*history, now=int(rows.timestamp[3]) + wait)]) for wait in (1, 10**6))
    assert not np.allclose(soon, late)


def test_events_that_weigh_more_count_more() -> None:
    rows = cycles(60, 20, 8)
    even = rows.item % 2 == 0
    heavy, light = (replace(rows, weight=np.where(even, *pair).astype(np.float32)) for pair in ((1.9, 0.1), (0.1, 1.9)))
    shares = [
        np.exp(
            user_personalization_v2.train(each, Settings(), silent).score([Query(rows.item[:0], rows.timestamp[:0])])
        )[0]
        for each in (heavy, light)
    ]
    assert shares[0][::2].sum() > 1.5 * shares[1][::2].sum()

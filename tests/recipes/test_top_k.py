"""The best of a row of scores are those of a full sort, ties by place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.recipes.top_k import best_items, first_items

SCORES = st.sampled_from([-np.inf, -2.0, 0.0, 0.5, 3.0])


@given(st.lists(SCORES, min_size=1, max_size=300), st.integers(1, 12))
def test_the_first_are_those_of_a_full_sort(row: list[float], length: int) -> None:
    scores = np.array(row, np.float32)
    assert first_items(scores, length).tolist() == np.argsort(-scores, kind="stable")[:length].tolist()


@pytest.mark.parametrize("items", [5, 40, 1000, 30_000])
def test_of_many_rows_too(items: int) -> None:
    scores = np.random.default_rng(0).normal(size=(3, items)).astype(np.float32)
    scores[1, ::2] = -np.inf
    scores[2, 3:] = -np.inf
    np.testing.assert_array_equal(best_items(scores, 30), np.argsort(-scores, axis=1, kind="stable")[:, :30])
    assert best_items(scores[:0], 30).shape == (0, min(30, items))


def test_counts_are_ordered_too() -> None:
    assert first_items(np.array([0, 3, 0, 3, 1] * 20), 3).tolist() == [1, 3, 6]

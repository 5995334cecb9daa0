"""Rows of scores that are kept: their order, their shares, and when they are made anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tailorbird.serving import scores as kept
from tailorbird.serving.scores import RecentScores, Scores, scale

values = st.lists(st.sampled_from([-np.inf, -3.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=60)


def plainly(row: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> list[float]:
    """The scores of the allowed items that may be recommended, highest first."""
    found = row if allowed is None else row[allowed]
    return sorted(found[np.isfinite(found)].tolist(), reverse=True)


@given(values, st.randoms(use_true_random=False), st.integers(0, 70), st.booleans())
def test_the_best_are_those_of_a_full_sort(row: list[float], random: object, count: int, filtered: bool) -> None:
    array = np.array(row, np.float32)
    allowed = np.array([random.random() < 0.5 for _ in row]) if filtered else None  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "ORDERED", 10)  # so that a strict filter finds too few of them
        best = Scores(array).best(count, allowed) if count else np.empty(0, np.int64)
    assert array[best].tolist() == plainly(array, allowed)[:count]
    assert len(set(best.tolist())) == len(best)
    assert allowed is None or allowed[best].all()


def test_shares_sum_to_one_over_what_may_be_recommended() -> None:
    row = np.array([1.0, -np.inf, 3.0, 2.0], np.float32)
    shares = scale(row).shares(row)
    assert shares.sum() == pytest.approx(1)
    assert shares[1] == 0
    assert scale(row[1:2]).shares(row[1:2]).tolist() == [0.0]


def test_a_row_is_made_anew_only_under_another_mark() -> None:
    recent, made = RecentScores(), []

    def make() -> Scores:
        made.append(Scores(np.zeros(10, np.float32)))
        return made[-1]

    first = recent.of("u1", (7, 100), make, 1 << 20)
    assert recent.of("u1", (7, 100), make, 1 << 20) is first
    assert recent.of("u1", (8, 100), make, 1 << 20) is not first, "the user acted"
    assert recent.of("u1", (7, 100), make, 1 << 20) is not first, "it was replaced"
    assert len(made) == 3


def test_rows_are_held_up_to_so_many_bytes() -> None:
    recent = RecentScores()
    size = Scores(np.zeros(100, np.float32)).size
    for user in range(10):
        recent.of(user, 0, lambda: Scores(np.zeros(100, np.float32)), 3 * size)
    made: list[int] = []

    def again(user: int) -> Scores:
        made.append(user)
        return Scores(np.zeros(100, np.float32))

    for user in (9, 8, 7, 6):
        recent.of(user, 0, lambda user=user: again(user), 3 * size)
    assert made == [6], "the three that asked last were held"
    recent.of("large", 0, lambda: Scores(np.zeros(10_000, np.float32)), 3 * size)
    assert recent._held <= 3 * size

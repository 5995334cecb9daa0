"""Rows of scores that are kept: their order, their shares, and when they are made anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tailorbird.serving import scores as kept
from tailorbird.serving.scores import DERIVED, LISTED, SCORE_DIGITS, Recent, Scores, scale

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
        patch.setattr(kept, "ORDERED", (3, 10))  # so that a strict filter finds too few of them
        best = Scores(array).best(count, allowed) if count else np.empty(0, np.int64)
    assert array[best].tolist() == plainly(array, allowed)[:count]
    assert len(set(best.tolist())) == len(best)
    assert allowed is None or allowed[best].all()


def test_shares_sum_to_one_over_what_may_be_recommended() -> None:
    row = np.array([1.0, -np.inf, 3.0, 2.0], np.float32)
    shares = [scale(row).shown(value) for value in row.tolist()]
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == 0
    assert shares == [round(share, SCORE_DIGITS) for share in shares]
    assert scale(row[1:2]).shown(-np.inf) == 0.0


def row(size: int = 10) -> Scores:
    return Scores(np.zeros(size, np.float32))


def test_what_is_kept_holds_only_under_its_mark() -> None:
    recent, first = Recent[Scores](), row()
    recent.keep("u1", (7, 100), first, 1, 1 << 20)
    assert recent.of("u1", (7, 100)) is first
    assert recent.of("u1", (8, 100)) is None, "the user acted"
    assert recent.of("u2", (7, 100)) is None
    recent.keep("u1", (8, 100), row(), 1, 1 << 20)
    assert recent.of("u1", (7, 100)) is None, "it was replaced"


def test_so_many_bytes_are_kept() -> None:
    recent = Recent[str]()
    for user in range(10):
        recent.keep(user, 0, "made", 100, 300)
    assert [user for user in range(10) if recent.of(user, 0)] == [7, 8, 9], "the three that asked last are held"
    recent.of(7, 0)
    recent.keep("new", 0, "made", 100, 300)
    assert recent.of(7, 0), "it asked again meanwhile"
    recent.keep("large", 0, "made", 10_000, 300)
    assert recent._held <= 300


def test_what_is_derived_is_made_once_for_a_mask_that_stays_as_it_is() -> None:
    scores, made = row(), list[str]()
    kept, own = np.ones(10, bool), np.ones(10, bool)
    kept.flags.writeable = False
    for mask, what in ((None, "all"), (kept, "kept"), (own, "own")) * 2:
        scores.derived("list", mask, lambda what=what: made.append(what))
    assert made == ["all", "kept", "own", "own"]
    for _ in range(2):
        scores.derived("long", None, lambda: made.append("long"), LISTED + 1)
    assert made[4:] == ["long", "long"]
    for number in range(100):
        scores.derived(number, None, object)
    assert len(scores._derived) <= DERIVED

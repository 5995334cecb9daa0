"""Pairs counted by the compiled loops are those of the plain definitions, whatever the threads and the blocks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes import pairs, popularity, sims
from tailorbird.recipes.matrices import first_places
from tailorbird.recipes.recipe import Interactions, from_nobody, silent
from tailorbird.recipes.scorers import co_occurrence

ITEMS = 9
HISTORIES = st.lists(st.lists(st.tuples(st.integers(0, ITEMS - 1), st.integers(0, 2)), max_size=40), max_size=12)
FEW = settings(max_examples=40, deadline=None)


def interactions(histories: list[list[tuple[int, int]]], items: int = ITEMS) -> Interactions:
    """Each history's items, and the seconds that passed before each; the last two users make it trainable."""
    histories = [*(history for history in histories if history), [(0, 1), (1, 1)], [(0, 1), (1, 1)]]
    rows = [(user, *row) for user, history in enumerate(histories) for row in history]
    user, item, wait = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(
        users=np.array([f"u{number}" for number in range(len(histories))]),
        items=np.array([f"i{number}" for number in range(items)]),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=np.cumsum(wait).astype(np.int64),
        event_type=np.zeros(len(rows), np.int16),
    )


def plain(data: Interactions, least: int, discount: float) -> list[list[int]]:
    """Each item's neighbours by the words of the module `sims`, where nothing is cut off."""
    count = len(data.items)
    together, close = np.zeros((count, count)), np.zeros((count, count))
    for user in range(len(data.users)):
        rows = np.flatnonzero(data.user == user)
        order = list(dict.fromkeys(data.item[rows].tolist()))
        for place, one in enumerate(order):
            for after, other in enumerate(order):
                together[one, other] += 1
                if 0 < abs(place - after) <= sims.WINDOW:
                    close[one, other] += sims.DECAY ** (abs(place - after) - 1)
        for time in np.unique(data.timestamp[rows]):
            basket = np.unique(data.item[rows[data.timestamp[rows] == time]])
            close[np.ix_(basket, basket)] += sims.BASKET * len(basket) ** -sims.BASKET_DAMPING
    users = np.diag(together)
    strong = (together + sims.CLOSE * close) / np.maximum(users, 1) ** (discount / 2)
    weak = (together + sims.WEAK_CLOSE * close) * np.maximum(users, 1) ** sims.WEAK_POPULARITY
    values = np.where(together >= max(least, 1), strong, np.where(together > 0, weak / (1 + weak) - 1, -np.inf))
    np.fill_diagonal(values, -np.inf)
    order = np.lexsort((np.broadcast_to(np.arange(count), values.shape), -values.round(6)), axis=1)
    return [[int(other) for other in row if np.isfinite(values[item, other])] for item, row in enumerate(order)]


def train(data: Interactions, least: int = 3, discount: float = 0.5) -> sims.Sims:
    whole = {
        f"m{side}_{what}_percentile": end
        for side, end in (("in", 0.0), ("ax", 1.0))
        for what in ("user_history_length", "item_interaction_count")
    }
    given_ = sims.Settings(popularity_discount_factor=discount, min_cointeraction_count=least, **whole)
    return sims.train(data, given_, silent)


@FEW
@given(HISTORIES, st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([1, 30, 10**7]))
def test_neighbours_are_those_of_the_definition(histories, least, discount, block):
    data = interactions(histories)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "BLOCK_PAIRS", block)
        found = train(data, least, discount).neighbours
    assert [row[row >= 0].tolist() for row in found] == plain(data, least, discount)
    assert all((row[np.count_nonzero(row >= 0) :] == -1).all() for row in found)


@pytest.mark.parametrize("least", [1, 3, 10])
@pytest.mark.parametrize("room", [1, 7, sims.LIST_LENGTH])
def test_of_many_neighbours_the_first_are_kept(monkeypatch, least, room):
    data = rare(np.random.default_rng(least))
    monkeypatch.setattr(sims, "NEIGHBOURS", room)
    found = train(data, least).neighbours
    assert (found[:, -1] >= 0).mean() > 0.8, "most items have more"
    assert [row[row >= 0].tolist() for row in found] == [row[:room] for row in plain(data, least, 0.5)]


def test_a_model_for_some_questions_gives_the_lists_of_the_whole_one():
    data = rare(np.random.default_rng(0))
    queries = [from_nobody(item) for item in (7, 0, 120, None, 7)]
    part = sims.answering(data, sims.Settings(), silent, queries)
    whole = sims.train(data, sims.Settings(), silent)
    np.testing.assert_array_equal(part.best(queries, 25), whole.best(queries, 25))
    assert np.flatnonzero((part.neighbours >= 0).any(axis=1)).tolist() == [0, 7, 120]


def rare(rng: np.random.Generator) -> Interactions:
    """Some items are in many histories, and most in one or two."""
    shares = np.arange(1, 151) ** -0.9
    items = (rng.choice(150, 30, p=shares / shares.sum()) for _ in range(40))
    return interactions([[(int(item), 1) for item in rng.permutation(150)[each]] for each in items], 150)


@FEW
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 1000]), st.sampled_from([1, 40, 10**7]))
def test_the_largest_pairs_are_those_of_the_matrix_product(seed, most, block):
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_matrix((rng.random((20, 30)) < rng.random(30) ** 3).astype(np.float32))
    lengths = np.maximum(np.diff(matrix.indptr), 1)
    product = (matrix.toarray().T / lengths**co_occurrence.DAMPING) @ matrix.toarray()
    np.fill_diagonal(product, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "BLOCK_PAIRS", block)
        patch.setattr(co_occurrence, "NEIGHBOURS", most)
        found = co_occurrence.train(matrix)
    np.testing.assert_allclose(found.totals, product.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.pairs.toarray(), largest(product, most), rtol=1e-5)
    assert found.pairs.has_sorted_indices
    assert found.pairs.data.all()


def largest(product: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The largest values of each row, ties by column; the others are zero."""
    kept = np.argsort(-product.round(6), axis=1, kind="stable")[:, :most]
    found = np.zeros_like(product)
    np.put_along_axis(found, kept, np.take_along_axis(product, kept, axis=1), axis=1)
    return found


@FEW
@given(HISTORIES)
def test_first_rows_are_those_that_came_first(histories):
    data = interactions(histories)
    seen: set[tuple[int, int]] = set()
    first = []
    for row, both in enumerate(zip(data.user.tolist(), data.item.tolist(), strict=True)):
        if both not in seen:
            first.append(row)
        seen.add(both)
    assert first_places(data).tolist() == first


@FEW
@given(HISTORIES, st.sampled_from([1, 3, ITEMS - 1, ITEMS, 30]), st.sampled_from([2, 200]))
def test_lists_are_those_of_the_highest_scores(histories, length, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sims, "NEIGHBOURS", most)
        related = train(interactions(histories))
    popular = popularity.Popularity(related.items, related.popularity)
    queries = [from_nobody(item) for item in (None, *range(ITEMS))]
    for model in (related, popular):
        scores = model.score(queries)
        order = np.argsort(-scores, axis=1, kind="stable")
        plain_lists = [row[np.isfinite(scores[place, row])].tolist() for place, row in enumerate(order)]
        for found, expected in zip(model.best(queries, length).tolist(), plain_lists, strict=True):
            assert found == (expected + [-1] * length)[:length]


def test_neighbours_are_the_same_for_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    data = interactions(
        [list(zip(rng.integers(0, 250, 40), rng.integers(0, 3, 40), strict=True)) for _ in range(300)], 250
    )
    monkeypatch.setattr(pairs, "BLOCK_PAIRS", 5000)
    found = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(pairs, "cores", lambda cores=cores: cores)
        found.append(train(data))
    assert (found[0].neighbours[:, -1] >= 0).any(), "of some items pairs are cut off"
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].neighbours, other.neighbours)


def test_no_product_of_matrices_is_held():
    rng = np.random.default_rng(0)
    histories = [[(int(item), 1) for item in rng.permutation(3000)[:1500]] for _ in range(20)]
    data = interactions(histories, 3000)
    train(interactions([], 3))  # loads the loops
    tracemalloc.start()
    try:
        train(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16e6, "the nine million pairs would take 72 MB"

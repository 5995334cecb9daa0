"""The compiled loops give what their plain definitions give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import erf, logsumexp

from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers import (
    attention,
    attributes,
    raising_kernels,
    repeat_consumption,
    transformer,
    user_knn,
)
from tailorbird.recipes.scorers.blend_weights import log_softmax
from tailorbird.recipes.scorers.coarse_rows import CoarseRows
from tailorbird.recipes.scorers.merged import SLOTS, Merged
from tailorbird.recipes.scorers.scorer import recent_items, weighted_histories
from tailorbird.recipes.scorers.sums import (
    Queries,
    add_rows,
    add_sparse_rows,
    borrowed_zeros,
    nonzero,
    rows_of,
)

ITEMS = 7
HISTORIES = st.lists(st.lists(st.tuples(st.integers(0, ITEMS - 1), st.integers(0, 3)), max_size=40), max_size=5)
FEW = settings(max_examples=30, deadline=None)
WEIGHTS = np.linspace(1, 0.1, 50, dtype=np.float32)


def queries_of(histories: list[list[tuple[int, int]]]) -> Queries:
    """Each history's items, and the seconds that passed before each."""
    return Queries(
        Query(
            np.array([item for item, _ in history], np.int32),
            np.cumsum([wait for _, wait in history], dtype=np.int64),
        )
        for history in histories
    )


def weighed(queries: Queries, weight: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and shortness such that all counts so much."""
    return np.full((2, len(SLOTS)), weight, np.float32), np.zeros(len(queries), np.float32)


def bucket(query: Query, item: int) -> int:
    """By the words of `repeat_consumption.buckets`."""
    last = max(place for place in range(len(query.items)) if query.items[place] == item)
    rank = recent_items(query, len(query.items)).tolist().index(item)
    if query.timestamps[last] == query.timestamps[-1]:
        recency = 0 if rank < 1 else 1 if rank < 3 else 2
    else:
        recency = 3 if rank < 5 else 4 if rank < 30 else 5
    return 2 * recency + int(np.count_nonzero(query.items == item) > 1)


@FEW
@given(HISTORIES, st.sampled_from([1, 2, 5]))
def test_recent_items_are_the_distinct_ones_most_recent_first(histories, most):
    queries = queries_of(histories)
    told = queries.histories
    found, newest = queries.recent(ITEMS), queries.recent(ITEMS).weighted(WEIGHTS[:most])
    assert len(found.bounds) == len(queries) + 1
    for row, query in enumerate(queries):
        mine = slice(found.bounds[row], found.bounds[row + 1])
        expected = recent_items(query, ITEMS)
        np.testing.assert_array_equal(found.items[mine], expected)
        np.testing.assert_array_equal(found.ranks()[mine], np.arange(len(expected)))
        some = slice(newest.bounds[row], newest.bounds[row + 1])
        np.testing.assert_array_equal(newest.number[some], expected[:most])
        np.testing.assert_array_equal(newest.weight[some], WEIGHTS[:most][: len(expected)])
        for item, place, repeated in zip(found.items[mine], found.place[mine], found.repeated[mine], strict=True):
            occurrences = told.bounds[row] + np.flatnonzero(query.items == item)
            assert place == occurrences[-1]
            assert repeated == (len(occurrences) > 1)


@pytest.mark.parametrize("item", [-1, ITEMS, 2**31 - 1])
def test_an_item_that_there_is_not_is_refused(item):
    with pytest.raises(IndexError, match="not among"):
        queries_of([[(0, 1)], [(item, 1)]]).recent(ITEMS)


@FEW
@given(HISTORIES)
def test_buckets_of_known_items_are_as_they_are_defined(histories):
    queries = queries_of(histories)
    out = np.zeros((len(queries), ITEMS), np.float32)
    offsets = np.arange(repeat_consumption.BUCKETS, dtype=np.float32)
    Merged({}, ITEMS).add(queries, *weighed(queries, 1), out, offsets=offsets)
    for row, query in enumerate(queries):
        expected = {item: bucket(query, item) for item in set(query.items.tolist())}
        assert dict(zip(*(each.tolist() for each in repeat_consumption.buckets(query)), strict=True)) == expected
        logits = np.array([expected.get(item, 0) for item in range(ITEMS)])
        np.testing.assert_allclose(out[row], logits - logsumexp(logits), atol=1e-5)


@FEW
@given(HISTORIES, st.integers(0, 9), st.integers(1, 9))
def test_sums_of_rows_are_matrix_products(histories, seed, columns):
    queries = queries_of(histories)
    matrix = np.random.default_rng(seed).normal(size=(ITEMS, columns)).astype(np.float32)
    matrix[matrix < -0.5] = 0
    chosen = queries.recent(ITEMS).weighted(WEIGHTS[:4])
    plain = weighted_histories([recent_items(query, 4) for query in queries], WEIGHTS, ITEMS)
    expected = plain @ matrix + 1
    ones = np.ones((len(queries), columns), np.float32)
    np.testing.assert_allclose(add_rows(chosen, matrix, ones.copy()), expected, rtol=1e-5, atol=1e-5)
    rows = rows_of(sparse.csr_matrix(matrix))
    np.testing.assert_allclose(add_sparse_rows(chosen, rows, ones.copy()), expected, rtol=1e-5, atol=1e-5)
    coarse = ones.copy()
    CoarseRows(matrix).add(chosen, coarse)
    np.testing.assert_allclose(coarse, expected, atol=1e-3)
    again = nonzero(plain.toarray())
    np.testing.assert_array_equal(again.bounds, plain.indptr)
    np.testing.assert_allclose(add_rows(again, matrix, ones), expected, rtol=1e-5, atol=1e-5)


@FEW
@given(HISTORIES, st.integers(0, 99), st.integers(1, 40), st.sampled_from([1, 2, 64, 65]))
def test_neighbours_are_the_users_with_the_largest_likeness(histories, seed, nearest, copies):
    """copies: of each item, which nobody asks about, so that there are several blocks."""
    rng = np.random.default_rng(seed)
    some = rng.random((30, ITEMS)) < 0.4
    has = sparse.csr_matrix(np.tile(some, copies), dtype=np.float32)
    brings = sparse.csr_matrix(sparse.csr_matrix(has.multiply(rng.random((30, 1)).astype(np.float32) + 0.1)).T)
    queries = queries_of(histories)
    found = raised_by_neighbours(user_knn.UserKnn(has, brings), queries, nearest)
    plain = weighted_histories(
        [recent_items(query, user_knn.LAST) for query in queries], user_knn.WEIGHTS, ITEMS * copies
    )
    for row, likeness in enumerate((plain @ brings).toarray()):
        kept = np.where(likeness >= np.sort(likeness)[::-1][min(nearest, 30) - 1], likeness, 0)
        shares = kept @ has / max(kept.sum(), 1e-9)
        shares[queries[row].items] = 0
        expected = np.log(shares + user_knn.FLOOR) - np.log(user_knn.FLOOR)
        np.testing.assert_allclose(found[row], row + 2 * expected, rtol=1e-4, atol=1e-4)


def raised_by_neighbours(model: user_knn.UserKnn, queries: Queries, nearest: int) -> NDArray[np.float32]:
    """Twice the scores, on top of each question's number."""
    items = model.has.shape[1]
    out = np.repeat(np.arange(len(queries), dtype=np.float32)[:, None], items, axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_knn, "NEAREST", nearest)
        Merged({"user_knn": model.part}, items).add(queries, *weighed(queries, 2), out)
    return out


def test_of_equally_near_users_no_more_than_the_nearest_count():
    has = sparse.csr_matrix(np.hstack([np.ones((9, 1)), np.eye(9)]), dtype=np.float32)
    out = raised_by_neighbours(user_knn.UserKnn(has, sparse.csr_matrix(has.T)), queries_of([[(0, 1)]]), 4)
    share = (np.log(0.25 + user_knn.FLOOR) - np.log(user_knn.FLOOR)) * 2
    np.testing.assert_allclose(np.sort(out[0]), [0] * 6 + [share] * 4, rtol=1e-5)


def test_logarithms_are_right_to_the_digits_of_a_float():
    x = np.geomspace(1e-30, 1e30, 20_001).astype(np.float32)
    found = np.array([raising_kernels.logarithm.py_func(each) for each in x])
    np.testing.assert_allclose(found, np.log(x.astype(np.float64)), rtol=3e-7, atol=1e-7)


@FEW
@given(st.integers(1, 3), st.integers(1, 12), st.data())
def test_attention_is_a_softmax_over_what_came_before(heads, events, data):
    asking = data.draw(st.integers(1, events))
    timed = data.draw(st.booleans())
    waits = data.draw(st.lists(st.integers(0, 10**9), min_size=events, max_size=events))
    rng = np.random.default_rng(0)
    times = np.cumsum(waits)
    asked = np.append(times[1:], times[-1] + 5)
    logits, distance, time = (
        rng.normal(size=shape).astype(np.float32) * 9
        for shape in ((heads, asking, events), (heads, 12), (heads, len(transformer.EDGES) + 1))
    )
    expected = logits.astype(np.float64)
    apart = np.arange(events - asking, events)[:, None] - np.arange(events)
    expected += distance[:, ::-1][:, np.maximum(apart, 0)]
    if timed:
        expected += time[:, transformer.buckets(asked[-asking:, None] - times)]
    expected = np.where(apart < 0, 0, np.exp(expected - np.where(apart < 0, -np.inf, expected).max(2, keepdims=True)))
    attention.attend(logits, distance, time if timed else time[:0], asked[-asking:], times, transformer.EDGES)
    np.testing.assert_allclose(logits, expected / expected.sum(axis=2, keepdims=True), rtol=1e-4, atol=1e-6)


def test_gelu_and_the_normalisation_are_exact_to_a_float():
    x = np.random.default_rng(0).normal(scale=3, size=(40, 33)).astype(np.float32)
    exact, hidden, normed = x.astype(np.float64), x.copy(), np.empty_like(x)
    attention.gelu(hidden)
    np.testing.assert_allclose(hidden, exact * (1 + erf(exact / np.sqrt(2))) / 2, atol=2e-6)
    attention.normalise(x, normed)
    deviation = np.sqrt(exact.var(axis=1, keepdims=True) + transformer.EPSILON)
    np.testing.assert_allclose(normed, (exact - exact.mean(axis=1, keepdims=True)) / deviation, atol=1e-5)


@FEW
@given(st.lists(st.integers(1, 60), max_size=12), st.integers(1, 100))
def test_chunks_hold_every_question_once_and_in_order(lengths, most):
    kept, transformer.CHUNK = transformer.CHUNK, most
    try:
        bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        found = list(transformer.chunks(bounds))
    finally:
        transformer.CHUNK = kept
    assert [row for some in found for row in range(some.start, some.stop)] == list(range(len(lengths)))
    assert all(some.stop - some.start == 1 or bounds[some.stop] - bounds[some.start] <= most for some in found)


def test_what_metadata_say_is_the_same_from_a_table_and_without(monkeypatch):
    rng = np.random.default_rng(0)
    items = sparse.csr_matrix(rng.random((9, 4)) < 0.5, dtype=np.float32)
    met = sparse.csr_matrix(np.floor(rng.random((4, 9)) * 3), dtype=np.float32)
    model = attributes._counted("items", attributes.features.fit({}), items, met)
    queries = queries_of([[], [(3, 1)], [(place % 9, 1) for place in range(30)]])
    told = model.score(queries)
    monkeypatch.setattr(attributes, "MOST_CELLS", 0)
    np.testing.assert_allclose(replace(model).score(queries), told, atol=1e-4)
    chosen = weighted_histories(
        [recent_items(query, attributes.LAST) for query in queries], attributes.WEIGHTS / attributes.WEIGHTS.sum(), 9
    )
    conditions = (chosen @ items).toarray()
    plain = conditions @ model.of_items.toarray() + conditions @ model.of_features @ items.T.toarray()
    np.testing.assert_allclose(told, plain, atol=1e-4)


def test_probabilities_are_those_of_a_softmax_however_far_the_scores_are_apart():
    scores = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32) * [[1], [10], [1000]]
    scores[1, ::3] = -np.inf
    found = log_softmax(scores.astype(np.float32))
    expected = scores - logsumexp(scores, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-6)


def spoil() -> None:
    with borrowed_zeros(7) as left:
        left[:] = 1 / left.sum().item()


def test_what_is_lent_is_zero_and_large_enough():
    with borrowed_zeros(5) as small, borrowed_zeros(9) as large:
        assert len(small) == 5
        assert len(large) == 9
        assert small is not large
        assert not np.shares_memory(small, large)
    with pytest.raises(ZeroDivisionError):
        spoil()
    with borrowed_zeros(9) as clean, borrowed_zeros(9) as another:
        assert not clean.any()
        assert not another.any()

"""The extended metrics against numbers worked out by hand, and their cohorts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from tailorbird.data.interactions import Column
from tailorbird.evaluation import beyond_accuracy, protocols, ranking
from tailorbird.evaluation.ranking import Answers
from tailorbird.recipes import RECIPES, popularity, settings_of
from tailorbird.recipes.recipe import Interactions, Query, silent


def answers(lists: list[list[int]], truths: list[list[int]], items: int = 50) -> Answers:
    padded = np.full((len(lists), ranking.LIST_LENGTH), -1, np.int64)
    for row, items_shown in enumerate(lists):
        padded[row, : len(items_shown)] = items_shown
    nothing = Query(np.empty(0, np.int32), np.empty(0, np.int64))
    return Answers([nothing] * len(lists), [np.array(truth, np.int32) for truth in truths], padded, items)


def test_accuracy_by_hand() -> None:
    """Hits at ranks 2 and 5 of a truth of three: the best list of five has its hits at ranks 1, 2 and 3."""
    found = beyond_accuracy.accuracy(answers([[9, 1, 8, 7, 2]], [[1, 2, 3]]))
    gain = 1 / math.log2(3) + 1 / math.log2(6)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg_at_5"] == pytest.approx([gain / ideal])
    assert found["recall_at_5"] == pytest.approx([2 / 3])
    assert found["hit_rate_at_5"] == [1]
    assert found["mean_reciprocal_rank_at_25"] == [0.5]


def test_a_truth_longer_than_the_list_can_be_found_whole() -> None:
    found = beyond_accuracy.accuracy(answers([list(range(25))], [list(range(40))]))
    assert found["ndcg_at_5"] == found["ndcg_at_25"] == pytest.approx([1.0])


def test_the_interval_is_that_of_the_normal_distribution() -> None:
    values = np.array([0, 1, 0, 1, 1.0])
    estimate = beyond_accuracy.mean(values, 1.0)
    assert estimate is not None
    error = 1.96 * values.std(ddof=1) / math.sqrt(5)
    assert (estimate.value, estimate.lower, estimate.upper) == (0.6, round(0.6 - error, 4), 1.0)


def test_one_value_has_no_interval_and_none_no_estimate() -> None:
    assert beyond_accuracy.mean([0.5, math.nan], 1.0) == beyond_accuracy.Estimate(0.5)
    assert beyond_accuracy.mean([math.nan], 1.0) is None


def test_gini_of_equal_and_of_one_sided_counts() -> None:
    assert beyond_accuracy.gini(np.array([3, 3, 3, 3])) == pytest.approx(0)
    assert beyond_accuracy.gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert beyond_accuracy.gini(np.zeros(4, int)) == 0


def test_diversity_is_one_minus_the_mean_cosine_of_pairs() -> None:
    """Items 0 and 1 share their only category, item 2 has another, item 3 has none and does not count."""
    categories = sparse.csr_matrix(np.array([[1, 0], [1, 0], [0, 1], [0, 0]], float))
    lists = np.array([[0, 1, 2, 3], [0, 1, 3, -1], [0, 3, -1, -1]])
    np.testing.assert_allclose(beyond_accuracy.diversity(lists, categories), [2 / 3, 0, np.nan])


def test_novelty_is_the_mean_of_bits() -> None:
    bits = np.array([0.0, 2.0, 4.0])
    given = answers([[1, 2], [0], []], [[0], [0], [0]], items=3)
    np.testing.assert_allclose(beyond_accuracy.novelty(given, bits)["novelty"], [3, 0, np.nan])


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Users with one to thirty rows each; every item has a genre."""
    rng = np.random.default_rng(0)
    lengths = 1 + np.arange(200) % 30
    user = np.repeat(np.arange(200, dtype=np.int32), lengths)
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(200)]),
        items=np.array([f"i{number:03}" for number in range(60)]),
        user=user,
        item=rng.integers(60, size=len(user)).astype(np.int32),
        timestamp=np.concatenate([np.arange(length) for length in lengths]).astype(np.int64),
        event_type=np.zeros(len(user), np.int16),
        item_columns={"GENRE": Column("categorical", np.array([f"g{item % 5}|all" for item in range(60)], object))},
    )


def test_every_cohort_has_every_metric(data: Interactions) -> None:
    held_out = ranking.split(data, 1)
    model = popularity.train(held_out.train, popularity.Settings(), silent)
    rows = beyond_accuracy.compare(model, held_out)
    found = {(row.cohort, row.name): row for row in rows}
    assert set(found) == {(cohort, name) for cohort in beyond_accuracy.COHORTS for name in beyond_accuracy.METRICS}
    assert all(row.model == row.popularity for row in rows), "popularity compared with itself"
    assert found["light", "gini"].questions + found["heavy", "gini"].questions == found["all", "gini"].questions
    official = ranking.measure(model, held_out)
    for name in ("mean_reciprocal_rank_at_25", "coverage"):
        assert found["all", name].model.value == official[name]


def test_related_items_have_no_cohorts(data: Interactions) -> None:
    held_out = ranking.about_items(ranking.split(data, 1))
    model = popularity.train(held_out.train, popularity.Settings(), silent)
    assert {row.cohort for row in beyond_accuracy.compare(model, held_out)} == {"all"}


@pytest.mark.parametrize("name", ["aws-sims", "aws-similar-items", "aws-semantic-similarity", "aws-trending-now"])
def test_the_baseline_is_that_of_the_extended_metrics(data: Interactions, name: str) -> None:
    """Popular items, asked what a recipe of that type is asked: whatever model is measured."""
    evaluation = protocols.of(RECIPES[name], settings_of(RECIPES[name], {}, {}), data, (), 0)
    rows = evaluation.extended(popularity.train(evaluation.train, popularity.Settings(), silent))
    for key in ("mean_reciprocal_rank_at_25", "coverage"):
        (row,) = [row for row in rows if (row.name, row.cohort) == (key, "all")]
        assert evaluation.baseline()[key] == row.popularity.value


def test_new_users_are_asked_without_a_history_as_of_their_time(data: Interactions, monkeypatch) -> None:
    monkeypatch.setattr(beyond_accuracy, "MOST_NEW", 5)
    held_out = ranking.split(data, 1)
    fresh = beyond_accuracy.as_new(held_out)
    assert len(fresh.queries) == len(fresh.truths) == 5
    assert all(len(query.items) == len(query.timestamps) == 0 for query in fresh.queries)
    last = held_out.queries[-1]
    assert fresh.queries[-1].now == (last.timestamps[-1] if len(last.timestamps) else None)


def test_without_a_question_there_are_no_rows_and_all_metrics_are_zero() -> None:
    """Users with one row each: nothing that two items of one truth could tell of related items."""
    alone = Interactions(
        users=np.array(["a", "b", "c"]),
        items=np.array(["x", "y", "z"]),
        user=np.arange(3, dtype=np.int32),
        item=np.arange(3, dtype=np.int32),
        timestamp=np.arange(3, dtype=np.int64),
        event_type=np.zeros(3, np.int16),
    )
    held_out = ranking.about_items(ranking.split(alone, 0))
    model = popularity.train(held_out.train, popularity.Settings(), silent)
    assert beyond_accuracy.compare(model, held_out) == []
    assert set(ranking.measure(model, held_out).values()) == {0.0}

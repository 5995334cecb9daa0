"""Offline metrics against the worked numbers of the specification, and the split's promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tailorbird.evaluation import ranking
from tailorbird.recipes.recipe import Interactions, Query


def test_worked_check_of_the_specification():
    hits = np.zeros((1, 25), bool)
    hits[0, [1, 4]] = True
    metrics = ranking.ranking_metrics(hits)
    assert metrics["mean_reciprocal_rank_at_25"] == 0.5
    assert metrics["precision_at_5"] == 0.4
    assert metrics["normalized_discounted_cumulative_gain_at_5"] == 0.6241


def test_reciprocal_ranks_are_averaged():
    hits = np.zeros((3, 25), bool)
    hits[[0, 1, 2], [3, 1, 5]] = True
    assert ranking.ranking_metrics(hits)["mean_reciprocal_rank_at_25"] == 0.3056


def test_no_hit_is_zero_and_not_a_division_by_zero():
    assert set(ranking.ranking_metrics(np.zeros((2, 25), bool)).values()) == {0.0}


def test_a_hit_outside_the_cutoff_does_not_count_in_it():
    hits = np.zeros((1, 25), bool)
    hits[0, 7] = True
    metrics = ranking.ranking_metrics(hits)
    assert metrics["normalized_discounted_cumulative_gain_at_5"] == 0
    assert metrics["normalized_discounted_cumulative_gain_at_10"] == round(1 / np.log2(9), 4)
    assert metrics["precision_at_10"] == 0.1


def interactions(users: int, rows: int) -> Interactions:
    user = np.repeat(np.arange(users, dtype=np.int32), rows)
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(users)]),
        items=np.array([f"i{number:03}" for number in range(60)]),
        user=user,
        item=(np.arange(len(user)) * 7 % 60).astype(np.int32),
        timestamp=np.tile(np.arange(rows, dtype=np.int64), users),
        event_type=np.zeros(len(user), np.int16),
    )


@pytest.mark.parametrize(("rows", "truth"), [(1, 1), (9, 1), (10, 1), (11, 2), (30, 3)])
def test_split_cuts_at_nine_tenths(rows, truth):
    data = interactions(100, rows)
    held_out = ranking.split(data, seed=5)
    tested = len(held_out.queries)
    assert 1 <= tested <= 25
    assert len(held_out.train.users) == 100 - tested
    assert len(held_out.train.user) == rows * (100 - tested)
    assert held_out.train.user.max() == len(held_out.train.users) - 1
    for query, items in zip(held_out.queries, held_out.truths, strict=True):
        assert len(query.items) == len(query.timestamps) == rows - truth
        assert len(items) == truth


def test_every_user_is_either_trained_on_or_asked():
    data = interactions(40, 10)
    held_out = ranking.split(data, seed=0)
    trained = set(held_out.train.users)
    asked = [user for number, user in enumerate(data.users) if user not in trained]
    for user, query, truth in zip(asked, held_out.queries, held_out.truths, strict=True):
        rows = data.item[data.user == int(user[1:])]
        assert [*query.items, *truth] == rows.tolist()


def test_split_repeats_and_differs_by_seed():
    data = interactions(200, 10)
    once, again, other = (ranking.split(data, seed) for seed in (1, 1, 2))
    assert once.train.users.tolist() == again.train.users.tolist()
    assert once.train.users.tolist() != other.train.users.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_split_of_two_users_has_one_on_each_side(seed):
    held_out = ranking.split(interactions(2, 10), seed)
    assert len(held_out.train.users) == len(held_out.queries) == 1


def test_split_of_one_user_says_what_is_missing():
    with pytest.raises(ValueError, match="at least two users"):
        ranking.split(interactions(1, 10), 0)


class Fixed:
    """Recommends the first items to everyone, and only `length` of them."""

    def __init__(self, items: int, length: int) -> None:
        self.items = np.array([f"i{number}" for number in range(items)])
        self.scores = np.where(np.arange(items) < length, -np.arange(items), -np.inf).astype(np.float32)

    def score(self, queries: list[Query]) -> np.ndarray:
        return np.tile(self.scores, (len(queries), 1))


@pytest.mark.parametrize("block", [1, 100_000])
def test_measure_counts_distinct_items_and_short_lists(monkeypatch, block):
    monkeypatch.setattr(ranking, "SCORES_AT_ONCE", block)
    nothing = Query(np.empty(0, np.int32), np.empty(0, np.int64))
    truths = (np.array([0, 2], np.int32), np.array([9], np.int32))
    held_out = ranking.RankingSplit(interactions(2, 2), (nothing, nothing), truths)
    metrics = ranking.measure(Fixed(60, 3), held_out)
    assert metrics["coverage"] == 0.05
    assert metrics["precision_at_5"] == 0.2
    assert metrics["mean_reciprocal_rank_at_25"] == 0.5
    assert list(metrics) == [
        "coverage",
        "mean_reciprocal_rank_at_25",
        "normalized_discounted_cumulative_gain_at_10",
        "normalized_discounted_cumulative_gain_at_25",
        "normalized_discounted_cumulative_gain_at_5",
        "precision_at_10",
        "precision_at_25",
        "precision_at_5",
    ]


def test_related_items_are_asked_for_each_distinct_test_item_that_was_trained_on():
    nothing = Query(np.empty(0, np.int32), np.empty(0, np.int64))
    trained = interactions(2, 2)
    first, second, third = (int(item) for item in trained.item[:3])
    unseen = next(item for item in range(60) if item not in trained.item)
    truths = tuple(np.array(truth, np.int32) for truth in ([first, second], [second, unseen], [third]))
    asked_for = ranking.about_items(ranking.RankingSplit(trained, (nothing,) * 3, truths))
    pairs = zip(asked_for.queries, asked_for.truths, strict=True)
    asked = {query.item: set(truth.tolist()) for query, truth in pairs}
    assert asked == {first: {second}, second: {first, unseen}}


def test_a_hit_is_worth_its_weight_relative_to_the_mean():
    lists, truths = np.array([[7, 3, 9]]), [np.array([3, 9], np.int32)]
    weights = [np.array([0.5, 1.5], np.float32)]
    gain = 0.5 / np.log2(3) + 1.5 / np.log2(4)
    assert ranking.weighted_ndcg(lists, truths, weights) == pytest.approx(gain / (1.5 + 0.5 / np.log2(3)))
    assert ranking.weighted_ndcg(lists, [np.array([4], np.int32)], [np.ones(1, np.float32)]) == 0


def test_split_keeps_the_greatest_weight_of_an_item():
    data = interactions(100, 30)
    weight = np.where(np.arange(len(data.user)) % 2, 1.5, 0.5).astype(np.float32)
    held_out = ranking.split(replace(data, item=data.item // 2, weight=weight), seed=5)
    assert held_out.train.weight is not None
    assert len(held_out.train.weight) == len(held_out.train.user)
    assert [len(each) for each in held_out.weights] == [len(each) for each in held_out.truths]
    metrics = ranking.measure(Fixed(60, 25), held_out)
    assert 0 < metrics[ranking.WEIGHTED_NDCG] <= 1
    assert ranking.REWARDS not in metrics


@pytest.mark.parametrize(
    ("reward", "share"),
    [([5, 1, 4, 0], 4 / 5), ([-1, -5, -2, 0], 3 / 4), ([np.nan, 9, 4, 9], 1), ([0, 9, 0, 9], 0)],
)
def test_rewards_are_shares_of_what_could_be_earned(reward, share):
    lists = np.array([[2], [3]])
    truths = [np.array([0, 2], np.int32), np.array([], np.int32)]
    found = ranking.average_rewards(lists, truths, np.array(reward, np.float32))
    assert found == pytest.approx(share)

"""Which responses count, which actions have a propensity, and what the propensities and the metrics are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tailorbird.evaluation.actions import area, baseline, measure, split
from tailorbird.recipes import next_best_action
from tailorbird.recipes.next_best_action import DAY, LEAST_NOT_TAKEN, LEAST_TAKEN, WINDOW, Settings
from tailorbird.recipes.recipe import ActionResponses, Interactions, Query, silent


def responses(*rows: tuple[int, int, int, bool], actions: int = 2) -> ActionResponses:
    """Rows of user, action, epoch seconds, taken; in the order of time."""
    user, action, timestamp, taken = np.array(rows, np.int64).reshape(-1, 4).T
    return ActionResponses(
        actions=np.array([f"a{number}" for number in range(actions)]),
        user=user.astype(np.int32),
        action=action.astype(np.int32),
        timestamp=timestamp,
        taken=taken.astype(bool),
    )


def population(given: ActionResponses, users: int = 200) -> Interactions:
    """Even users click items 0 to 4, odd ones 5 to 9, all in the seconds 1 to 5."""
    user = np.repeat(np.arange(users, dtype=np.int32), 5)
    item = np.tile(np.arange(5, dtype=np.int32), users) + user % 2 * 5
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(users)]),
        items=np.array([f"i{number}" for number in range(10)]),
        user=user,
        item=item.astype(np.int32),
        timestamp=np.tile(np.arange(1, 6, dtype=np.int64), users),
        event_type=np.zeros(len(user), np.int16),
        responses=given,
    )


def asked(*items: int) -> Query:
    return Query(np.array(items, np.int32), np.zeros(len(items), np.int64))


def test_a_view_that_was_part_of_taking_does_not_count():
    given = responses(
        (1, 0, 0, False), (1, 1, 0, False), (2, 0, 0, False), (1, 0, 8 * DAY, True), (-1, 0, 9 * DAY, True)
    )
    kept = next_best_action.samples(given, 7 * DAY)
    assert len(kept.user) == 5, "it was taken too late"
    kept = next_best_action.samples(given, 8 * DAY)
    assert list(zip(kept.user.tolist(), kept.action.tolist(), kept.taken.tolist(), strict=True)) == [
        (1, 1, False),
        (2, 0, False),
        (1, 0, True),
        (-1, 0, True),
    ]


@pytest.mark.parametrize(
    ("taken", "others", "when", "expected"),
    [
        (LEAST_TAKEN, LEAST_NOT_TAKEN, 100, True),
        (LEAST_TAKEN - 1, LEAST_NOT_TAKEN, 100, False),
        (LEAST_TAKEN, LEAST_NOT_TAKEN - 1, 100, False),
        (LEAST_TAKEN, LEAST_NOT_TAKEN, 100 - WINDOW, False),
    ],
)
def test_an_action_needs_enough_recent_responses(taken, others, when, expected):
    rows = [(1, 0, when, True)] * taken + [(1, 0, when, False)] * others + [(1, 1, 100, True)]
    assert next_best_action.eligible(responses(*rows)).tolist() == [expected, False]


def test_histories_end_before_the_response():
    given = responses((0, 0, 0, True), (1, 0, 3, True), (-1, 0, 4, True), (0, 0, 99, True))
    found = next_best_action.histories(population(given), given)
    assert [items.tolist() for items in found] == [[], [5, 6], [], [0, 1, 2, 3, 4]]


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Even users take the action 0 and decline 1 nine times of ten, odd ones the other way round; 2 is new."""
    rng = np.random.default_rng(0)
    rows = [
        (user, action, 100 + user, bool((user % 2 == action) == (rng.random() < 0.9)))
        for user in range(200)
        for action in range(2)
    ]
    return population(responses(*rows, actions=3))


def test_propensities_follow_the_history_and_survive_save_and_load(data, tmp_path):
    model = next_best_action.train(data, Settings(), silent)
    scores = model.score([asked(0, 1), asked(7), asked()])
    assert scores.shape == (3, 3)
    assert scores[0, 0] > 0.8 > 0.3 > scores[0, 1]
    assert scores[1, 1] > 0.8 > 0.3 > scores[1, 0]
    assert 0.3 < scores[2, 0] < 0.7
    assert scores[:, 2].tolist() == [0, 0, 0]
    model.save(tmp_path)
    np.testing.assert_array_equal(
        next_best_action.Propensities.load(tmp_path).score([asked(0, 1), asked()]), scores[[0, 2]]
    )


def test_metrics_beat_the_same_list_for_everyone(data):
    held_out = split(data, seed=1)
    assert not set(held_out.responses.user) & set(held_out.train.responses.user)
    assert not set(held_out.responses.user) & set(held_out.train.user)
    found = measure(next_best_action.train(held_out.train, Settings(), silent), held_out)
    assert found["auc"] > 0.8 > 0.6 > baseline(held_out)["auc"]
    assert found["coverage"] == 1


def test_without_responses_everything_is_zero_and_nothing_fails(data):
    bare = replace(data, responses=responses(actions=3))
    held_out = split(bare, seed=1)
    model = next_best_action.train(held_out.train, Settings(), silent)
    assert model.score([asked(1)]).tolist() == [[0, 0, 0]]
    assert measure(model, held_out)["recall"] == 0


def test_area():
    scores = np.array([0.1, 0.4, 0.4, 0.9], np.float32)
    assert area(scores, np.array([False, False, True, True])) == 0.875
    assert area(scores, np.array([True, True, True, True])) == 0.5

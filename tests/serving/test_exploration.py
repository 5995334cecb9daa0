"""The bandit: who gets places, and whether the propensities are what they say."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.test_exam import CHAIN, walks
from tailorbird.data.clocks import DAY
from tailorbird.data.interactions import Column
from tailorbird.evaluation import ranking
from tailorbird.recipes import RECIPES, new_items
from tailorbird.recipes.recipe import silent
from tailorbird.recipes.top_k import best_items
from tailorbird.serving import exploration
from tailorbird.serving.exploration import Draw, Exploration, draw, places_of
from tailorbird.serving.exploration_pools import ExplorationPool
from tailorbird.serving.scores import Scores

ITEMS, NEW, PLACES = 40, 6, 10
NOW = 1_700_000_000


def pool(interactions: dict[int, int] | None = None, impressions: dict[int, int] | None = None) -> ExplorationPool:
    """Old items, then new ones without exposures; the counts given come on top."""
    created = np.where(np.arange(ITEMS) < ITEMS - NEW, NOW - int(90 * DAY), NOW)
    counts = [np.zeros(ITEMS, np.int64) for _ in range(2)]
    counts[0][: ITEMS - NEW] = 500
    for array, given in zip(counts, (interactions or {}, impressions or {}), strict=True):
        for item, count in given.items():
            array[item] += count
    columns = {"GENRE": Column("categorical", np.array(["a", "b"] * (ITEMS // 2), object))}
    likeness = new_items.likeness(columns, ITEMS, ITEMS - NEW)
    return ExplorationPool("1", np.arange(ITEMS).astype(np.str_), counts[0], counts[1], created, NOW, likeness)


def scores() -> NDArray[np.float32]:
    found = -0.3 * np.arange(ITEMS, dtype=np.float32)
    found[-NEW:] = -9
    return np.asarray(found - np.log(np.exp(found).sum()), np.float32)


def draws(
    found: ExplorationPool, settings: Exploration, times: int = 1500, allowed: NDArray[np.bool_] | None = None
) -> list[Draw]:
    rng = Random(1)
    ordered = scores() if allowed is None else np.where(allowed, scores(), -np.inf)
    best = best_items(ordered[None, :], PLACES)[0]
    places = places_of(Scores(scores()), best, allowed, found, settings)
    return [draw(places, rng) for _ in range(times)]


def share(found: list[Draw], *items: int) -> float:
    """Of the places."""
    return float(np.isin(np.array([draw.items for draw in found]), items).mean())


def test_without_weight_nothing_is_explored() -> None:
    (draw,) = draws(pool(), Exploration(weight=0), 1)
    assert draw.items == list(range(PLACES))
    assert draw.propensities == [1.0] * PLACES


def test_the_weight_sets_the_share_of_places() -> None:
    new = range(ITEMS - NEW, ITEMS)
    shares = [share(draws(pool(), Exploration(weight=weight), 800), *new) for weight in (0.1, 0.3, 0.6, 1.0)]
    assert shares == sorted(shares)
    assert shares[1] == pytest.approx(0.3**2, abs=0.01)
    assert shares[3] == NEW / PLACES  # all there are
    assert all(len(set(draw.items)) == PLACES for draw in draws(pool(), Exploration(weight=1.0), 50))


def test_propensities_are_the_frequencies() -> None:
    """The mean of 1 / propensity over the answers with an item at a place is 1, for every item that can be there."""
    found = draws(pool({37: 30}), Exploration(weight=0.7), 5000)
    for place in (0, 1, 4):
        weights = np.zeros(ITEMS)
        for each in found:
            weights[each.items[place]] += 1 / each.propensities[place] / len(found)
        for item in range(ITEMS - NEW, ITEMS):
            # An item that was placed before cannot come again.
            possible = np.mean([item not in draw.items[:place] for draw in found])
            assert weights[item] == pytest.approx(possible, abs=0.15), (place, item)


@pytest.mark.parametrize("seed", range(20))
def test_draws_are_placed_as_one_after_the_other(seed: int) -> None:
    """Where none of the best can be drawn, nothing needs to be looked at between two draws."""
    settings = Exploration(weight=0.5)
    best = np.arange(PLACES)
    places = places_of(Scores(scores()), best, None, pool(), settings)
    assert places.chances is not None
    assert not places.young
    turns = sorted(np.random.default_rng(seed).choice(PLACES, min(3, PLACES), replace=False).tolist())
    found, plainly = (
        fill(places, turns, places.chances, Random(seed)) for fill in (exploration._inserted, exploration._placed)
    )
    assert found.items == plainly.items
    assert found.propensities == pytest.approx(plainly.propensities)


def test_ignored_impressions_lower_an_items_share_and_clicks_raise_it() -> None:
    plain, ignored, clicked = ITEMS - 1, ITEMS - 3, ITEMS - 5  # of one genre
    found = draws(pool({clicked: 30}, {ignored: 100, clicked: 70}), Exploration(weight=0.5), 6000)
    assert share(found, plain) > 3 * share(found, ignored)
    assert share(found, clicked) > 3 * share(found, ignored)
    every = dict.fromkeys(range(ITEMS - NEW, ITEMS), 1000)
    assert share(draws(pool({}, every), Exploration(weight=0.5)), *every) < 0.02


def test_filters_and_age_hold_for_explored_items() -> None:
    allowed = np.ones(ITEMS, bool)
    allowed[[3, ITEMS - 1]] = False
    found = draws(pool(), Exploration(weight=1.0), 200, allowed)
    assert share(found, 3, ITEMS - 1) == 0
    assert share(found, *range(ITEMS - NEW, ITEMS - 1)) > 0
    older = draws(pool(), Exploration(weight=1.0, age=100.0), 200)
    assert share(older, *range(PLACES, ITEMS - NEW)) > 0, "old ones are young enough now"


def test_items_like_those_that_suit_the_user_are_drawn_first() -> None:
    found = draws(pool(), Exploration(weight=0.3))
    even, odd = (share(found, *range(first, ITEMS, 2)) for first in (ITEMS - NEW, ITEMS - NEW + 1))
    assert even > odd, "the model's best item is even"


def test_the_default_costs_little_and_gives_new_items_places() -> None:
    """A trained model, with twenty items without exposures: one for each chain of items that users walk through."""
    data = walks(400)
    held_out = ranking.split(data, 0)
    recipe = RECIPES["aws-user-personalization"]
    model = recipe.train(held_out.train, recipe.settings(), silent)
    known, new = len(data.items), 20
    chains = [*(number // CHAIN for number in range(known)), *range(new)]
    columns = {"CHAIN": Column("categorical", np.array([f"chain {number}" for number in chains], object))}
    likeness = new_items.likeness(columns, known + new, known)
    items = np.concatenate([data.items, [f"new {number}" for number in range(new)]])
    rows = new_items.ExtendedModel(model, items, likeness).score(list(held_out.queries))
    counts = np.concatenate([np.bincount(held_out.train.item, minlength=known), np.zeros(new, np.int64)])
    created = np.where(np.arange(known + new) < known, 0, NOW)
    found = ExplorationPool("1", items, counts, np.zeros_like(counts), created, NOW, likeness)
    rng = Random(0)

    def asked(settings: Exploration) -> tuple[float, float]:
        """NDCG@25, and the share of the new items' places."""
        lists = [
            (np.array(draw(places_of(row, best, None, found, settings), rng).items), truth)
            for row, best, truth in zip(map(Scores, rows), best_items(rows, 25), held_out.truths, strict=True)
            for _ in range(20)
        ]
        hits = np.array([np.isin(shown, truth) for shown, truth in lists])
        ndcg = ranking.ranking_metrics(hits)["normalized_discounted_cumulative_gain_at_25"]
        return ndcg, float(np.mean([shown >= known for shown, _ in lists]))

    (still, before), (exploring, after) = asked(Exploration(weight=0)), asked(Exploration())
    assert exploring > 0.93 * still
    assert after > before + 0.05


def test_chances_are_what_is_expected_times_how_little_is_known() -> None:
    found, settings = pool({37: 30, 39: 200}, {38: 90}), Exploration()
    values = scores()
    values[36] = -np.inf
    chances = exploration._chances(Scores(values), found, settings)
    assert chances is not None
    arms, powers = chances.arms, np.exp(values.astype(np.float64))
    alike = found.likeness.of(arms.items)(powers[: ITEMS - NEW].astype(np.float32))
    expected = ((1 - arms.unknown) * powers[arms.items] + arms.unknown * alike) * arms.bonus
    expected[arms.items == 36] = 0
    np.testing.assert_allclose(chances.of, expected / expected.sum(), rtol=1e-5)
    assert chances.many == NEW - 1

"""The exam that every recipe sits: train, save, load, answer, and beat chance on data with structure.

The data: users walk through chains of items, mostly from an item to its successor; a few items are popular
besides. Half the users walk the one half of the chains, half the other. Metadata and text name an item's chain and
metadata a user's half, the context says whether the item follows the one before. Some more items are new: nobody
touched them.
"""

from __future__ import annotations

import numpy as np
import pytest

from tailorbird.evaluation import ranking
from tailorbird.recipes import RECIPES
from tailorbird.recipes.matrices import keep_users
from tailorbird.recipes.recipe import Column, Interactions, Model, NotEnoughData, Query, Recipe, silent

ITEMS = 200
CHAIN = 10
NEW_ITEMS = 120


def walks(users: int = 150, seed: int = 3) -> Interactions:
    rng = np.random.default_rng(seed)
    user, item, step = [], [], []
    for number in range(users):
        here = int(rng.integers(ITEMS // 2)) + (number % 2) * ITEMS // 2
        draw = 1.0
        for _ in range(int(rng.integers(12, 40))):
            user.append(number)
            item.append(here)
            step.append("follows" if draw < 0.75 else "elsewhere")
            draw = rng.random()
            if draw < 0.75:
                here = here - here % CHAIN + (here + 1) % CHAIN
            elif draw < 0.85:
                here = int(rng.integers(5)) * CHAIN
            else:
                here = int(rng.integers(ITEMS // 2)) + (number % 2) * ITEMS // 2
    return Interactions(
        users=np.array([f"u{number:03}" for number in range(users)]),
        items=np.array([f"i{number:03}" for number in range(ITEMS + NEW_ITEMS)]),
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        timestamp=1_600_000_000 + np.arange(len(user), dtype=np.int64) * 600,
        event_type=np.zeros(len(user), np.int16),
        item_columns={
            "CHAIN": column("categorical", [str(number % ITEMS // CHAIN) for number in range(ITEMS + NEW_ITEMS)]),
            "PLACE": column("numeric", [number % CHAIN for number in range(ITEMS + NEW_ITEMS)]),
            "TEXT": column(
                "textual", [f"a tale of {number % ITEMS // CHAIN} in" for number in range(ITEMS + NEW_ITEMS)]
            ),
        },
        user_columns={"HALF": column("categorical", ["left" if number % 2 else "right" for number in range(users)])},
        context={"STEP": column("categorical", step)},
    )


def column(kind: str, values: list[object]) -> Column:
    return Column(kind, np.array(values, object))


def query(*items: int, item: int | None = None) -> Query:
    times = 1_603_000_000 + np.arange(len(items), dtype=np.int64)
    return Query(np.array(items, np.int32), times, item=item)


NARROWER = {"aws-hrnn-coldstart": {"hidden_dimension": 43}}
"""As wide as aws-hrnn is by default: seconds rather than half a minute."""


def train(recipe: Recipe, data: Interactions, **settings: object) -> Model:
    return recipe.train(data, recipe.settings(**NARROWER.get(recipe.name, {}), **settings), silent)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return walks()


MODELS = {(recipe.train, recipe.settings): name for name, recipe in RECIPES.items()}
"""A name of each: names that share a model share its exam."""


# Actions are no items: aws-next-best-action has tests of its own.
@pytest.fixture(scope="module", params=sorted(set(MODELS.values()) - {"aws-next-best-action"}))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]


@pytest.fixture(scope="module")
def held_out(data: Interactions) -> ranking.RankingSplit:
    return ranking.split(data, seed=1)


@pytest.fixture(scope="module")
def model(recipe: Recipe, held_out: ranking.RankingSplit) -> Model:
    return train(recipe, held_out.train)


QUESTIONS = [query(), query(3), query(3, 4, 5, 5), query(item=12), query(7, item=200)]


def test_scores_every_item(model, data):
    scores = model.score(QUESTIONS)
    assert scores.shape == (len(QUESTIONS), len(data.items))
    assert scores.dtype == np.float32
    assert not np.isnan(scores).any()
    assert (np.isfinite(scores).sum(axis=1) >= 25).all()


def test_scores_do_not_depend_on_the_company(model):
    together = model.score(QUESTIONS)
    alone = np.concatenate([model.score([question]) for question in QUESTIONS])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_survives_save_and_load(recipe, model, tmp_path):
    model.save(tmp_path)
    loaded = recipe.model.load(tmp_path)
    assert loaded.items.tolist() == model.items.tolist()
    np.testing.assert_array_equal(loaded.score(QUESTIONS), model.score(QUESTIONS))
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} <= {".npy", ".json"}


def test_same_seed_same_model(recipe):
    few = walks(users=40)  # a network needs many seconds for all
    one, other = (train(recipe, few).score(QUESTIONS) for _ in range(2))
    # The order in which threads add up is not the seed's: hence the last digits.
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_scores_answered_to_clients_are_log_probabilities(recipe, model):
    if recipe.recipe_type.scores:
        np.testing.assert_allclose(np.exp(model.score(QUESTIONS)).sum(axis=1), 1, rtol=1e-3)


def test_beats_chance_and_popularity_where_it_should(recipe, model, held_out):
    if "itemId" in recipe.recipe_type.required:
        held_out = ranking.about_items(held_out)
    result, baseline = ranking.measure(model, held_out), ranking.popularity_baseline(held_out)
    key = "mean_reciprocal_rank_at_25"
    same_for_all = recipe.name in ("aws-popularity-count", "aws-trending-now")
    assert result[key] > (0.02 if same_for_all else 2 * baseline[key])


def test_progress_can_stop_training(recipe, data):
    def stop(share: float, text: str) -> None:
        raise InterruptedError(text)

    with pytest.raises(InterruptedError):
        recipe.train(data, recipe.settings(), stop)


@pytest.mark.parametrize("rows", [2, 3])
def test_two_users_with_hardly_any_rows_are_enough(recipe, data, rows):
    few = (data.user < 2) & (np.arange(len(data.user)) - np.searchsorted(data.user, data.user) < rows)
    tiny = keep_users(data.rows(few), np.arange(len(data.users)) < 2)
    if recipe.name == "aws-hrnn-coldstart":  # needs items that more than one user touched
        with pytest.raises(NotEnoughData, match="All items"):
            train(recipe, tiny)
    else:
        assert np.isfinite(train(recipe, tiny).score(QUESTIONS)).sum() >= 25 * len(QUESTIONS)


def test_one_user_is_too_few_to_learn_weights_on(data):
    one = keep_users(data.rows(np.arange(len(data.user)) < 5), np.arange(len(data.users)) < 1)
    with pytest.raises(NotEnoughData, match="two users with two interactions"):
        train(RECIPES["aws-user-personalization"], one)


def test_one_click_bends_the_list(data):
    model = train(RECIPES["aws-user-personalization"], data)
    before, after = ranking.top_lists(model, [query(), query(42)])
    assert 43 in after[:3]
    assert len(set(before[:10]) & set(after[:10])) < 8


def test_seed_matters_only_to_what_is_drawn(data):
    recipe = RECIPES["aws-user-personalization"]
    one, other = train(recipe, data, seed=1), train(recipe, data, seed=2)
    assert not np.array_equal(one.score([query(3)]), other.score([query(3)]))


def test_related_items_leave_out_the_item_and_fall_back_to_popular(data):
    model = train(RECIPES["aws-sims"], data)
    popular = train(RECIPES["aws-popularity-count"], data)
    lists = ranking.top_lists(model, [query(item=42), query(), query(item=200)])
    assert 42 not in lists[0]
    assert {41, 43} <= set(lists[0][:4].tolist())
    assert (lists >= 0).all()
    best = ranking.top_lists(popular, [query()])[0]
    np.testing.assert_array_equal(lists[1], best)
    np.testing.assert_array_equal(lists[2], best)

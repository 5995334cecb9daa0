"""HPO and the choice of a recipe: on training users only, repeatable, given up early, stopped at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

from recipes.test_exam import walks
from tailorbird.evaluation import ranking, tuning
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import NotEnoughData, silent
from tailorbird.recipes.settings import among, between, hyperparameter, tunable

POPULAR = RECIPES["aws-popularity-count"]


@dataclass(frozen=True)
class Settings:
    """Where chance stands in for a model: the nearer to `best`, the better the lists."""

    distance: float = hyperparameter(0.9, low=0, high=1, tunable=True)
    steps: int = hyperparameter(7, low=0, high=20, tunable=True)
    flag: bool = hyperparameter(True, tunable=True)


class Trained:
    """Recommends what is popular, with noise that the settings decide."""

    def __init__(self, data, settings):
        self.items = data.items
        noise = np.random.default_rng(0).normal(size=len(data.items)) * (settings.distance + settings.steps / 20)
        counts = np.bincount(data.item, minlength=len(data.items))
        self.scores = (np.log(counts + 1) + 10 * noise * (2 if settings.flag else 1)).astype(np.float32)

    def score(self, queries):
        return np.tile(self.scores, (len(queries), 1))


class Spy:
    """A recipe's `train` that remembers what it was given."""

    def __init__(self):
        self.users, self.settings = [], []

    def __call__(self, data, settings, progress):
        progress(0.5, "half")
        self.users.append(frozenset(data.users.tolist()))
        self.settings.append(settings)
        return Trained(data, settings)


def recipe(train):
    return replace(POPULAR, name="spied", settings=Settings, train=train)


PLAN = tuning.Search(tunable(Settings), trials=12, parallel=2)


def test_the_winner_is_better_and_repeats_and_never_saw_the_test_users():
    data = walks(users=300)
    first, second = Spy(), Spy()
    best = tuning.tune(recipe(first), Settings(), data, PLAN, 4, silent)
    assert tuning.tune(recipe(second), Settings(), data, PLAN, 4, silent) == best
    assert first.settings[0] == Settings(), "the first trial is the solution's own settings"
    tested = set(data.users.tolist()) - set(ranking.split(data, 4).train.users.tolist())
    assert tested
    assert not tested & frozenset.union(*first.users)
    held_out = ranking.split(data, 4)
    plain, tuned = (
        ranking.measure(Trained(held_out.train, each), held_out)[tuning.METRIC]
        for each in (Settings(), Settings(**best))
    )
    assert tuned > plain


def test_trials_below_the_median_are_given_up_after_a_part_of_the_users():
    spy, told = Spy(), []
    data = walks(users=300)
    tuning.tune(recipe(spy), Settings(), data, PLAN, 4, lambda share, text: told.append((share, text)))
    sizes = [len(users) for users in spy.users]
    whole = max(sizes)
    assert sizes.count(whole) < sizes.count(min(sizes)) == PLAN.trials
    outcomes = [text for _, text in told if ", best " in text]
    assert outcomes[-1].startswith("trial 12/12: ")
    assert told[-1][0] == 1
    few = Spy()
    tuning.tune(recipe(few), Settings(), walks(users=100), PLAN, 4, silent)
    assert len({len(users) for users in few.users}) == 1


def test_only_the_ranges_asked_for_are_searched():
    spy = Spy()
    domains = tunable(Settings)
    plan = tuning.Search(
        {"steps": between("steps", domains["steps"], 2, 4), "flag": among("flag", domains["flag"], ["FALSE"])}, 8, 1
    )
    best = tuning.tune(recipe(spy), Settings(), walks(users=60), plan, 0, silent)
    assert {each.steps for each in spy.settings} <= {2, 3, 4}
    assert len(spy.settings) <= 3, "values that were tried are not trained on again"
    assert {(each.flag, each.distance) for each in spy.settings} == {(False, Settings().distance)}
    assert best == {"steps": best["steps"], "flag": False}


@pytest.mark.parametrize(("trials", "parallel"), [(1, 1), (1, 10), (2, 1), (3, 2)])
def test_as_many_trials_as_were_asked_for_are_tried_also_one(trials, parallel, monkeypatch):
    monkeypatch.setattr(tuning.os, "cpu_count", lambda: 10)
    told, plan = [], tuning.Search(tunable(Settings), trials, parallel)
    best = tuning.tune(recipe(Spy()), Settings(), walks(users=60), plan, 0, lambda _, text: told.append(text))
    assert best.keys() == plan.domains.keys()
    assert sum(", best " in text for text in told) == -(-trials // parallel)
    assert f"trial {trials}/{trials}: " in told[-1]
    assert trials > 1 or best == asdict(Settings()), "the only trial is the solution's own settings"


def test_every_range_of_every_recipe_can_be_searched():
    for each in RECIPES.values():
        for name, domain in tunable(each.settings).items():
            assert tuning._distribution(domain), name
            if domain.type not in (bool, str):
                assert tuning._distribution(between(name, domain, domain.low, domain.low)).single()


def test_a_search_can_be_stopped():
    def stop(share, text):
        raise InterruptedError(text)

    with pytest.raises(InterruptedError):
        tuning.tune(recipe(Spy()), Settings(), walks(users=60), PLAN, 0, stop)


def test_the_best_recipe_is_chosen_among_those_that_can_be_trained():
    def unfit(data, settings, progress):
        raise NotEnoughData("no cold items")

    data, metric = walks(users=100), "precision_at_25"
    good, poor = Settings(distance=0, steps=0, flag=False), Settings(distance=1)
    rivals = [(recipe(unfit), good), (recipe(Spy()), poor), (recipe(Spy()), good)]
    told = []
    chosen, settings = tuning.choose(rivals, data, metric, 0, lambda share, text: told.append(text))
    assert settings == good
    assert chosen.train is not unfit
    assert "no cold items" in " ".join(told)
    with pytest.raises(NotEnoughData, match="spied: no cold items"):
        tuning.choose(rivals[:1], data, metric, 0, silent)

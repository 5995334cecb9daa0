"""Which hyperparameters, or which recipe: tried on training users, so that the test users stay unseen.

HPO by Optuna: a tree-structured Parzen estimator (Bergstra et al., Algorithms for hyper-parameter optimization,
2011) proposes settings; a trial that is below the median after training on a part of the users is given up. The
first trial is the solution's own settings, so the winner is no worse than they are. Trials are proposed and judged
a batch at a time: on one machine the same seed gives the same winner, however long the threads of a batch take.

Source: spec recipes-and-runtime 1.3 and 2.1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tailorbird.evaluation import protocols
from tailorbird.recipes.matrices import keep_users
from tailorbird.recipes.recipe import Interactions, NotEnoughData, Progress, Recipe, part
from tailorbird.recipes.settings import Domain, Value, values

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

TRIALS = 20
"""Trials of an HPO whose hpoResourceConfig names no number; AWS's is not published (spec 9): half of what may be asked
for."""
PARALLEL = 10
"""Trials at a time likewise; never more than there are cores."""
MOST_TRIALS = 40
"""AWS's cap, as the next (spec recipes-and-runtime 2.1)."""
MOST_PARALLEL = 10
"""Trials at a time that may be asked for."""
METRIC = "normalized_discounted_cumulative_gain_at_25"
"""What HPO maximises, whatever hpoObjective says: AWS ignores that too."""
FIRST_SHARE = 0.25
"""Share of the users that a trial is trained on before it may be given up, at about that share of the time; not
tuned."""
LEAST_USERS = 200
"""With fewer, the part of them, 50 and less, says too little and no trial is given up; not tuned."""
NEVER_GIVEN_UP = 4
"""Trials that must have ended before others are compared with their median; Optuna's own number is 5. Not tuned."""


@dataclass(frozen=True)
class Search:
    """An HPO: what may be tried, and how often."""

    domains: Mapping[str, Domain]
    """By hyperparameter: the part of its domain to search."""
    trials: int = TRIALS
    parallel: int = PARALLEL


def tune(
    recipe: Recipe, settings: Any, data: Interactions, search: Search, seed: int, progress: Progress
) -> dict[str, Value]:
    """Returns the best values found for the hyperparameters of the search.

    data: all there is; the users whom the recipe's evaluation holds out for its test are not looked at.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    evaluation = _validation(recipe, settings, data, seed)
    stages = _stages(evaluation.train, seed)
    known: dict[tuple[int, tuple[Value, ...]], float] = {}

    def score(stage: int, trial: Trial) -> float:
        given = stage, tuple(trial.params.values())
        if given not in known:  # where few values are possible they are proposed again
            share, name = trial.number / search.trials, f"trial {trial.number + 1}/{search.trials}"
            watch = part(progress, share, share, name)
            tried = replace(settings, **trial.params)
            model = recipe.candidate(stages[stage], tried, watch, evaluation.queries)
            known[given] = evaluation.measure(model)[METRIC]
        return known[given]

    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=NEVER_GIVEN_UP)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.enqueue_trial(
        {name: getattr(settings, name) for name in search.domains if _is_searched(search, settings, name)}
    )
    distributions = {name: _distribution(domain) for name, domain in search.domains.items()}
    threads = min(search.parallel, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, "trial") as pool:
        # Not by the length of study.trials, where the trial that waits counts already.
        for done in range(0, search.trials, threads):
            batch = [study.ask(distributions) for _ in range(min(threads, search.trials - done))]
            for stage in range(len(stages)):
                scores = list(pool.map(partial(score, stage), batch))
                batch = _survivors(study, batch, scores, stage, last=stage == len(stages) - 1)
            _tell_outcome(study, search, progress)
    return study.best_params


def choose(
    rivals: Sequence[tuple[Recipe, Any]], data: Interactions, metric: str, seed: int, progress: Progress
) -> tuple[Recipe, Any]:
    """Returns the recipe with the best metric, and its settings; `rivals` are recipes with their settings.

    Raises NotEnoughData where no recipe can be trained on the data.
    """
    found: list[tuple[float, tuple[Recipe, Any]]] = []
    reasons = []
    for number, (recipe, settings) in enumerate(rivals):
        watch = part(progress, number / len(rivals), (number + 1) / len(rivals), recipe.name)
        evaluation = _validation(recipe, settings, data, seed)
        try:
            model = recipe.candidate(evaluation.train, settings, watch, evaluation.queries)
            metrics = evaluation.measure(model)
        except NotEnoughData as error:
            reasons.append(f"{recipe.name}: {error}")
            watch(1.0, f"left out, {error}")
        else:
            found.append((metrics[metric], (recipe, settings)))
            watch(1.0, f"{metric} {metrics[metric]:.4f}")
    if not found:
        raise NotEnoughData(f"AutoML: no recipe can be trained on these data. {'; '.join(reasons)}")
    return max(found, key=lambda each: each[0])[1]


def _validation(recipe: Recipe, settings: Any, data: Interactions, seed: int) -> protocols.Evaluation:
    """An evaluation inside the training part of the recipe's own one."""
    return protocols.of(recipe, settings, protocols.of(recipe, settings, data, (), seed).train, (), seed + 1)


def _stages(data: Interactions, seed: int) -> tuple[Interactions, ...]:
    """What a trial is trained on, one after the other."""
    if len(data.users) < LEAST_USERS:
        return (data,)
    return keep_users(data, np.random.default_rng(seed).random(len(data.users)) < FIRST_SHARE), data


def _is_searched(search: Search, settings: Any, name: str) -> bool:
    """Whether the settings' own value is among those to search."""
    value, domain = getattr(settings, name), search.domains[name]
    return value in values(domain) if domain.type in (bool, str) else domain.low <= value <= domain.high


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna import distributions

    if domain.type is int:
        return distributions.IntDistribution(int(domain.low), int(domain.high))
    if domain.type is float:
        return distributions.FloatDistribution(domain.low, domain.high)
    return distributions.CategoricalDistribution(values(domain))


def _survivors(study: Study, batch: list[Trial], scores: list[float], stage: int, *, last: bool) -> list[Trial]:
    """Tells the study how the trials of a batch did, and returns those that go on to the next stage."""
    from optuna.trial import TrialState

    for trial, score in zip(batch, scores, strict=True):
        trial.report(score, stage)
        if last:
            study.tell(trial, score)
    given_up = [trial for trial in batch if not last and trial.should_prune()]
    for trial in given_up:
        study.tell(trial, state=TrialState.PRUNED)
    return [trial for trial in batch if trial not in given_up]


def _tell_outcome(study: Study, search: Search, progress: Progress) -> None:
    """Says what came out last: trial 3/20: ndcg 0.3112, best 0.3325."""
    newest, done = study.trials[-1], len(study.trials)
    outcome = f"ndcg {newest.value:.4f}" if newest.value is not None else "given up"
    progress(done / search.trials, f"trial {done}/{search.trials}: {outcome}, best {study.best_value:.4f}")

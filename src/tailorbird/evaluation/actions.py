"""Offline metrics of aws-next-best-action: which actions test users were offered, and which they took.

A random tenth of the users with responses is tested; nothing that they did is trained on (spec recipes-and-runtime
3.1 and 3.2). Each is recommended a list as of just before the last response, from which the rest is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy  # whose `stats` takes a second to load: only where it is used, not at each start
from numpy.typing import NDArray

from tailorbird.evaluation.ranking import DIGITS, LIST_LENGTH, TEST_SHARE, ranking_metrics
from tailorbird.recipes.next_best_action import chosen, histories
from tailorbird.recipes.recipe import ActionResponses, Interactions, Model, Query

RECOMMENDED = 5
"""Actions that count as recommended: the default length of an answer (spec recipes-and-runtime 4)."""
AUC = "auc"
"""AWS does not publish the key (spec recipes-and-runtime 3.2)."""


@dataclass(frozen=True)
class ActionSplit:
    """What to train on, the test users' responses, and what they had done before each."""

    train: Interactions
    responses: ActionResponses
    queries: tuple[Query, ...]
    """Parallel to the responses."""


def split(data: Interactions, seed: int) -> ActionSplit:
    """Draws the test users from `seed`; at least one where any user has responses."""
    assert data.responses is not None, "the snapshot for this recipe has responses"
    responses = data.responses
    users = np.unique(responses.user[responses.user >= 0])
    drawn = np.random.default_rng(seed).permutation(users)[: max(1, int(len(users) * TEST_SHARE))]
    tested = np.isin(responses.user, drawn)
    test = chosen(responses, np.flatnonzero(tested))
    kept = ~np.isin(data.user, drawn)
    train = replace(data.rows(kept), responses=chosen(responses, np.flatnonzero(~tested)))
    queries = (Query(items, np.zeros(len(items), np.int64)) for items in histories(data, test))
    return ActionSplit(train, test, tuple(queries))


def measure(model: Model, held_out: ActionSplit) -> dict[str, float]:
    """Returns coverage, NDCG, precision, recall and AUC, rounded to 4 digits, in string order."""
    return _metrics(model.score, held_out)


def baseline(held_out: ActionSplit) -> dict[str, float]:
    """Returns the metrics of each action's share of taken responses, the same for everyone."""
    trained = held_out.train.responses
    assert trained is not None, "split() makes them"
    count = len(trained.actions)
    taken, all_ = (np.bincount(trained.action[rows], minlength=count) for rows in (trained.taken, slice(None)))
    rates = (taken / np.maximum(all_, 1)).astype(np.float32)
    return _metrics(lambda queries: np.tile(rates, (len(queries), 1)), held_out)


def _metrics(score: Callable[[tuple[Query, ...]], NDArray[np.float32]], held_out: ActionSplit) -> dict[str, float]:
    responses, count = held_out.responses, len(held_out.responses.actions)
    scores = score(held_out.queries)
    users, last = np.unique(responses.user[::-1], return_index=True)
    lists = np.argsort(-scores[len(responses.user) - 1 - last], axis=1, kind="stable")[:, :LIST_LENGTH]
    took = np.zeros((len(users), count), bool)
    took[np.searchsorted(users, responses.user[responses.taken]), responses.action[responses.taken]] = True
    hits = np.zeros((max(1, len(users)), LIST_LENGTH), bool)
    hits[: len(users), : lists.shape[1]] = np.take_along_axis(took, lists, axis=1)
    shown = np.zeros_like(took)
    np.put_along_axis(shown, lists[:, :RECOMMENDED], True, axis=1)
    metrics = {name: value for name, value in ranking_metrics(hits).items() if name.startswith("normalized")}
    metrics |= {
        AUC: area(scores[np.arange(len(responses.user)), responses.action], responses.taken),
        "coverage": float(shown.any(axis=0).mean()),
        "precision": _share(shown & took, shown),
        "recall": _share(shown & took, took),
    }
    return {name: round(value, DIGITS) for name, value in sorted(metrics.items())}


def area(scores: NDArray[np.float32], taken: NDArray[np.bool_]) -> float:
    """Returns the area under the ROC curve: how often a taken response scores above another; 0.5 with one kind only."""
    positive, negative = int(taken.sum()), int((~taken).sum())
    if not positive or not negative:
        return 0.5
    above = scipy.stats.rankdata(scores)[taken].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """The users in `part` over those in `whole`, (user, action), averaged over the actions that have any."""
    counts = whole.sum(axis=0)
    found = counts > 0
    return float((part.sum(axis=0)[found] / counts[found]).mean()) if found.any() else 0.0

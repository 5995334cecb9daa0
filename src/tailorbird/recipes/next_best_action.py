"""aws-next-best-action: how likely a user is to take each action within the coming days.

What a user did lately with items is summed up by a truncated singular value decomposition of the (user, item)
matrix; a logistic regression for each action says from that how likely it is taken. Actions with too few responses
have no propensity and get 0.

A response counts as taken, or as not taken, which viewing is too unless the same user took the action within
action_optimization_period afterwards: then the view was part of taking it, and does not count.

Source: spec recipes-and-runtime 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy  # whose `optimize` takes half a second to load: only where it is used, not at each start
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.data.clocks import DAY
from tailorbird.data.interactions import LEAST_NOT_TAKEN as LEAST_NOT_TAKEN
from tailorbird.data.interactions import LEAST_TAKEN as LEAST_TAKEN
from tailorbird.recipes.matrices import user_bounds, user_item
from tailorbird.recipes.recipe import ActionResponses, Interactions, Progress, Query, Recipe
from tailorbird.recipes.recipe_types import PERSONALIZED_ACTIONS
from tailorbird.recipes.scorers.sums import WeightedItems, add_rows, bounds_of, zeros
from tailorbird.recipes.settings import hyperparameter
from tailorbird.storage.arrays import load_arrays, save_arrays

WINDOW = 6 * 7 * DAY
"""The responses of these seconds before the newest must be as many, for an action to have a propensity (spec
recipes-and-runtime 1.4)."""
DIMENSIONS = 32
"""Factors that sum up a user: some 50 responses of an action, the fewest that there may be, cannot teach more
weights."""
LAST = 50
"""Newest interactions of a user that count: what was done lately, within a vector that takes microseconds to sum up."""
MOST_SAMPLES = 200_000
"""Newest responses learned from: 25 MB of factors."""
RIDGE = 1.0
"""On weights of standardised size: the usual 1 (C = 1 of logistic regressions elsewhere); not tuned, there is no public
data set of actions."""


@dataclass(frozen=True)
class Settings:
    """Parameters of spec recipes-and-runtime 1.3."""

    action_optimization_period: int = hyperparameter(14, kind="F", low=7, high=28)
    """Days."""


@dataclass(frozen=True)
class Propensities:
    """Item factors and the weights of the regressions."""

    items: NDArray[np.str_]
    """Items of the histories that are asked about."""
    actions: NDArray[np.str_]
    """In the order of the columns of `score`."""
    factors: NDArray[np.float32]
    """(item, dimension)"""
    weights: NDArray[np.float32]
    """(action, dimension + 1): the last one is the intercept; NaN for an action without a propensity."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, action) probabilities, 0 where an action has no propensity."""
        features = summed_up([query.items[-LAST:] for query in queries], self.factors)
        return np.asarray(np.nan_to_num(_logistic(features @ self.weights.T)), np.float32)

    def save(self, folder: Path) -> None:
        """Writes an .npy file for each array."""
        save_arrays(folder, items=self.items, actions=self.actions, factors=self.factors, weights=self.weights)

    @classmethod
    def load(cls, folder: Path) -> Propensities:
        """Reads what `save` wrote."""
        return cls(*map(np.asarray, load_arrays(folder, "items", "actions", "factors", "weights")))


def train(data: Interactions, settings: Settings, progress: Progress) -> Propensities:
    """Fits one regression an action; `data.responses` must be there."""
    assert data.responses is not None, "the snapshot for this recipe has responses"
    progress(0.0, "decomposing interactions")
    factors = item_factors(data)
    kept = samples(data.responses, settings.action_optimization_period * DAY)
    progress(0.3, f"learning from {len(kept.user)} responses")
    features = summed_up(histories(data, kept), factors)
    weights = np.full((len(kept.actions), features.shape[1]), np.nan, np.float32)
    for action in np.flatnonzero(eligible(data.responses)):
        rows = kept.action == action
        weights[action] = _fit(features[rows], kept.taken[rows])
        progress(0.3 + 0.7 * action / len(weights), f"learned action {action + 1} of {len(weights)}")
    progress(1.0, f"learned from {len(kept.user)} responses")
    return Propensities(data.items, kept.actions, factors, weights)


def item_factors(data: Interactions) -> NDArray[np.float32]:
    """Returns (item, dimension): right singular vectors, each as long as its value's share of the greatest one."""
    matrix = user_item(data)
    rank = min(DIMENSIONS, min(matrix.shape) - 1)
    if rank < 1:
        return np.zeros((len(data.items), 0), np.float32)
    start = np.ones(min(matrix.shape))
    _, values, vectors = sparse.linalg.svds(matrix.astype(np.float64), rank, v0=start)
    return np.asarray(vectors.T * (values / values.max()), np.float32)


def summed_up(histories: Sequence[NDArray[np.int32]], factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns (history, dimension + 1): the histories' direction among the factors, and 1; 0 for an empty one."""
    items = np.concatenate([*histories, np.empty(0, np.int32)])
    given = WeightedItems(bounds_of([len(history) for history in histories]), items, np.ones(len(items), np.float32))
    sums = add_rows(given, np.ascontiguousarray(factors), zeros(len(histories), factors.shape[1]))
    norms = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)  # of nothing: 0, not 0 / 0
    directions = sums / norms * np.sqrt(np.float32(max(1, factors.shape[1])))
    return np.hstack([directions, np.ones((len(histories), 1), np.float32)]).astype(np.float32)


def samples(responses: ActionResponses, period: int) -> ActionResponses:
    """Returns the newest responses, without those that the user followed by taking the action.

    period: the seconds within which that counts.
    """
    key = responses.user.astype(np.int64) * max(1, len(responses.actions)) + responses.action
    keep = np.ones(len(key), bool)
    taken_at: dict[int, int] = {}
    for row in range(len(key) - 1, -1, -1):
        if responses.taken[row]:
            taken_at[int(key[row])] = int(responses.timestamp[row])
        elif responses.user[row] >= 0 and taken_at.get(int(key[row]), np.inf) <= responses.timestamp[row] + period:
            keep[row] = False
    rows = np.flatnonzero(keep)[-MOST_SAMPLES:]
    return chosen(responses, rows)


def chosen(responses: ActionResponses, rows: NDArray[np.int64]) -> ActionResponses:
    """Returns some of the responses; actions keep their numbers."""
    return replace(
        responses,
        user=responses.user[rows],
        action=responses.action[rows],
        timestamp=responses.timestamp[rows],
        taken=responses.taken[rows],
    )


def histories(data: Interactions, responses: ActionResponses) -> list[NDArray[np.int32]]:
    """Returns for each response the newest items of its user before it."""
    bounds = user_bounds(data)
    found = []
    for user, moment in zip(responses.user.tolist(), responses.timestamp.tolist(), strict=True):
        start, end = (bounds[user], bounds[user + 1]) if user >= 0 else (0, 0)
        cut = start + int(np.searchsorted(data.timestamp[start:end], moment))
        found.append(data.item[max(start, cut - LAST) : cut])
    return found


def eligible(responses: ActionResponses) -> NDArray[np.bool_]:
    """Returns which actions have enough responses of both kinds."""
    newest = responses.timestamp.max() if len(responses.timestamp) else 0
    recent = responses.timestamp > newest - WINDOW
    count = len(responses.actions)
    taken = np.bincount(responses.action[recent & responses.taken], minlength=count)
    others = np.bincount(responses.action[recent & ~responses.taken], minlength=count)
    return np.asarray((taken >= LEAST_TAKEN) & (others >= LEAST_NOT_TAKEN))


def _fit(features: NDArray[np.float32], taken: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights with the highest penalised likelihood; the intercept, the last, is not penalised."""
    x, y = features.astype(np.float64), taken.astype(np.float64)
    penalty = np.append(np.full(x.shape[1] - 1, RIDGE), 0.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = x @ weights
        value = np.logaddexp(0, logits).sum() - y @ logits + (penalty * weights**2).sum() / 2
        return float(value), x.T @ (_logistic(logits) - y) + penalty * weights

    start = np.zeros(x.shape[1])
    return np.asarray(scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x)


def _logistic(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))  # beyond, a float64 is 0 or 1 and exp may overflow


RECIPES = (
    Recipe(
        "aws-next-best-action",
        PERSONALIZED_ACTIONS,
        "Actions by how likely the user takes them within the coming days.",
        Settings,
        train,
        Propensities,
        when="What to offer that is no item: a membership, an app, a newsletter.",
        learns_from="interactions, actions, and what users did with actions",
        paper="Our own: a logistic regression for each action over a truncated singular value decomposition of "
        "users' items.",
    ),
)

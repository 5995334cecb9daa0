"""The bandit: how items that are new and little known get their chance.

Each place of an answer goes, with a small probability, to an item drawn from those that are young enough, and else to
the model's best item that is not placed yet (epsilon-greedy for contextual bandits; Langford and Zhang 2007). Every
place is thus the model's own with a probability known beforehand, which bounds what exploration can cost, and how
likely each shown item was to get its place is known exactly, as off-policy evaluation needs it.

An item is drawn in proportion to three numbers:
- what is expected of it for this user: the model's probability, drawn towards the mean of items like it for as long as
  the item is little known (the posterior mean under a Beta prior worth `PRIOR` exposures);
- how its share of interactions among all exposures compares with that of the other young items, with the same prior:
  ignored impressions lower it;
- how little it is known: PRIOR / (PRIOR + interactions + impressions), the bonus of spec recipes-and-runtime 1.4.

The share of the places that is explored is weight squared times how little is known of the items that would be drawn.
Squared, so that AWS's default of 0.3 explores at most a place in eleven, and 1 explores all; nothing is explored once
all young items are well known, and with a weight of 0.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.new_items import Expectation
from tailorbird.serving.exploration_pools import Pool

DAY = 86400.0
PRIOR = 50.0
"""Exposures after which half of what is believed of an item is its own: to know a rate of 2 % takes about as many."""
TINY = 1e-30


@dataclass(frozen=True)
class Exploration:
    """What itemExplorationConfig says; the defaults are AWS's (spec recipes-and-runtime 1.3)."""

    weight: float = 0.3
    """From 0, none at all, to 1."""
    age: float = 30.0
    """Days: items that are older are not explored."""


MANAGED = Exploration(weight=0.03)
"""Of recipes that explore but cannot be told how: at most a place in a thousand (spec 1.4, UP v2)."""


@dataclass(frozen=True)
class Draw:
    """Items for the places of an answer, first place first; the arrays are parallel."""

    items: NDArray[np.int64]
    propensities: NDArray[np.float64]
    """How likely each was to get its place, given those in the places before."""


def certain(items: NDArray[np.int64]) -> Draw:
    """The items in this order, without exploration."""
    return Draw(items, np.ones(len(items)))


def explore(
    scores: NDArray[np.float32],
    best: NDArray[np.int64],
    allowed: NDArray[np.bool_] | None,
    pool: Pool,
    settings: Exploration,
    rng: np.random.Generator,
) -> Draw:
    """Returns as many items as `best`, some of whose places went to allowed young items instead.

    scores: the model's, one for each item of the pool. best: its best allowed items in order.
    """
    arms = _arms(pool, settings.age)
    if not len(arms.items) or not settings.weight:
        return certain(best)
    chances = _expected(scores, arms, pool.likeness.known) * arms.bonus
    may = np.isfinite(scores[arms.items]) if allowed is None else allowed[arms.items] & np.isfinite(scores[arms.items])
    items, chances, unknown = arms.items[may], chances[may], arms.unknown[may]
    if not len(items):
        return certain(best)
    chances = np.maximum(chances / chances.sum(), TINY)
    share = settings.weight**2 * float(chances @ unknown)
    # The first of exponential waiting times is item i with a probability in proportion to its rate, and so on.
    order = items[np.argsort(rng.exponential(size=len(items)) / chances)[: len(best)]]
    turns = (rng.random(len(best)) < share).tolist()
    every = np.zeros(len(scores))
    every[items] = chances
    return _placed(deque(best.tolist()), deque(order.tolist()), turns, every, share)


@dataclass(frozen=True)
class _Arms:
    """The young items, and what does not depend on the user; the arrays are parallel."""

    items: NDArray[np.int64]
    unknown: NDArray[np.float64]
    """How little each is known, from 1 for not at all."""
    bonus: NDArray[np.float64]
    """By which what is expected of each is multiplied."""
    alike: Expectation
    """What is expected by what the items are."""


@lru_cache(maxsize=32)
def _arms(pool: Pool, age: float) -> _Arms:
    items = np.flatnonzero(pool.created >= pool.newest - age * DAY)
    interactions, exposures = pool.interactions[items], pool.exposures[items]
    unknown = PRIOR / (PRIOR + exposures)
    rate = (interactions.sum() + 1) / (exposures.sum() + 1)
    success = (PRIOR * rate + interactions) / (PRIOR + exposures) / rate
    return _Arms(items, np.asarray(unknown, np.float64), unknown * success, pool.likeness.of(items))


def _expected(scores: NDArray[np.float32], arms: _Arms, known: int) -> NDArray[np.float64]:
    """What is expected of each arm: its own probability, and in the proportion `unknown` that of items like it."""
    powers = np.exp(scores - scores.max())
    return np.asarray((1 - arms.unknown) * powers[arms.items] + arms.unknown * arms.alike(powers[:known]), np.float64)


def _placed(best: deque[int], drawn: deque[int], turns: list[bool], chances: NDArray[np.float64], share: float) -> Draw:
    """Fills the places one after the other, from `drawn` where it is their turn, else from `best`.

    chances: of every item, to be drawn first. share: of the places that are explored.
    """
    placed: dict[int, float] = {}
    left = 1.0
    for turn in turns:
        for queue in (best, drawn):
            while queue and queue[0] in placed:
                queue.popleft()
        explored = share if drawn else 0.0
        item = drawn[0] if turn and drawn else best[0]
        chance = float(chances[item])
        placed[item] = (1 - explored) * (item == best[0]) + explored * chance / max(left, TINY)
        left -= chance
    return Draw(np.array(list(placed), np.int64), np.array(list(placed.values())))

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
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tailorbird.recipes.new_items import Expectation
from tailorbird.serving.exploration_pools import Pool
from tailorbird.serving.scores import Mask, Scores

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
    scores: Scores,
    best: NDArray[np.int64],
    allowed: Mask | None,
    pool: Pool,
    settings: Exploration,
    rng: np.random.Generator,
) -> Draw:
    """Returns as many items as `best`, some of whose places went to allowed young items instead.

    scores: the model's, one for each item of the pool. best: its best allowed items in order.
    """
    chances = _chances(scores, pool, settings)
    if allowed is not None and chances is not None:
        chances = _allowed(chances, allowed)
    if chances is None or not len(best):
        return certain(best)
    turns = rng.random(len(best)) < chances.share
    if not turns.any():
        return _unexplored(best, chances)
    # The first of exponential waiting times is item i with a probability in proportion to its rate, and so on.
    waits = rng.exponential(size=len(chances.items)) / chances.of
    order = chances.items[np.argsort(waits)[: len(best)]]
    return _placed(deque(best.tolist()), deque(order.tolist()), turns.tolist(), chances)


@dataclass(frozen=True)
class _Chances:
    """The young items that one user may be shown; the arrays are parallel."""

    items: NDArray[np.int64]
    of: NDArray[np.float64]
    """To be drawn first; their sum is 1."""
    unknown: NDArray[np.float64]
    share: float
    """Of the places that are explored."""
    weight: float

    @cached_property
    def by_item(self) -> dict[int, float]:
        """The chance of each."""
        return dict(zip(self.items.tolist(), self.of.tolist(), strict=True))


def _chances(scores: Scores, pool: Pool, settings: Exploration) -> _Chances | None:
    """Those of all young items, which stay the same as long as the scores do; None where none is explored."""
    key = pool.name, settings
    if key not in scores.derived:
        arms = _arms(pool, settings.age)
        of = _expected(scores.values, arms, pool.likeness.known) * arms.bonus
        may = np.isfinite(scores.values[arms.items])
        scores.derived[key] = _of(arms.items[may], of[may], arms.unknown[may], settings.weight)
    found: _Chances | None = scores.derived[key]
    return found


def _of(
    items: NDArray[np.int64], chances: NDArray[np.float64], unknown: NDArray[np.float64], weight: float
) -> _Chances | None:
    if not len(items) or not weight:
        return None
    chances = np.maximum(chances / chances.sum(), TINY)
    return _Chances(items, chances, unknown, weight**2 * float(chances @ unknown), weight)


def _allowed(chances: _Chances, allowed: Mask) -> _Chances | None:
    may = allowed[chances.items]
    if may.all():
        return chances
    return _of(chances.items[may], chances.of[may], chances.unknown[may], chances.weight)


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


def _unexplored(best: NDArray[np.int64], chances: _Chances) -> Draw:
    """The model's own items in all places, as they come where no place was explored."""
    own = np.array([chances.by_item.get(item, 0.0) for item in best.tolist()])
    taken = np.cumsum(own) - own  # before each place
    earlier: NDArray[np.int64] = np.cumsum(own > 0) - (own > 0)
    explored = np.where(earlier < len(chances.items), chances.share, 0.0)
    return Draw(best, (1 - explored) + explored * own / np.maximum(1 - taken, TINY))


def _placed(best: deque[int], drawn: deque[int], turns: list[bool], chances: _Chances) -> Draw:
    """Fills the places one after the other, from `drawn` where it is their turn, else from `best`."""
    placed: dict[int, float] = {}
    left = 1.0
    for turn in turns:
        for queue in (best, drawn):
            while queue and queue[0] in placed:
                queue.popleft()
        explored = chances.share if drawn else 0.0
        item = drawn[0] if turn and drawn else best[0]
        chance = chances.by_item.get(item, 0.0)
        placed[item] = (1 - explored) * (item == best[0]) + explored * chance / max(left, TINY)
        left -= chance
    return Draw(np.array(list(placed), np.int64), np.array(list(placed.values())))

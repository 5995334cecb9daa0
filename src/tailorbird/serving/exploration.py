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

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.data.clocks import DAY
from tailorbird.serving.exploration_pools import ExplorationPool
from tailorbird.serving.scores import Mask, Scores

PRIOR = 50.0
"""Exposures after which half of what is believed of an item is its own: to know a rate of 2 % takes about as many."""
REDRAWN = 0.2
"""While what is not placed has more of the chances than this, whoever is drawn again is put back and drawn anew."""
TINY = 1e-30
"""In place of a chance that rounding has made 0 or less, where a chance is divided by."""


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
    """Items for the places of an answer, first place first; the lists are parallel."""

    items: list[int]
    propensities: list[float]
    """How likely each was to get its place, given those in the places before."""
    turns: Sequence[int] | None = None
    """The explored places in order, where all others have the best items in order; None where that is not so."""


def draw(places: Places, rng: Random) -> Draw:
    """Returns as many items as there are places, some of which went to young items instead of the best; takes 4 µs."""
    chances = places.chances
    if chances is None:
        return places.unexplored
    turns = _turns(chances, len(places.best), rng)
    if not turns:
        return places.unexplored
    if places.young or len(turns) >= chances.many:
        return _placed(places, turns, chances, rng)
    return _inserted(places, turns, chances, rng)


def _turns(chances: _Chances, count: int, rng: Random) -> list[int]:
    """Which of the places are explored, each as likely as any other, whatever the others are.

    Drawn is how many come in between, of which there are few.
    """
    if chances.share >= 1:
        return list(range(count))
    turns: list[int] = []
    turn = math.log(1 - rng.random()) * chances.pause
    while turn < count:
        turns.append(int(turn))
        turn = int(turn) + 1 + math.log(1 - rng.random()) * chances.pause
    return turns


@dataclass(frozen=True)
class Places:
    """The places of an answer before it is drawn which of them are explored; the lists are parallel."""

    best: list[int]
    own: list[float]
    """The chance of each of `best`."""
    chances: _Chances | None
    """None where nothing is explored."""
    unexplored: Draw
    """The answer where no place is."""

    @cached_property
    def young(self) -> bool:
        """Whether one of `best` could come by a draw too."""
        return any(self.own)


def places_of(
    scores: Scores,
    best: NDArray[np.integer[Any]],
    allowed: Mask | None,
    pool: ExplorationPool,
    settings: Exploration,
) -> Places:
    """What an answer needs to be drawn, any number of times.

    scores: the model's, one for each item of the pool. best: its best allowed items in order.
    """
    chances = _chances(scores, pool, settings)
    if allowed is not None and chances is not None:
        chances = _allowed(chances, allowed)
    if chances is None or not len(best):
        certain = Draw(best.tolist(), [1.0] * len(best), ())
        return Places(certain.items, [0.0] * len(best), None, certain)
    arms = chances.arms.place[best]
    if (arms < 0).all():  # as it mostly is: 5 µs rather than 40
        ours = Draw(best.tolist(), [1 - chances.share] * len(best), ())
        return Places(ours.items, [0.0] * len(best), chances, ours)
    own = np.where(arms >= 0, chances.of[arms], 0.0)
    return Places(best.tolist(), own.tolist(), chances, _unexplored(best, own, chances))


@dataclass(frozen=True)
class _Chances:
    """How likely one user is to be shown each of the young items first, where a place is explored."""

    arms: _Arms
    of: NDArray[np.float64]
    """Parallel to the arms; their sum is 1, and 0 means never."""
    many: int
    """How many have a chance."""
    share: float
    """Of the places that are explored."""
    weight: float

    @cached_property
    def sums(self) -> Sequence[float]:
        """The chance of an item or one before it."""
        return _listed(np.cumsum(self.of))

    @cached_property
    def each(self) -> Sequence[float]:
        """As `of`."""
        return _listed(self.of)

    @cached_property
    def pause(self) -> float:
        """Places until the next explored one, for each unit of a number of the exponential distribution.

        (Devroye, Non-Uniform Random Variate Generation, 1986, X.2: what is geometrically distributed.)
        """
        return 1 / math.log1p(-max(self.share, TINY))


def _chances(scores: Scores, pool: ExplorationPool, settings: Exploration) -> _Chances | None:
    """Those of all young items, which stay the same as long as the scores do; None where none is explored."""

    def make() -> _Chances | None:
        from tailorbird.serving import exploration_kernels

        arms = _arms(pool, settings.age)
        of, (means, chosen, prior, known) = np.empty(len(arms.items)), arms.alike
        exploration_kernels.chances(
            scores.values, arms.items, arms.unknown, arms.bonus, means, chosen, prior, known, TINY, of
        )
        return _of(arms, of, settings.weight)

    return scores.derived(("chances", pool.name, settings), None, make)


def _of(arms: _Arms, chances: NDArray[np.float64], weight: float) -> _Chances | None:
    many = int(np.count_nonzero(chances))
    if not many or not weight:
        return None
    chances = chances / chances.sum()
    return _Chances(arms, chances, many, weight**2 * float(chances @ arms.unknown), weight)


def _allowed(chances: _Chances, allowed: Mask) -> _Chances | None:
    return _of(chances.arms, np.where(allowed[chances.arms.items], chances.of, 0.0), chances.weight)


@dataclass(frozen=True)
class _Arms:
    """The young items, and what does not depend on the user; the arrays are parallel."""

    items: NDArray[np.int64]
    place: NDArray[np.int32]
    """(item) Where it is among the arms; -1 for all others."""
    unknown: NDArray[np.float64]
    """How little each is known, from 1 for not at all."""
    bonus: NDArray[np.float64]
    """By which what is expected of each is multiplied."""
    alike: tuple[Any, ...]
    """What is expected by what the items are: the parts of an `Expectation`, and how many items the model knows."""

    @cached_property
    def numbers(self) -> Sequence[int]:
        """As `items`."""
        return _listed(self.items)


def _listed(array: NDArray[Any]) -> Sequence[Any]:
    """The same numbers in the same memory, each of which takes Python a third of the time."""
    return cast("Sequence[Any]", np.ascontiguousarray(array).data)


@lru_cache(maxsize=32)  # four for each of the models that are kept open by default
def _arms(pool: ExplorationPool, age: float) -> _Arms:
    items = np.flatnonzero(pool.created >= pool.newest - age * DAY)
    interactions, exposures = pool.interactions[items], pool.exposures[items]
    unknown = PRIOR / (PRIOR + exposures)
    rate = (interactions.sum() + 1) / (exposures.sum() + 1)
    success = (PRIOR * rate + interactions) / (PRIOR + exposures) / rate
    place = np.full(len(pool.items), -1, np.int32)
    place[items] = np.arange(len(items))
    alike = pool.likeness.of(items)
    parts = _parts(alike.means), _parts(alike.chosen), alike.prior, pool.likeness.known
    return _Arms(items, place, np.asarray(unknown, np.float64), unknown * success, parts)


def _parts(matrix: sparse.csr_matrix) -> tuple[NDArray[Any], ...]:
    """Those of a matrix, in the types of the compiled loop."""
    types = {"indptr": np.int64, "indices": np.int32, "data": np.float32}
    return tuple(np.asarray(getattr(matrix, name), kind) for name, kind in types.items())


def _unexplored(best: NDArray[np.integer[Any]], own: NDArray[np.float64], chances: _Chances) -> Draw:
    """The model's own items in all places, as they come where no place was explored. own: the chance of each."""
    taken = np.cumsum(own) - own  # before each place
    young = own > 0
    earlier: NDArray[np.int64] = np.cumsum(young) - young
    explored = np.where(earlier < chances.many, chances.share, 0.0)
    return Draw(best.tolist(), ((1 - explored) + explored * own / np.maximum(1 - taken, TINY)).tolist(), ())


def _inserted(places: Places, turns: list[int], chances: _Chances, rng: Random) -> Draw:
    """As `_placed`, where no item of the best can be drawn and enough others can: 10 µs rather than 16."""
    items, propensities = places.best.copy(), places.unexplored.propensities.copy()
    drawn: set[int] = set()
    left = 1.0
    for turn in turns:
        item, chance = _drawn(chances, drawn, left, rng)
        drawn.add(item)
        items.insert(turn, item)
        propensities[turn] = chances.share * chance / max(left, TINY)
        left -= chance
    return Draw(items[: len(places.best)], propensities, turns)


def _placed(places: Places, turns: list[int], chances: _Chances, rng: Random) -> Draw:
    """Fills the places one after the other, by a draw where it is their turn, else from the best.

    turns: the explored places, in order.
    """
    placed: dict[int, float] = {}
    left, waiting = 1.0, chances.many
    queue = zip(places.best, places.own, strict=True)
    head, own = next(queue)
    for place in range(len(places.best)):
        while head in placed:
            head, own = next(queue)
        explored = chances.share if waiting else 0.0
        item, chance = _drawn(chances, placed, left, rng) if place in turns and waiting else (head, own)
        placed[item] = 1 - explored if item == head else 0.0
        if chance:
            placed[item] += explored * chance / max(left, TINY)
            left -= chance
            waiting -= 1
    return Draw(list(placed), list(placed.values()))


def _drawn(chances: _Chances, placed: Collection[int], left: float, rng: Random) -> tuple[int, float]:
    """An item that is not placed yet, in proportion to its chance, and that chance. left: of all such items."""
    sums = chances.sums
    if left < REDRAWN:
        taken = chances.arms.place[list(placed)]
        rest = chances.of.copy()
        rest[taken[taken >= 0]] = 0.0
        sums = _listed(np.cumsum(rest))
    while True:
        arm = bisect_right(sums, rng.random() * sums[-1])
        item = chances.arms.numbers[arm]
        if item not in placed:
            return item, chances.each[arm]

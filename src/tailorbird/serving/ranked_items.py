"""The items of an answer: the best of a row of scores, explored and promoted ones among them, or a list reordered.

The runtime and the batch jobs both go through here, so that a live and a batch answer agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailorbird.serving import exploration
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.models import ServedModel
from tailorbird.serving.scores import Mask, Scale, Scores
from tailorbird.serving.scores import scale as scale_of

T = TypeVar("T")

PROMOTED, EXPLORATION, POPULAR = "Promoted item", "Exploration", "Popular item"
"""Reasons, in AWS's words (spec recipes-and-runtime 4.2)."""
EXPLORED = 0.5
"""An item less likely than this to get its place has it by exploration."""

RANDOM = Random()  # noqa: S311 - no secret
"""Of all answers of the process; threads may share it. Python's makes a number in a tenth of the time of numpy's."""


class RankedItem(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One item of an answer as clients get it, in the shape PredictedItem of the service's model."""

    item: str = msgspec.field(name="itemId")
    score: float | None = None
    """Share of the probability; None where the recipe answers no scores or does not know the item."""
    promotion: str | None = msgspec.field(name="promotionName", default=None)
    """Name of the promotion to which the item owes its place."""
    reason: list[str] | None = None
    """Why an item is there that the recipe would not have chosen from its candidates (spec 4.2)."""
    metadata: dict[str, str] | None = None


class Ranking(NamedTuple):
    """An answer's items, best first."""

    items: list[RankedItem]
    propensities: list[float] | None = None
    """How likely each was to get its place, given those before, where the answer may explore."""
    own: _Own | None = None
    """What the model itself would answer; None where too little of it is here."""
    turns: Sequence[int] = ()
    """Places of items that came between its own, which moved back; in order."""

    def ids(self) -> list[str]:
        """Those of the items."""
        if self.own is None:
            return [each.item for each in self.items]
        return self._between(self.own.ids, lambda item: item.item)

    def texts(self) -> Sequence[msgspec.Raw | RankedItem]:
        """The items as JSON, where most of them were written before: 1 µs rather than 8 for 25 of them."""
        if self.own is None:
            return self.items
        return self._between(self.own.texts, _text)

    def _between(self, own: list[T], made: Callable[[RankedItem], T]) -> list[T]:
        """What is made of the items, where it is made of the model's own already."""
        if not self.turns:
            return own
        found = own.copy()
        for turn in self.turns:
            found.insert(turn, made(self.items[turn]))
        return found[: len(self.items)]


def _text(item: RankedItem) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(item))


@dataclass(frozen=True)
class Promotion:
    """Places that are kept for certain items."""

    name: str
    places: int
    allowed: Mask
    """The items that may take them."""


def top(
    served: ServedModel,
    scores: Scores,
    allowed: Mask | None,
    count: int,
    explores: Exploration | None = None,
    *,
    scale: Scale | None = None,
    shows_scores: bool = True,
) -> Ranking:
    """The `count` best allowed items, best first; fewer where there are fewer.

    Where a recipe chooses from candidates, popular items without a score follow when those do not suffice.
    explores: gives places to little known items too, wherever in the list. scale: of the scores to show, where the
    list is part of a longer one. shows_scores: whether any are shown.
    """
    what = "best", count, shows_scores, scale
    # Made once for these scores and this mask, unless the mask may still change.
    own = scores.derived(what, allowed, lambda: _own(served, scores, allowed, count, scale, shows_scores), count)
    if explores is None:
        return Ranking(own.items, None, own)
    if served.pool is None:
        return Ranking(own.items, [1.0] * len(own.items), own)
    if own.places is None or own.explores is not explores:
        own.places = exploration.places_of(scores, own.numbers, allowed, served.pool, explores)
        own.explores = explores
    draw = exploration.draw(own.places, RANDOM)
    if draw.turns is not None and not own.popular and not served.recipe.candidates:
        items = own.items.copy() if draw.turns else own.items
        for turn in draw.turns:
            items.insert(turn, _item(served, scores, draw.items[turn], own.scale))
        return Ranking(items[: len(own.items)], draw.propensities, own, draw.turns)
    items = [own.by_number.get(number) or _item(served, scores, number, own.scale) for number in draw.items]
    if served.recipe.candidates:
        items = [_with_reason(*each) for each in zip(items, draw.propensities, strict=True)]
    return Ranking([*items, *own.popular], draw.propensities + [1.0] * len(own.popular))


@dataclass(eq=False)
class _Own:
    """What the model itself would answer."""

    numbers: NDArray[np.integer[Any]]
    by_number: Mapping[int, RankedItem]
    popular: list[RankedItem]
    """What follows where there are too few candidates."""
    items: list[RankedItem]
    """All of it, best first."""
    scale: Scale | None
    """Of the scores that are shown."""
    explores: Exploration | None = None
    """How the newest answer explored."""
    places: exploration.Places | None = None
    """For that."""

    @cached_property
    def ids(self) -> list[str]:
        """Those of all of it."""
        return [item.item for item in self.items]

    @cached_property
    def texts(self) -> list[msgspec.Raw]:
        """All of it as JSON."""
        return [_text(item) for item in self.items]


def _own(
    served: ServedModel, scores: Scores, allowed: Mask | None, count: int, scale: Scale | None, shows_scores: bool
) -> _Own:
    numbers = _candidates(served, scores, allowed)[:count] if served.recipe.candidates else scores.best(count, allowed)
    shown = (scale or _scale(served, scores, allowed)) if shows_scores else None
    items = dict(zip(numbers.tolist(), _items(served, scores, numbers, shown), strict=True))
    short = served.recipe.candidates and len(items) < count
    popular = _popular(served, scores, allowed, count - len(items)) if short else []
    return _Own(numbers, items, popular, [*items.values(), *popular], shown)


def _candidates(served: ServedModel, scores: Scores, allowed: Mask | None) -> NDArray[np.integer[Any]]:
    """The allowed items among the few that the recipe chooses from, best first."""
    chosen = scores.best(served.recipe.candidates)
    return chosen if allowed is None else chosen[allowed[chosen]]


def _items(
    served: ServedModel, scores: Scores, numbers: NDArray[np.integer[Any]], scale: Scale | None
) -> list[RankedItem]:
    ids, places = served.ids, numbers.tolist()
    if scale is None:
        return [RankedItem(ids[number]) for number in places]
    return [
        RankedItem(ids[each], share)
        for each, share in zip(places, scale.shown_all(scores.values[numbers]), strict=True)
    ]


def _item(served: ServedModel, scores: Scores, number: int, scale: Scale | None) -> RankedItem:
    return RankedItem(served.ids[number], None if scale is None else scale.shown(scores.values.item(number)))


def _with_reason(item: RankedItem, propensity: float) -> RankedItem:
    return msgspec.structs.replace(item, reason=[EXPLORATION]) if propensity < EXPLORED else item


def _popular(served: ServedModel, scores: Scores, allowed: Mask | None, count: int) -> list[RankedItem]:
    """The most popular of the allowed items that have a score, but are no candidates."""
    left = np.isfinite(scores.values) & (True if allowed is None else allowed)
    left[scores.best(served.recipe.candidates)] = False
    popular = Scores(np.where(left, served.popularity, -np.inf)).best(count)
    return [RankedItem(served.ids[item], reason=[POPULAR]) for item in popular.tolist()]


def _scale(served: ServedModel, scores: Scores, allowed: Mask | None) -> Scale | None:
    """Of the scores that a list shows: shares among the candidates where the recipe has such, else in the catalogue."""
    if not served.recipe.recipe_type.scores:
        return None
    if served.recipe.candidates:
        return scale_of(scores.values[_candidates(served, scores, allowed)])
    return scores.scale


def with_promotions(
    served: ServedModel,
    scores: Scores,
    allowed: Mask | None,
    count: int,
    promotion: Promotion,
    explores: Exploration | None = None,
    *,
    shows_scores: bool = True,
) -> Ranking:
    """As `top`, but the best promoted items take places of their own, at random ones and in their own order.

    Where too few match, the rest of the places are filled as usual (spec recipes-and-runtime 4.3). Scores are shares
    among what the filter allows and the promoted items.
    """
    best = top(served, scores, promotion.allowed, promotion.places).items
    numbers = [served.numbers[each.item] for each in best]
    free = np.ones(len(scores.values), bool) if allowed is None else allowed.copy()
    free[numbers] = True
    scale = _scale(served, scores, free) if shows_scores else None
    free[numbers] = False

    def score(number: int) -> float | None:
        return _item(served, scores, number, scale).score

    reason = [PROMOTED] if served.recipe.candidates else None
    promoted = [
        RankedItem(each.item, score(number) if each.score is not None else None, promotion.name, reason)
        for each, number in zip(best, numbers, strict=True)
    ]
    others = top(served, scores, free, count - len(promoted), explores, scale=scale, shows_scores=shows_scores)
    known = others.propensities or [1.0] * len(others.items)
    count = len(promoted) + len(others.items)
    chosen = set(RANDOM.sample(range(count), len(promoted)))
    takers = {True: iter([(each, 1.0) for each in promoted]), False: iter(zip(others.items, known, strict=True))}
    placed = [next(takers[place in chosen]) for place in range(count)]
    propensities = None if others.propensities is None else [propensity for _, propensity in placed]
    return Ranking([item for item, _ in placed], propensities)


def reorder(
    served: ServedModel,
    scores: Scores,
    items: Sequence[str],
    allowed: Mask | None = None,
    others_allowed: Mask | None = None,
) -> Ranking:
    """The given items, best first, those that the model does not know last, without a score or with 0.

    Repeated ids count once; what the filter forbids vanishes (spec recipes-and-runtime 4.2). others_allowed: what it
    allows of the items that the model does not know.
    """
    numbers = [served.numbers.get(item, -1) for item in dict.fromkeys(items)]
    known = np.array(numbers, np.int64)
    others: list[str] = []
    if -1 in numbers:
        known, others = known[known >= 0], served.unknown(items)
    if allowed is not None:
        known = known[allowed[known]]
    if others_allowed is not None:
        others = list(compress(others, others_allowed))
    values = scores.values[known]
    best = known[np.argsort(-values, kind="stable")]
    nothing = 0.0 if served.recipe.scores_unknown else None
    return Ranking(_items(served, scores, best, scale_of(values)) + [RankedItem(item, nothing) for item in others])

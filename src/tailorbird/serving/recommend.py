"""The way from a question to ranked items: the user's state, scores, the filter's mask, the top n.

The runtime and the batch jobs both go through here, so that a live and a batch answer agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from tailorbird.data import history
from tailorbird.data.datasets import Dataset
from tailorbird.errors import InvalidInputException
from tailorbird.filters import evaluate, syntax
from tailorbird.filters import values as filter_values
from tailorbird.filters.evaluate import Table
from tailorbird.numbers import to_number
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.top_k import best_items
from tailorbird.serving import exploration
from tailorbird.serving.exploration import Exploration
from tailorbird.serving.models import Served
from tailorbird.workspace import Workspace

OLD_DATA = 30 * 86400.0
"""Seconds after its newest interaction from which on a log counts as one of the past."""
SCORE_DIGITS = 7
"""Spec recipes-and-runtime 4.2."""

PROMOTED, EXPLORATION, POPULAR = "Promoted item", "Exploration", "Popular item"
"""Reasons, in AWS's words (spec recipes-and-runtime 4.2)."""
EXPLORED = 0.5
"""An item less likely than this to get its place has it by exploration."""

Mask = NDArray[np.bool_]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Deployment:
    """A model in use, with the datasets of its group."""

    served: Served
    interactions: Dataset
    items: Dataset | None
    users: Dataset | None
    table: Callable[[], Table]
    """The newest metadata of the model's items; made when a filter first needs it."""
    others: Callable[[Sequence[str]], Table]
    """The newest metadata of items that the model does not know; all is missing of one without a record."""


@dataclass(frozen=True)
class Ranked:
    """One item of an answer."""

    item: str
    score: float | None
    """Share of the probability; None where the recipe answers no scores or does not know the item."""
    promotion: str | None = None
    """Name of the promotion to which the item owes its place."""
    propensity: float = 1.0
    """How likely the item was to get this place, given those before; below 1 only where the answer explores."""

    def reason(self) -> list[str]:
        """Why an item is there that the model would not have chosen (spec 4.2, "reason"); empty if it would have."""
        if self.promotion is not None:
            return [PROMOTED]
        if self.propensity < EXPLORED:
            return [EXPLORATION]
        return [POPULAR] if self.score is None else []


@dataclass(frozen=True)
class Promotion:
    """Places that are kept for certain items."""

    name: str
    places: int
    allowed: Mask
    """The items that may take them."""


def query(
    workspace: Workspace,
    deployment: Deployment,
    user: str | None,
    item: str | None,
    context: Mapping[str, str] | None = None,
) -> Query:
    """The question to the model: what this user did up to now, and which item related ones are asked for."""
    served = deployment.served
    items, times = history.with_events(
        workspace,
        served.history,
        deployment.interactions,
        user or "",
        served.numbers,
        served.manifest.newest_event,
        served.manifest.events,
    )
    number = served.numbers.get(item) if item is not None else None
    question = Query(items, times, number, now=_moment(served, times, workspace.clock()))
    if not served.recipe.features:
        return question
    attributes = history.attributes(workspace, deployment.users, user) if user else {}
    return replace(question, user=attributes, context=_context(deployment.interactions, context or {}))


def _moment(served: Served, times: NDArray[np.int64], clock: float) -> int:
    """The time of the request in the time of the data: of a log that ended long ago, its end.

    Otherwise a model would be asked about years of silence, of which it learned nothing.
    """
    newest = max(served.until, int(times[-1]) if len(times) else 0)
    return int(clock) if clock - newest < OLD_DATA else newest


def _context(interactions: Dataset, given: Mapping[str, str]) -> dict[str, object]:
    """The request's context, typed as the columns are; what is no column, or no number where one is due, is left out.

    Clients send values that were never seen, and they must be accepted (spec clients, Runtime).
    """
    found: dict[str, object] = {}
    for name, text in given.items():
        field = interactions.schema.field(name)
        if field is not None and field.kind is not None:
            value = to_number(text) if field.kind == "numeric" else text
            if value is not None:
                found[field.name.upper()] = value
    return found


def unknown(served: Served, items: Sequence[str]) -> list[str]:
    """The distinct items that the model does not know, in their order."""
    return [item for item in dict.fromkeys(items) if item not in served.numbers]


def rows(deployment: Deployment, others: Sequence[str] | None = None) -> tuple[Table, Mapping[str, int]]:
    """The metadata of the model's items, or of others that it does not know, and the row of each."""
    if others is None:
        return deployment.table(), deployment.served.numbers
    return deployment.others(others), {item: row for row, item in enumerate(others)}


def check_target(filter_: syntax.Filter) -> None:
    """Raises InvalidInput for a filter that selects no items."""
    if filter_.target.upper() != "ITEMID":
        raise InvalidInputException(f"The filter selects {filter_.target}; recommendations need one of ItemID.")


def mask(
    workspace: Workspace,
    deployment: Deployment,
    filter_: syntax.Filter,
    values: dict[str, str],
    user: str | None,
    item: str | None,
    others: Sequence[str] | None = None,
) -> Mask:
    """Which of the model's items, or of others, the filter allows for this request; raises InvalidInput."""
    check_target(filter_)
    table, numbers = rows(deployment, others)

    def touched(types: frozenset[str] | None) -> NDArray[np.int32]:
        found = history.touched(workspace, deployment.interactions, user or "", types)
        return np.array([numbers[each] for each in found if each in numbers], np.int32)

    asking = None
    if user is not None and filter_.needs_user:
        asking = asking_user(workspace, deployment, user, touched)
    current = numbers.get(item, evaluate.UNKNOWN_ITEM) if item is not None else None
    # Whether a text is one value or a list is asked of the model's items, for other items too.
    given = filter_values.read(filter_, values, deployment.table(), asking)
    return evaluate.evaluate(filter_, table, given, asking, current)


def asking_user(
    workspace: Workspace,
    deployment: Deployment,
    user: str,
    touched: Callable[[frozenset[str] | None], NDArray[np.int32]],
) -> evaluate.User:
    """Who asks, for a filter, with the newest attributes."""
    attributes = history.attributes(workspace, deployment.users, user)
    return evaluate.User(attributes, touched, deployment.users.schema.categories if deployment.users else ())


def top(
    served: Served,
    scores: NDArray[np.float32],
    allowed: Mask | None,
    count: int,
    explores: Exploration | None = None,
    shares: Shares | None = None,
) -> list[Ranked]:
    """The `count` best allowed items of one row of the model's scores, best first; fewer where there are fewer.

    Where a recipe chooses from candidates, popular items without a score follow when those do not suffice.
    explores: gives places to little known items too, wherever in the list. shares: what to show as scores, where the
    list is part of a longer one.
    """
    ordered = _candidates(served, scores, allowed)
    if shares is None:
        shares = _shown(served, scores, ordered)
    draw = exploration.certain(_best(ordered, count))
    if explores is not None and served.pool is not None:
        draw = exploration.explore(scores, draw.items, allowed, served.pool, explores, np.random.default_rng())
    ranked = [
        Ranked(str(served.model.items[i]), _rounded(shares, i), propensity=propensity)
        for i, propensity in zip(draw.items.tolist(), draw.propensities.tolist(), strict=True)
    ]
    if served.recipe.candidates and len(ranked) < count:
        left = np.isfinite(scores) & ~np.isfinite(ordered)
        left &= True if allowed is None else allowed
        left[draw.items] = False
        popular = _best(np.where(left, served.popularity, -np.inf), count - len(ranked))
        ranked += [Ranked(str(served.model.items[i]), None) for i in popular.tolist()]
    return ranked


def _candidates(served: Served, scores: NDArray[np.float32], allowed: Mask | None) -> NDArray[np.float32]:
    """The scores of the allowed items among those that the recipe chooses from, -inf for the others."""
    ordered = scores if allowed is None else np.where(allowed, scores, -np.inf)
    if not served.recipe.candidates:
        return ordered
    chosen = best_items(scores[None, :], served.recipe.candidates)[0]
    kept = np.full(len(scores), -np.inf, np.float32)
    kept[chosen] = ordered[chosen]
    return kept


def _shown(served: Served, scores: NDArray[np.float32], ordered: NDArray[np.float32]) -> Shares | None:
    """What a list shows as scores: shares among the candidates where the recipe has such, else in the catalogue."""
    if not served.recipe.recipe_type.scores:
        return None
    return _shares(ordered if served.recipe.candidates else scores)


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The places of the highest finite scores, best first."""
    best = best_items(scores[None, :], count)[0]
    return np.asarray(best[np.isfinite(scores[best])])


def with_promotions(
    served: Served,
    scores: NDArray[np.float32],
    allowed: Mask | None,
    count: int,
    promotion: Promotion,
    explores: Exploration | None = None,
) -> list[Ranked]:
    """As `top`, but the best promoted items take places of their own, at random ones and in their own order.

    Where too few match, the rest of the places are filled as usual (spec recipes-and-runtime 4.3). Scores are shares
    among what the filter allows and the promoted items.
    """
    best = top(served, scores, promotion.allowed, promotion.places)
    numbers = [served.numbers[each.item] for each in best]
    free = np.ones(len(scores), bool) if allowed is None else allowed.copy()
    free[numbers] = True
    shares = _shown(served, scores, _candidates(served, scores, free))
    free[numbers] = False
    promoted = [
        replace(each, promotion=promotion.name, score=None if each.score is None else _rounded(shares, number))
        for each, number in zip(best, numbers, strict=True)
    ]
    others = top(served, scores, free, count - len(promoted), explores, shares)
    places = np.random.default_rng().permutation(len(promoted) + len(others)) < len(promoted)
    takers = {True: iter(promoted), False: iter(others)}
    return [next(takers[bool(place)]) for place in places]


def reorder(
    served: Served,
    scores: NDArray[np.float32],
    items: Sequence[str],
    allowed: Mask | None = None,
    others_allowed: Mask | None = None,
) -> list[Ranked]:
    """The given items, best first, those that the model does not know last, without a score or with 0.

    Repeated ids count once; what the filter forbids vanishes (spec recipes-and-runtime 4.2). others_allowed: what it
    allows of the items that are `unknown`.
    """
    distinct = dict.fromkeys(items)
    known = np.array([served.numbers[item] for item in distinct if item in served.numbers], np.int64)
    others = unknown(served, items)
    if allowed is not None:
        known = known[allowed[known]]
    if others_allowed is not None:
        others = list(compress(others, others_allowed))
    shares = _shares(scores[known])
    order = np.argsort(-shares, kind="stable")
    best = zip(served.model.items[known[order]].tolist(), order.tolist(), strict=True)
    nothing = 0.0 if served.recipe.scores_unknown else None
    return [Ranked(item, _rounded(shares, i)) for item, i in best] + [Ranked(item, nothing) for item in others]


def _shares(scores: NDArray[np.float32]) -> Shares:
    """Softmax: shares of the probability over the items that were scored (spec recipes-and-runtime 4.2)."""
    if not np.isfinite(scores).any():
        return np.zeros(len(scores))
    powers = np.exp(scores.astype(np.float64) - scores.max())
    return np.asarray(powers / powers.sum())


def _rounded(shares: Shares | None, index: int) -> float | None:
    return None if shares is None else round(float(shares[index]), SCORE_DIGITS)

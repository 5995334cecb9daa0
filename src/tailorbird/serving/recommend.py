"""The way from a question to ranked items: the user's state, scores, the filter's mask, the top n.

The runtime and the batch jobs both go through here, so that a live and a batch answer agree.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailorbird.data import history
from tailorbird.data.datasets import Dataset
from tailorbird.errors import InvalidInputException
from tailorbird.filters import evaluate, syntax
from tailorbird.filters import values as filter_values
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.numbers import to_number
from tailorbird.recipes.recipe import Query
from tailorbird.serving import exploration
from tailorbird.serving.exploration import Draw, Exploration
from tailorbird.serving.models import ServedModel
from tailorbird.serving.scores import Mask, Scale, Scores
from tailorbird.serving.scores import scale as scale_of
from tailorbird.workspace import Workspace

OLD_DATA = 30 * 86400.0
"""Seconds after its newest interaction from which on a log counts as one of the past: a live one hardly pauses for a
month. Not tuned."""
MOMENT = 60
"""Seconds for which a request's time stays the same, so that a user who does nothing gets the same scores. The
shortest half-life that a recipe knows is of days."""
SCORE_DIGITS = 7
"""Spec recipes-and-runtime 4.2."""

PROMOTED, EXPLORATION, POPULAR = "Promoted item", "Exploration", "Popular item"
"""Reasons, in AWS's words (spec recipes-and-runtime 4.2)."""
EXPLORED = 0.5
"""An item less likely than this to get its place has it by exploration."""

RANDOM = np.random.default_rng()
"""Of all answers of the process; a generator of numpy's takes a lock, so that threads may share it."""


@dataclass(frozen=True)
class Deployment:
    """A model in use, with the datasets of its group."""

    served: ServedModel
    interactions: Dataset
    items: Dataset | None
    users: Dataset | None
    table: Callable[[], MetadataTable]
    """The newest metadata of the model's items; made when a filter first needs it."""
    has_table: Callable[[], bool]
    """Whether `table` is made already."""
    others: Callable[[Sequence[str]], MetadataTable]
    """The newest metadata of items that the model does not know; all is missing of one without a record."""


@dataclass(frozen=True)
class Question:
    """What is asked of a model, as the request has it."""

    user: str | None
    item: str | None = None
    """Which item related ones are asked for."""
    context: Mapping[str, str] = field(default_factory=dict)
    influence: Mapping[str, float] = field(default_factory=dict)


class RankedItem(NamedTuple):
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
    items, times = served.history.of("")  # of nobody
    if user:
        items, times = history.with_events(
            workspace,
            served.history,
            deployment.interactions,
            user,
            served.numbers,
            served.manifest.newest_event,
            served.events,
        )
    number = served.numbers.get(item) if item is not None else None
    question = Query(items, times, number, now=_moment(served, times, workspace.clock()))
    if not served.recipe.features:
        return question
    attributes = history.attributes(workspace, deployment.users, user) if user else {}
    return replace(question, user=attributes, context=_context(deployment.interactions, context or {}))


def scores(workspace: Workspace, deployment: Deployment, question: Question) -> Scores:
    """What the model says to the question; as it said before, unless the user acted or another minute began."""
    served = deployment.served

    def ask() -> Scores:
        asked = query(workspace, deployment, question.user, question.item, question.context)
        return Scores(served.model.score([replace(asked, influence=question.influence)])[0])

    # What is not known yet must not be kept under a mark of what is, so the mark is taken before.
    asker, mark = _kept_under(workspace, deployment, question)
    return served.recent.of(asker, mark, ask, workspace.config.scores_kept)


def has_scores(workspace: Workspace, deployment: Deployment, question: Question) -> bool:
    """Whether `scores` has them already; costs a look at an index or two."""
    return deployment.served.recent.has(*_kept_under(workspace, deployment, question))


def _kept_under(workspace: Workspace, deployment: Deployment, question: Question) -> tuple[Hashable, Hashable]:
    """Who asks what, and a mark that changes with what is known of them."""
    users = deployment.users if deployment.served.recipe.features else None
    context, influence = (tuple(sorted(each.items())) for each in (question.context, question.influence))
    mark = history.mark(workspace, deployment.interactions, users, question.user or "")
    return (question.user, question.item, context, influence), (mark, int(workspace.clock() // MOMENT))


def _moment(served: ServedModel, times: NDArray[np.int64], clock: float) -> int:
    """The time of the request in the time of the data: of a log that ended long ago, its end.

    Otherwise a model would be asked about years of silence, of which it learned nothing.
    """
    newest = max(served.until, int(times[-1]) if len(times) else 0)
    if clock - newest >= OLD_DATA:
        return newest
    return max(int(clock // MOMENT) * MOMENT, int(times[-1]) if len(times) else 0)


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


def unknown(served: ServedModel, items: Sequence[str]) -> list[str]:
    """The distinct items that the model does not know, in their order."""
    return [item for item in dict.fromkeys(items) if item not in served.numbers]


def rows(deployment: Deployment, others: Sequence[str] | None = None) -> tuple[MetadataTable, Mapping[str, int]]:
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
    own = table if others is None else deployment.table()
    given = filter_values.read(filter_, values, own, asking)
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
    served: ServedModel,
    scores: Scores,
    allowed: Mask | None,
    count: int,
    explores: Exploration | None = None,
    scale: Scale | None = None,
) -> list[RankedItem]:
    """The `count` best allowed items, best first; fewer where there are fewer.

    Where a recipe chooses from candidates, popular items without a score follow when those do not suffice.
    explores: gives places to little known items too, wherever in the list. scale: of the scores to show, where the
    list is part of a longer one.
    """
    best = _best(served, scores, allowed, count)
    if explores is None or served.pool is None:
        draw = exploration.certain(best)
    else:
        draw = exploration.explore(scores, best, allowed, served.pool, explores, RANDOM)
    ranked = _ranked_items(served, scores, draw, scale or _scale(served, scores, allowed))
    if served.recipe.candidates and len(ranked) < count:
        ranked += _popular(served, scores, allowed, count - len(ranked))
    return ranked


def _best(served: ServedModel, scores: Scores, allowed: Mask | None, count: int) -> NDArray[np.int64]:
    """The best allowed items, among those that the recipe chooses from."""
    if not served.recipe.candidates:
        return scores.best(count, allowed)
    return _candidates(served, scores, allowed)[:count]


def _candidates(served: ServedModel, scores: Scores, allowed: Mask | None) -> NDArray[np.int64]:
    """The allowed items among the few that the recipe chooses from, best first."""
    chosen = scores.best(served.recipe.candidates)
    return chosen if allowed is None else chosen[allowed[chosen]]


def _ranked_items(served: ServedModel, scores: Scores, draw: Draw, scale: Scale | None) -> list[RankedItem]:
    shares = _shown(scale, scores.values[draw.items])
    return [
        RankedItem(served.ids[item], share, None, propensity)
        for item, share, propensity in zip(draw.items.tolist(), shares, draw.propensities.tolist(), strict=True)
    ]


def _popular(served: ServedModel, scores: Scores, allowed: Mask | None, count: int) -> list[RankedItem]:
    """The most popular of the allowed items that have a score, but are no candidates."""
    left = np.isfinite(scores.values) & (True if allowed is None else allowed)
    left[scores.best(served.recipe.candidates)] = False
    popular = Scores(np.where(left, served.popularity, -np.inf)).best(count)
    return [RankedItem(served.ids[item], None) for item in popular.tolist()]


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
) -> list[RankedItem]:
    """As `top`, but the best promoted items take places of their own, at random ones and in their own order.

    Where too few match, the rest of the places are filled as usual (spec recipes-and-runtime 4.3). Scores are shares
    among what the filter allows and the promoted items.
    """
    best = top(served, scores, promotion.allowed, promotion.places)
    numbers = [served.numbers[each.item] for each in best]
    free = np.ones(len(scores.values), bool) if allowed is None else allowed.copy()
    free[numbers] = True
    scale = _scale(served, scores, free)
    free[numbers] = False
    shares = _shown(scale, scores.values[numbers])
    promoted = [
        each._replace(promotion=promotion.name, score=None if each.score is None else share)
        for each, share in zip(best, shares, strict=True)
    ]
    others = top(served, scores, free, count - len(promoted), explores, scale)
    places = RANDOM.permutation(len(promoted) + len(others)) < len(promoted)
    takers = {True: iter(promoted), False: iter(others)}
    return [next(takers[bool(place)]) for place in places]


def reorder(
    served: ServedModel,
    scores: Scores,
    items: Sequence[str],
    allowed: Mask | None = None,
    others_allowed: Mask | None = None,
) -> list[RankedItem]:
    """The given items, best first, those that the model does not know last, without a score or with 0.

    Repeated ids count once; what the filter forbids vanishes (spec recipes-and-runtime 4.2). others_allowed: what it
    allows of the items that are `unknown`.
    """
    numbers = served.numbers
    known = np.array([numbers[item] for item in dict.fromkeys(items) if item in numbers], np.int64)
    others = unknown(served, items)
    if allowed is not None:
        known = known[allowed[known]]
    if others_allowed is not None:
        others = list(compress(others, others_allowed))
    values = scores.values[known]
    order = np.argsort(-values, kind="stable")
    shares = _shown(scale_of(values), values[order])
    best = zip(known[order].tolist(), shares, strict=True)
    nothing = 0.0 if served.recipe.scores_unknown else None
    return [RankedItem(served.ids[item], share) for item, share in best] + [
        RankedItem(item, nothing) for item in others
    ]


def _shown(scale: Scale | None, values: NDArray[np.float32]) -> list[float] | list[None]:
    """The shares of some scores as clients get them; numpy rounds a list in the time of one `round`, 14 µs."""
    return [None] * len(values) if scale is None else np.round(scale.shares(values), SCORE_DIGITS).tolist()

"""From a question to a row of scores, and from a filter to a mask over it: the user's state, the model's say.

The runtime and the batch jobs both go through here and then to `ranked_items`, so that a live and a batch answer agree.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tailorbird.data import history
from tailorbird.data.clocks import DAY
from tailorbird.data.datasets import Dataset
from tailorbird.errors import InvalidInputException
from tailorbird.filters import evaluate, syntax
from tailorbird.filters import values as filter_values
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.numbers import to_number
from tailorbird.recipes.recipe import Query
from tailorbird.serving import models
from tailorbird.serving.models import ServedModel
from tailorbird.serving.scores import Mask, Scores
from tailorbird.workspace import Workspace

OLD_DATA = 30 * DAY
"""Seconds after its newest interaction from which on a log counts as one of the past: a live one hardly pauses for a
month. Not tuned."""
MOMENT = 300
"""Seconds for which a request's time stays the same, so that a user who does nothing gets the same scores. The
shortest half-life that a recipe knows is of days, of which this is a thousandth."""
QUICK_ITEMS = 20_000
"""Up to which a model is asked in the event loop: of 9,742 items user-personalization takes 1 ms there, its successor
with its transformer 2; handing the question to a thread and the answer back cost 1.5 ms more."""
MASKS_SHARE = 4
"""Part of the bytes of kept scores that kept masks may take: of a catalogue, a mask is an eighth of a row of scores."""


@dataclass(frozen=True)
class Deployment:
    """A model in use, with the datasets of its group."""

    workspace: Workspace
    artifact: str
    """ARN under which the model is kept."""
    served: ServedModel
    """As of now: `history` is that of its training, `numbers` and `ids` name its items, `recent` keeps what it said,
    and `pool` is what may be explored."""
    interactions: Dataset
    items: Dataset | None
    users: Dataset | None

    @cached_property
    def table(self) -> MetadataTable:
        """The newest metadata of the model's items; made when a filter first needs it."""
        make = partial(models.item_table, self.workspace, self.served, self.items)
        return self.workspace.cache.get("table", self.table_key, make)

    def has_table(self) -> bool:
        """Whether `table` is made already."""
        return self.workspace.cache.peek("table", self.table_key) is not None

    def others(self, others: Sequence[str]) -> MetadataTable:
        """The newest metadata of items that the model does not know; all is missing of one without a record."""
        return models.others_table(self.workspace, self.table_key, self.served, self.items, others)

    def has_record(self, item: str) -> bool:
        """Whether an item that the model does not know has a record."""
        if self.items is None:
            return False
        return item in models.other_records(self.workspace, self.table_key, self.served, self.items)["ITEM_ID"]

    @cached_property
    def table_key(self) -> Hashable:
        """Another one for other metadata."""
        return models.table_key(self.workspace, self.artifact, self.served, self.items)


@dataclass(frozen=True)
class Question:
    """What is asked of a model, as the request has it."""

    user: str | None
    item: str | None = None
    """Which item related ones are asked for."""
    context: Mapping[str, str] = field(default_factory=dict)
    influence: Mapping[str, float] = field(default_factory=dict)


def query(
    deployment: Deployment,
    user: str | None,
    item: str | None,
    context: Mapping[str, str] | None = None,
) -> Query:
    """The question to the model: what this user did up to now, and which item related ones are asked for."""
    workspace, served = deployment.workspace, deployment.served
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
    question = Query(items, times, number, now=_now(served, user or "", times, workspace.clock()))
    if not served.recipe.features:
        return question
    attributes = history.attributes(workspace, deployment.users, user) if user else {}
    return replace(question, user=attributes, context=_context(deployment.interactions, context or {}))


def scores(deployment: Deployment, question: Question) -> Scores:
    """What the model says to the question; as it said before, unless the user acted or another moment began."""
    # What is not known yet must not be kept under a mark of what is, so the mark is taken before.
    under = _kept_under(deployment, question)
    return deployment.served.recent.of(*under) or _made_scores(deployment, question, *under)


def scores_at_hand(deployment: Deployment, question: Question) -> Scores | None:
    """What `scores` answers if no table need be read for it, and the model need not be asked or is quick."""
    under = _kept_under(deployment, question)
    found = deployment.served.recent.of(*under)
    if found is None and len(deployment.served.model.items) <= QUICK_ITEMS and _in_memory(deployment, question.user):
        return _made_scores(deployment, question, *under)
    return found


def _made_scores(deployment: Deployment, question: Question, asker: Hashable, mark: Hashable) -> Scores:
    served = deployment.served
    asked = query(deployment, question.user, question.item, question.context)
    found = Scores(served.model.score([replace(asked, influence=question.influence)])[0])
    served.recent.keep(asker, mark, found, found.size, deployment.workspace.config.scores_kept)
    return found


def _in_memory(deployment: Deployment, user: str | None) -> bool:
    """Whether `query` finds what it tells of a user without a look into tables."""
    if not user:
        return True
    workspace, served = deployment.workspace, deployment.served
    return history.in_live_store(workspace, deployment.interactions, user, served.manifest.newest_event) and (
        not served.recipe.features or history.attributes_in_memory(workspace, deployment.users, user)
    )


def _kept_under(deployment: Deployment, question: Question) -> tuple[Hashable, Hashable]:
    """Who asks what, and a mark that changes with what is known of them."""
    workspace, users = deployment.workspace, deployment.users if deployment.served.recipe.features else None
    context, influence = (
        tuple(sorted(each.items())) if each else () for each in (question.context, question.influence)
    )
    mark = history.mark(workspace, deployment.interactions, users, question.user or "")
    return (question.user, question.item, context, influence), (mark, _moment(question.user or "", workspace.clock()))


def _moment(user: str, clock: float) -> int:
    """Since when a user's time stands still (epoch seconds); every user's moves on at another second.

    Otherwise the scores of all would have to be made anew at the same one.
    """
    phase = _phase(user)
    return int(clock - phase) // MOMENT * MOMENT + phase


@lru_cache(maxsize=1 << 16)
def _phase(user: str) -> int:
    return crc32(user.encode()) % MOMENT


def _now(served: ServedModel, user: str, times: NDArray[np.int64], clock: float) -> int:
    """The time of the request in the time of the data: of a log that ended long ago, its end.

    Otherwise a model would be asked about years of silence, of which it learned nothing.
    """
    newest = max(served.until, int(times[-1]) if len(times) else 0)
    if clock - newest >= OLD_DATA:
        return newest
    return max(_moment(user, clock), int(times[-1]) if len(times) else 0)


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


def rows(deployment: Deployment, others: Sequence[str] | None = None) -> tuple[MetadataTable, Mapping[str, int]]:
    """The metadata of the model's items, or of others that it does not know, and the row of each."""
    if others is None:
        return deployment.table, deployment.served.numbers
    return deployment.others(others), {item: row for row, item in enumerate(others)}


def check_target(filter_: syntax.Filter) -> None:
    """Raises InvalidInput for a filter that selects no items."""
    if filter_.target.upper() != "ITEMID":
        raise InvalidInputException(f"The filter selects {filter_.target}; recommendations need one of ItemID.")


@dataclass(frozen=True)
class FilterQuestion:
    """What is asked of a filter, as the request has it."""

    filter: syntax.Filter
    values: Mapping[str, str]
    """The request's filterValues."""
    user: str | None
    item: str | None

    @cached_property
    def asker(self) -> Hashable:
        """Equal where the same is asked."""
        values = tuple(sorted(self.values.items())) if self.values else ()
        item = self.item if self.filter.needs_current_item else None
        return self.filter.text, values, item, self.user if self.filter.needs_user else None


def mask(deployment: Deployment, asked: FilterQuestion, others: Sequence[str] | None = None) -> Mask:
    """Which of the model's items, or of others, the filter allows for this request; raises InvalidInput.

    It may be written to only where its flags say so: else it is kept for whoever asks the same.
    """
    check_target(asked.filter)
    if others is not None:
        return _mask(deployment, asked, others)
    if not asked.filter.needs_user:
        return deployment.table.masks.get("mask", asked.asker, lambda: _kept(_mask(deployment, asked)))
    mark = _mask_mark(deployment, asked)  # before what it tells of is read
    recent = deployment.served.recent_masks
    found = recent.of(asked.asker, mark)
    if found is None:
        found = _kept(_mask(deployment, asked))
        recent.keep(asked.asker, mark, found, found.nbytes, deployment.workspace.config.scores_kept // MASKS_SHARE)
    return found


def kept_mask(deployment: Deployment, asked: FilterQuestion) -> Mask | None:
    """What `mask` answers for the model's items, if that is in memory or made of what is; costs a look at an index."""
    if not deployment.has_table():
        return None
    if not asked.filter.needs_user:
        return mask(deployment, asked)
    check_target(asked.filter)
    return deployment.served.recent_masks.of(asked.asker, _mask_mark(deployment, asked))


def _mask_mark(deployment: Deployment, asked: FilterQuestion) -> Hashable:
    """What changes with all that a filter asks of a user: what was done, imported or put, and the items' metadata."""
    workspace, interactions, user = deployment.workspace, deployment.interactions, asked.user or ""
    known = history.mark(workspace, interactions, deployment.users, user)
    imported = workspace.tables.bulk_version(interactions.place)
    return known, imported, deployment.table_key, _moment(user, workspace.clock())


def _kept(mask: Mask) -> Mask:
    mask.flags.writeable = False
    return mask


def _mask(deployment: Deployment, asked: FilterQuestion, others: Sequence[str] | None = None) -> Mask:
    table, numbers = rows(deployment, others)
    filter_, user = asked.filter, asked.user

    def touched(types: frozenset[str] | None) -> NDArray[np.int32]:
        found = history.touched(deployment.workspace, deployment.interactions, user or "", types)
        return np.array([numbers[each] for each in found if each in numbers], np.int32)

    asking = None
    if user is not None and filter_.needs_user:
        asking = asking_user(deployment, user, touched)
    current = numbers.get(asked.item, evaluate.UNKNOWN_ITEM) if asked.item is not None else None
    # Whether a text is one value or a list is asked of the model's items, for other items too.
    own = table if others is None else deployment.table
    given = filter_values.read(filter_, asked.values, own, asking)  # of its placeholders
    return evaluate.evaluate(filter_, table, given, asking, current)


def asking_user(
    deployment: Deployment, user: str, touched: Callable[[frozenset[str] | None], NDArray[np.int32]]
) -> evaluate.User:
    """Who asks, for a filter, with the newest attributes."""
    attributes = history.attributes(deployment.workspace, deployment.users, user)
    return evaluate.User(attributes, touched, deployment.users.schema.categories if deployment.users else ())

"""How events and records get into the live store: acknowledged only while their dataset is there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar

from tailorbird.api import lookup
from tailorbird.data import values
from tailorbird.data.datasets import Dataset
from tailorbird.ingest import spellings
from tailorbird.storage.live import Event
from tailorbird.workspace import Workspace

KEPT = 1000
"""Places where operations record that a process remembers, of some kilobytes each; not tuned."""
TOLD_SECONDS = 60.0
"""Between two lines of the log that say the same of what a dataset is sent: a client's slip comes with every event."""

LONGEST_NAME = 100
"""Letters of a property's name in the log, enough to find it; clients choose names as long as they like."""

NO_COLUMN = "events have a property that is no column of their dataset, and is not kept"
CONTRADICTED = "events have a property that says something else than the event itself, and is not kept"
LOST = (
    "events left out as repetitions of an eventId that another user's event had, or one about another item or action: "
    "give each event an eventId of its own, or none"
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Put = Callable[[Workspace, dict[str, Any]], None]


class DatasetGone(Exception):
    """The dataset was deleted meanwhile; another may have taken its place."""


def found(workspace: Workspace, key: Hashable, find: Callable[[], T]) -> T:
    """What `find` finds in documents, which are read again once any of them has changed: that takes 0.4 ms each."""
    version = workspace.catalogue.version(), workspace.tables.changed()
    return workspace.cache.get("recording", (workspace.region, key), find, version=version, kept=KEPT)


def append(workspace: Workspace, target: Dataset, events: Sequence[Event]) -> None:
    """Records events, durably; raises DatasetGone where they went into a dataset that is gone.

    The dataset is looked at afterwards: what is acknowledged was recorded before the deletion of its dataset began.
    """
    kept = workspace.live.append(target.place, events)
    if not found(workspace, ("here", target.arn, target.incarnation), lambda: lookup.is_here(workspace, target)):
        raise DatasetGone(target.arn)
    if lost := sum(_is_another(*pair) for pair in kept):
        _tell_lost(workspace, target, lost)


def _is_another(given: Event, kept: Event) -> bool:
    """Whether the event is no repetition of the one that is kept under its eventId, whatever its client says."""
    if not kept.row:
        return given.subject != kept.subject
    return [given.subject, *map(given.row.get, values.IDS)] != [kept.subject, *map(kept.row.get, values.IDS)]


def _tell_lost(workspace: Workspace, target: Dataset, lost: int) -> None:
    """Logs how many events counted as repetitions since the server's start, though they are of others."""
    total: Counter[str] = workspace.cache.get("lost", target.arn, Counter)
    total["events"] += lost
    tell(workspace, target, LOST, count=total["events"])


def tell(workspace: Workspace, target: Dataset, text: str, **more: object) -> None:
    """Logs what a client does wrong, once a minute: it does so with every event. more: what the line tells beside."""
    if workspace.cache.is_first(("told", target.arn, text), TOLD_SECONDS):
        log.warning(text, extra={"dataset": target.arn, **more})


def tell_unread(workspace: Workspace, target: Dataset, unread: Iterable[tuple[str, str]]) -> None:
    """Logs what is wrong with properties by their names, once each: what they say is lost, though nobody is refused."""
    for wrong, name in unread:
        if workspace.cache.is_first((wrong, target.arn, name)):
            log.warning(wrong, extra={"dataset": target.arn, "property": name[:LONGEST_NAME]})


def oddities(target: Dataset, words: str, events: Sequence[Event]) -> list[str]:
    """What is odd about the spelling of ids, event types and categories. words: what the events are called."""
    columns = [(field, field.name.upper()) for field in target.schema.fields if spellings.odd_spellings(field)]
    found = {
        text: None
        for event in events
        for field, name in columns
        if isinstance(value := event.row.get(name), str)
        for text in spellings.oddities(field, value)
    }
    return [f"{words} have {text}" for text in found]


def lasting(put: Put) -> Put:
    """The operation, which is done again, and finds its dataset anew, when the one it recorded in is gone."""

    @wraps(put)
    def run(workspace: Workspace, request: dict[str, Any]) -> None:
        while True:
            try:
                return put(workspace, request)
            except DatasetGone:
                continue

    return run

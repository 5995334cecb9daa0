"""What a user did: the snapshot that a model was trained on, and what was recorded since."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import clocks, datasets, event_rules
from tailorbird.data.datasets import BESIDE, NUMBER, SESSION, Dataset, of_user
from tailorbird.data.event_rules import EventRule
from tailorbird.data.interactions import Interactions
from tailorbird.storage.arrays import load_arrays, save_arrays
from tailorbird.storage.tables import Tables
from tailorbird.workspace import Workspace

KEPT = 500
"""Newest interactions of a user that a model's files keep; no recipe looks back further than 200 distinct items."""
CONSIDERED_BY_FILTERS = 100
"""Newest interactions of a user, for each event type, that filters consider (spec recipes-and-runtime 5.2)."""
REMEMBERED = 4096
"""Users whose rows and records of tables a process keeps in memory, which to read takes 2 ms each; not tuned."""


@dataclass(frozen=True)
class History:
    """All users' interactions at training, memory-mapped: those of user u are at start[u] to start[u + 1]."""

    users: NDArray[np.str_]
    """Sorted ids."""
    start: NDArray[np.int64]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64]

    def of(self, user: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Items (as the model numbers them) and epoch seconds, oldest first; empty for an unknown user."""
        row = int(np.searchsorted(self.users, user))
        known = row < len(self.users) and self.users[row] == user
        part = slice(self.start[row], self.start[row + 1]) if known else slice(0, 0)
        return self.item[part], self.timestamp[part]


def save(data: Interactions, folder: Path) -> None:
    """Writes the newest `KEPT` interactions of every user as arrays."""
    newest = np.bincount(data.user, minlength=len(data.users))
    ends = np.cumsum(newest)
    rank_from_end = ends[data.user] - np.arange(len(data.user))
    kept = rank_from_end <= KEPT
    start = np.concatenate([[0], np.cumsum(np.minimum(newest, KEPT))])
    save_arrays(folder, users=data.users, start=start, item=data.item[kept], timestamp=data.timestamp[kept])


def load(folder: Path) -> History:
    """The arrays that `save` wrote, mapped rather than read."""
    return History(*map(np.asarray, load_arrays(folder, "users", "start", "item", "timestamp")))


class PastInteraction(NamedTuple):
    """One interaction of a user."""

    timestamp: int
    """Epoch seconds."""
    event_type: str
    """Empty where the schema has none."""
    value: float | None
    """EVENT_VALUE; None where it is missing."""
    item: str
    number: int
    """Of a recorded event; 0 where the row was imported."""


def with_events(
    workspace: Workspace,
    history: History,
    dataset: Dataset,
    user: str,
    numbers: Mapping[str, int],
    after: int,
    rules: Sequence[EventRule],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The user's interactions oldest first, live events included.

    numbers: the model's number of each item; events of other items are left out. after: the newest event that
    the snapshot holds. rules: which interactions the model learns from.
    """
    items, times = history.of(user)
    events = [
        event
        for event in _past_interactions(workspace, dataset, user, after)
        if event.item in numbers and event_rules.admits(rules, event.event_type, event.value)
    ]
    if not events:
        return items, times
    arrival = np.concatenate([np.zeros(len(items), np.int64), np.array([event.number for event in events], np.int64)])
    items = np.concatenate([items, np.array([numbers[event.item] for event in events], np.int32)])
    times = np.concatenate([times, np.array([event.timestamp for event in events], np.int64)])
    times = clocks.settled(times, arrival, workspace.clock())
    order = np.argsort(times, kind="stable")
    return items[order], times[order]


def mark(workspace: Workspace, interactions: Dataset, users: Dataset | None, user: str) -> Hashable:
    """Something that changes whenever what `with_events` and `attributes` find of the user may have changed.

    users: None where their attributes do not matter.
    """
    acted = workspace.live.newest_of(interactions.place, user)
    if users is None:
        return acted
    return acted, workspace.live.newest_of(users.place, user), workspace.tables.version(users.place)


def recorded(
    workspace: Workspace, dataset: Dataset, after: int, rules: Sequence[EventRule]
) -> tuple[list[str], NDArray[np.int64], int]:
    """Items and epoch seconds of the events with numbers above `after`, and the number of the newest of all.

    rules: which of them count.
    """
    found, newest = datasets.recorded(workspace, dataset, after=after)
    found = found.filter(event_rules.admitted(rules))
    return found["ITEM_ID"].to_list(), found["TIMESTAMP"].to_numpy().astype(np.int64), newest


def touched(workspace: Workspace, dataset: Dataset, user: str, types: frozenset[str] | None) -> set[str]:
    """Ids of the items that the user interacted with, by events of these types (lower case; None: of any type).

    Only the newest 100 interactions of each type count (see `clocks.Window`). Imported rows and events that were just
    recorded count alike.
    """
    window, now = clocks.Window(CONSIDERED_BY_FILTERS), workspace.clock()
    found: set[str] = set()
    rows = _past_interactions(workspace, dataset, user)
    times, arrival = (np.array([getattr(row, name) for row in rows], np.int64) for name in ("timestamp", "number"))
    wrong = clocks.ahead(times, now).tolist()
    for place in clocks.newest_first(clocks.settled(times, arrival, now)).tolist():
        event_type = rows[place].event_type.lower()
        if window.holds(event_type, wrong=wrong[place]) and (types is None or event_type in types):
            found.add(rows[place].item)
    return found


def in_live_store(workspace: Workspace, dataset: Dataset, user: str, after: int) -> bool:
    """Whether all events of a user with numbers above `after` are still in the live store, none in tables."""
    return workspace.live.newest_of(dataset.place, user) <= after or workspace.tables.moved(dataset.place) <= after


def _past_interactions(
    workspace: Workspace, dataset: Dataset, user: str, after: int | None = None
) -> list[PastInteraction]:
    """The user's interactions; with `after`, only events with numbers above it, which cost no look at the rows.

    The live store is read first: an event that moves meanwhile is then found twice and told by its number. Where the
    newest event of all is none of those asked for, which is one look at an index, nothing is read.
    """
    if after is not None and workspace.live.newest_of(dataset.place, user) <= after:
        return []
    events = workspace.live.of_subject(dataset.place, user, after or 0)
    tables = workspace.tables
    moved = tables.moved(dataset.place)
    rows: tuple[PastInteraction, ...] = ()
    if after is None or moved > after:
        moved, rows = _past_in_tables(tables, dataset, tables.version(dataset.place), user)
    recorded = [
        PastInteraction(
            event.timestamp,
            event.row.get("EVENT_TYPE") or "",
            event.row.get("EVENT_VALUE"),
            event.row["ITEM_ID"],
            event.number,
        )
        for event in events
        if event.number > moved
    ]
    return [*(row for row in rows if after is None or row.number > after), *recorded]


@lru_cache(maxsize=REMEMBERED)
def _past_in_tables(
    tables: Tables, dataset: Dataset, version: str, user: str
) -> tuple[int, tuple[PastInteraction, ...]]:
    """The number up to which events moved, and the user's rows; `version` makes new rows new keys of the cache."""
    rows, moved = of_user(tables, dataset, user)
    types = rows["EVENT_TYPE"].fill_null("") if "EVENT_TYPE" in rows.columns else pl.repeat("", len(rows), eager=True)
    values = rows["EVENT_VALUE"] if "EVENT_VALUE" in rows.columns else pl.repeat(None, len(rows), eager=True)
    number = rows.select(pl.when(pl.col(SESSION).is_not_null()).then(NUMBER).otherwise(0)).to_series()
    return moved, tuple(map(PastInteraction, rows["TIMESTAMP"], types, values, rows["ITEM_ID"], number))


def attributes(workspace: Workspace, users: Dataset | None, user: str) -> dict[str, object]:
    """The user's newest record, imported or put, by upper-case column names; empty where there is none."""
    if users is None:
        return {}
    newest = workspace.live.newest_of(users.place, user)
    put = workspace.live.of_subject(users.place, user) if newest else []
    key = _record_key(workspace, users, user)
    moved, at, record = workspace.cache.get(
        "record", key, lambda: _record_in_tables(workspace.tables, users, user), kept=REMEMBERED
    )
    return put[-1].row if put and put[-1].number > max(moved, at) else record


def attributes_in_memory(workspace: Workspace, users: Dataset | None, user: str) -> bool:
    """Whether `attributes` need not look into tables."""
    return users is None or workspace.cache.peek("record", _record_key(workspace, users, user)) is not None


def _record_key(workspace: Workspace, users: Dataset, user: str) -> Hashable:
    """Another one for other rows."""
    return users, workspace.tables.version(users.place), user


def _record_in_tables(tables: Tables, users: Dataset, user: str) -> tuple[int, int, dict[str, object]]:
    """The number up to which records moved, and the number and content of the user's newest record."""
    rows, moved = of_user(tables, users, user)
    newest = rows.tail(1)
    records = newest.drop(*BESIDE).to_dicts()
    return (moved, newest[NUMBER].item(), records[0]) if records else (moved, 0, {})

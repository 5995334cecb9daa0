"""What a user did: the snapshot that a model was trained on, and what was recorded since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data.datasets import Dataset
from tailorbird.data.interactions import Interactions
from tailorbird.storage.tables import Tables
from tailorbird.workspace import Workspace

KEPT = 500
"""Newest interactions of a user that a model's files keep; no recipe looks further back."""
CONSIDERED_BY_FILTERS = 100
"""Newest interactions of a user, for each event type, that filters consider (spec recipes-and-runtime 5.2)."""


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
    arrays = {"users": data.users, "start": start, "item": data.item[kept], "timestamp": data.timestamp[kept]}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load(folder: Path) -> History:
    """The arrays that `save` wrote, mapped rather than read."""
    names = ("users", "start", "item", "timestamp")
    return History(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names))


def with_events(
    workspace: Workspace,
    history: History,
    dataset_arn: str,
    user: str,
    numbers: Mapping[str, int],
    after: int,
    event_type: str | None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The user's interactions oldest first, live events included.

    numbers: the model's number of each item; events of other items are left out. after: the newest event that
    the snapshot holds. event_type: the only one the model learns from, if the solution says so.
    """
    items, times = history.of(user)
    events = [
        event
        for event in workspace.live.of_user(dataset_arn, user, after)
        if event.row["ITEM_ID"] in numbers
        and (event_type is None or event_type.lower() == str(event.row.get("EVENT_TYPE")).lower())
    ]
    if not events:
        return items, times
    items = np.concatenate([items, np.array([numbers[event.row["ITEM_ID"]] for event in events], np.int32)])
    times = np.concatenate([times, np.array([event.timestamp for event in events], np.int64)])
    order = np.argsort(times, kind="stable")
    return items[order], times[order]


def recorded(
    workspace: Workspace, dataset: Dataset, after: int, event_type: str | None
) -> tuple[list[str], NDArray[np.int64], int]:
    """Items and epoch seconds of the events with numbers above `after`, and the number of the newest of all.

    event_type: the only one that counts, if the solution says so.
    """
    events = [event for event in workspace.live.all(dataset.arn) if event.number > after]
    newest = events[-1].number if events else after
    if event_type is not None:
        events = [event for event in events if event_type.lower() == str(event.row.get("EVENT_TYPE")).lower()]
    times = np.array([event.timestamp for event in events], np.int64)
    return [event.row["ITEM_ID"] for event in events], times, newest


def touched(workspace: Workspace, dataset: Dataset, user: str, types: frozenset[str] | None) -> set[str]:
    """Ids of the items that the user interacted with, by events of these types (lower case; None: of any type).

    Only the newest 100 interactions of each type count. Imported rows and events that were just recorded
    count alike.
    """
    version = workspace.tables.version(dataset.arn)
    rows = list(_imported_rows(workspace.tables, dataset, version, user)) if version else []
    rows += [
        (event.timestamp, str(event.row.get("EVENT_TYPE") or "").lower(), event.row["ITEM_ID"])
        for event in workspace.live.of_user(dataset.arn, user)
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    seen: dict[str, int] = {}
    found: set[str] = set()
    for _, event_type, item in rows:
        seen[event_type] = seen.get(event_type, 0) + 1
        if seen[event_type] <= CONSIDERED_BY_FILTERS and (types is None or event_type in types):
            found.add(item)
    return found


@lru_cache(maxsize=4096)
def _imported_rows(tables: Tables, dataset: Dataset, version: str, user: str) -> tuple[tuple[int, str, str], ...]:
    """(timestamp, event type in lower case, item) of a user; `version` makes new imports new keys of the cache."""
    wanted = ("USER_ID", "TIMESTAMP", "ITEM_ID", "EVENT_TYPE")
    names = {name: field.name for name in wanted if (field := dataset.schema.field(name))}
    rows = tables.read_where(dataset.arn, names["USER_ID"], user, list(names.values()))
    rows = rows.rename(str.upper)
    types = rows["EVENT_TYPE"] if "EVENT_TYPE" in names else pl.repeat("", len(rows), eager=True)
    return tuple(zip(rows["TIMESTAMP"], types.fill_null("").str.to_lowercase(), rows["ITEM_ID"], strict=True))


def attributes(workspace: Workspace, users: Dataset | None, user: str) -> dict[str, object]:
    """The user's newest record by upper-case column names; empty where there is none."""
    field = users.schema.field("USER_ID") if users else None
    if users is None or field is None or not workspace.tables.version(users.arn):
        return {}
    rows = workspace.tables.read_where(users.arn, field.name, user).rename(str.upper).tail(1)
    return rows.to_dicts()[0] if len(rows) else {}

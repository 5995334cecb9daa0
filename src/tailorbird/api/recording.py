"""How events and records get into the live store: acknowledged only while their dataset is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from tailorbird.api.resources import dataset
from tailorbird.data.datasets import Dataset
from tailorbird.storage.live import Event
from tailorbird.workspace import Workspace

FOUND = "recording"
"""The kind of what operations remember in the cache of where they record."""
FOUND_SECONDS = 1.0
"""How long a serving process may still take events of a tracker that was deleted."""

Put = Callable[[Workspace, dict[str, Any]], None]


class DatasetGone(Exception):
    """The dataset was deleted meanwhile; another may have taken its place."""


def append(workspace: Workspace, target: Dataset, events: Sequence[Event]) -> None:
    """Records events, durably; raises DatasetGone where they went into a dataset that is gone.

    The dataset is looked at afterwards: what is acknowledged was recorded before the deletion of its dataset began.
    """
    workspace.live.append(target.place, events)
    if not dataset.is_here(workspace, target):
        raise DatasetGone(target.arn)


def lasting(put: Put) -> Put:
    """The operation, which is done again, and finds its dataset anew, when the one it remembered is gone."""

    @wraps(put)
    def run(workspace: Workspace, request: dict[str, Any]) -> None:
        while True:
            try:
                return put(workspace, request)
            except DatasetGone:
                workspace.cache.forget(FOUND)

    return run

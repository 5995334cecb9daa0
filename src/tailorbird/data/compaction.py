"""Compaction: recorded events move from the live store into the dataset's table, each exactly once.

First they become a streamed part; the manifest that makes it visible says up to which number events have
moved, and from then on readers skip those in the live store. Only then does the live store drop them. A
worker may die anywhere between: the next compaction starts from the manifest.
"""

from __future__ import annotations

import secrets

from tailorbird.data.datasets import Dataset
from tailorbird.storage.part_writer import STREAMED
from tailorbird.workspace import Workspace

AT_ONCE = 200_000
"""Events that one compaction moves: all are in memory together. To read so many takes 1.7 s and 160 MB."""


def move(workspace: Workspace, dataset: Dataset) -> None:
    """Moves the dataset's oldest recorded events; harmless to run twice, or twice at a time."""
    place = dataset.place
    with workspace.tables.begin(place, f"compaction {secrets.token_hex(8)}", sort_by=dataset.order) as part:
        events = workspace.live.all(place, after=part.moved, limit=AT_ONCE)
        if events:
            part.write(dataset.part_frame(events))
            part.commit(STREAMED, at=events[-1].number)
    workspace.live.forget(place, workspace.tables.moved(place))

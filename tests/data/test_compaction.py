"""Compaction: events move from the live store into tables, and every reader counts each once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tailorbird import config
from tailorbird.data import compaction, datasets, history, schema
from tailorbird.data.datasets import Dataset
from tailorbird.storage.live import Event
from tailorbird.storage.part_writer import FULL, INCREMENTAL
from tailorbird.workspace import Workspace, open_workspace

NAMES = {"user_id": "string", "ITEM_ID": "string", "TIMESTAMP": "long", "EVENT_TYPE": "string"}


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    opened = open_workspace(config.load({}, data_dir=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def target() -> Dataset:
    fields = [{"name": name, "type": kind} for name, kind in NAMES.items()]
    text = json.dumps({"type": "record", "name": "Interactions", "fields": fields})
    return Dataset("arn:group/INTERACTIONS", schema.parse(text))


def record(workspace: Workspace, target: Dataset, *items: str, user: str = "u", session: str = "s") -> None:
    events = [
        Event(user, session, at, {"USER_ID": user, "ITEM_ID": item, "TIMESTAMP": at, "EVENT_TYPE": "click"}, item)
        for at, item in enumerate(items)
    ]
    workspace.live.append(target.arn, events)


def items(workspace: Workspace, target: Dataset) -> list[str]:
    return datasets.rows(workspace, target)[0]["ITEM_ID"].to_list()


def new(workspace: Workspace, target: Dataset, after: int) -> list[str]:
    """What the user did since a model was trained that knows events up to `after`."""
    nothing = history.History(
        np.array([], np.str_), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64)
    )
    numbers = {"a": 0, "b": 1, "c": 2}
    found, _ = history.with_events(workspace, nothing, target, "u", numbers, after, None)
    return ["abc"[item] for item in found]


def test_each_event_is_read_once_at_every_step(workspace: Workspace, target: Dataset, monkeypatch: Any) -> None:
    def look() -> None:
        assert items(workspace, target) == ["a", "b", "c"]
        assert history.touched(workspace, target, "u", None) == {"a", "b", "c"}
        assert datasets.interactions(workspace, target)[1] == 3
        assert new(workspace, target, 0) == ["a", "b", "c"]
        assert new(workspace, target, 2) == ["c"]

    record(workspace, target, "a", "b", "c")
    look()

    def die(*_: object) -> None:
        look()  # the part is visible, and the live store has its rows still
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(workspace.live, "forget", die)
        with pytest.raises(KeyboardInterrupt):
            compaction.move(workspace, target)
    assert workspace.live.waiting() == {target.arn: 3}
    compaction.move(workspace, target)
    assert workspace.live.waiting() == {}
    look()
    record(workspace, target, "a", "d")  # the first one repeats an eventId
    assert items(workspace, target) == ["a", "b", "c", "d"]


def test_two_at_a_time_move_an_event_once(workspace: Workspace, target: Dataset, monkeypatch: Any) -> None:
    record(workspace, target, "a", "b")
    read = workspace.live.all

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        found = read(*arguments, **more)
        monkeypatch.setattr(workspace.live, "all", read)
        record(workspace, target, "c")
        compaction.move(workspace, target)
        return found

    monkeypatch.setattr(workspace.live, "all", meanwhile)
    compaction.move(workspace, target)
    assert items(workspace, target) == ["a", "b", "c"]


def test_a_reader_misses_nothing_that_moves_meanwhile(workspace: Workspace, target: Dataset, monkeypatch: Any) -> None:
    record(workspace, target, "a", "b")
    for name in ("all", "of_subject"):
        read = getattr(workspace.live, name)

        def meanwhile(*arguments: Any, read: Any = read, name: str = name, **more: Any) -> Any:
            found = read(*arguments, **more)
            monkeypatch.setattr(workspace.live, name, read)
            record(workspace, target, f"later {name}")
            compaction.move(workspace, target)
            return found

        monkeypatch.setattr(workspace.live, name, meanwhile)
        if name == "all":
            assert items(workspace, target)[:2] == ["a", "b"]
        else:
            assert {"a", "b"} <= history.touched(workspace, target, "u", None)
    assert items(workspace, target) == ["a", "b", "later all", "later of_subject"]


def test_what_is_deleted_meanwhile_does_not_come_back(workspace: Workspace, target: Dataset, monkeypatch: Any) -> None:
    record(workspace, target, "a")
    record(workspace, target, "b", user="v")
    compaction.move(workspace, target)
    record(workspace, target, "c", user="v")
    read = workspace.live.all

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        found = read(*arguments, **more)
        workspace.live.erase(target.arn, ["v"], anonymous=False)
        workspace.tables.remove(target.arn, "job", lambda columns: pl.col("user_id") == "v")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(workspace.live, "all", meanwhile)
        compaction.move(workspace, target)
    compaction.move(workspace, target)
    assert items(workspace, target) == ["a"]


def test_an_import_keeps_what_moved_and_its_place_in_the_order(workspace: Workspace, target: Dataset) -> None:
    record(workspace, target, "before")
    with workspace.tables.begin(target.arn, "import", target.order) as part:
        row = pl.DataFrame({"user_id": ["u"], "ITEM_ID": ["bulk"], "TIMESTAMP": [9], "EVENT_TYPE": ["x"]})
        part.write(row)
        part.commit(FULL, at=datasets.arrival(workspace, target))
    record(workspace, target, "after")
    assert items(workspace, target) == ["before", "bulk", "after"]
    compaction.move(workspace, target)
    assert items(workspace, target) == ["before", "bulk", "after"]
    assert datasets.rows(workspace, target, imported=False)[0]["ITEM_ID"].to_list() == ["before", "after"]
    assert datasets.rows(workspace, target, recorded=False)[0]["ITEM_ID"].to_list() == ["bulk"]


def test_a_stamp_tells_of_new_rows_and_not_of_a_move(workspace: Workspace, target: Dataset) -> None:
    stamps = [datasets.stamp(workspace, target)]
    record(workspace, target, "a")
    stamps.append(datasets.stamp(workspace, target))
    compaction.move(workspace, target)
    assert datasets.stamp(workspace, target) == stamps[-1]
    for mode in (FULL, INCREMENTAL, FULL):
        with workspace.tables.begin(target.arn, f"job {len(stamps)}", sort_by=target.order) as part:
            part.write(pl.DataFrame({"user_id": ["u"], "ITEM_ID": ["b"], "TIMESTAMP": [1], "EVENT_TYPE": ["click"]}))
            part.commit(mode, at=datasets.arrival(workspace, target))
        stamps.append(datasets.stamp(workspace, target))
    workspace.tables.remove(target.arn, "deletion", lambda _: pl.col("user_id") == "u")
    stamps.append(datasets.stamp(workspace, target))
    record(workspace, target, "c")
    stamps.append(datasets.stamp(workspace, target))
    assert len(set(stamps)) == len(stamps)

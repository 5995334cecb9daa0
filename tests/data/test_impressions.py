"""Impressions as rows have them, and how often items were in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from journeys.steps import field, schema
from tailorbird import config as configuration
from tailorbird.data import compaction, impressions
from tailorbird.data import schema as avro
from tailorbird.data.datasets import IMPRESSION, Dataset
from tailorbird.storage.live import Event
from tailorbird.storage.part_writer import FULL
from tailorbird.workspace import Workspace, open_workspace

ROW = {"USER_ID": "u", "ITEM_ID": "a", "TIMESTAMP": 5}
FIELDS = (field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(configuration.load({}, data_dir=tmp_path))
    yield opened
    opened.close()


def dataset(*more: dict[str, object]) -> Dataset:
    return Dataset("arn", avro.parse(json.dumps(schema("Interactions", *FIELDS, *more)), None))


def counted(workspace: Workspace, target: Dataset) -> dict[str, int]:
    found = impressions.counts(workspace, target)
    return dict(zip(found.items.tolist(), found.count.tolist(), strict=True))


def test_an_impression_is_cut_where_it_would_be_too_long() -> None:
    assert impressions.joined(["a", "b|c", "d"]) == "a|d"
    assert impressions.joined(str(number) for number in range(30)).split("|") == [str(n) for n in range(25)]
    long = impressions.joined(str(number) * 300 for number in range(9))
    assert long == "|".join(str(number) * 300 for number in range(3))
    assert impressions.joined([]) == ""


def test_recorded_impressions_count_with_and_without_a_column_and_after_compaction(workspace: Workspace) -> None:
    target = dataset()
    events = [Event("u", "s", n, ROW | {"TIMESTAMP": n}, told={IMPRESSION: f"a|{n}"}) for n in range(3)]
    workspace.live.append(target.arn, [*events, Event("u", "s", 9, ROW)])
    expected = {"0": 1, "1": 1, "2": 1, "a": 3}
    assert counted(workspace, target) == expected
    compaction.move(workspace, target)
    assert workspace.live.all(target.arn) == []
    assert counted(workspace, target) == expected


def test_imported_and_recorded_impressions_count_together(workspace: Workspace) -> None:
    target = dataset(field("IMPRESSION", ["null", "string"]))
    with workspace.tables.begin(target.arn, "job") as part:
        part.write(pl.DataFrame([ROW | {"IMPRESSION": "a|b|a"}, ROW | {"IMPRESSION": None}]))
        part.commit(FULL)
    workspace.live.append(target.arn, [Event("u", "s", 7, ROW | {"IMPRESSION": None}, told={"IMPRESSION": "b|c"})])
    assert counted(workspace, target) == {"a": 1, "b": 2, "c": 1}


def test_what_the_service_adds_makes_no_event_another_one(workspace: Workspace) -> None:
    target = dataset()
    workspace.live.append(target.arn, [Event("u", "s", 5, ROW)])
    workspace.live.append(target.arn, [Event("u", "s", 5, ROW, told={IMPRESSION: "a|b"})])
    assert len(workspace.live.all(target.arn)) == 1

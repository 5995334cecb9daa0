"""What is sent in place of an eventId, a source or an answer's id makes no repetition, no source and no answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from journeys.steps import as_csv, field, schema
from tailorbird.api import lookup, recording
from tailorbird.cache import Remarks
from tailorbird.data import compaction, datasets, impressions
from world import World

TOLD = ("IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE")
SEEN = schema(
    "Interactions",
    *map(field, ("USER_ID", "ITEM_ID", "EVENT_TYPE")),
    field("TIMESTAMP", "long"),
    *(field(name, ["null", "string"]) for name in TOLD),
)
TAKEN = schema(
    "ActionInteractions", field("USER_ID"), field("ACTION_ID"), field("EVENT_TYPE"), field("TIMESTAMP", "long")
)


class Events(World):
    """A group whose users send events, and tell what they did with actions."""

    def open(self) -> None:
        self.prepare(SEEN)
        self.tracker = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]
        actions = self.made("Action_Interactions", TAKEN)
        self.action_tracker = self.call("describe_dataset", datasetArn=actions)["dataset"]["trackingId"]

    def see(self, user: str, *events: dict[str, Any]) -> None:
        whole = [{"eventType": "view", "sentAt": self.now} | event for event in events]
        self.call("put_events", trackingId=self.tracker, sessionId="s", userId=user, eventList=whole)

    def act(self, user: str, **event: Any) -> None:
        whole = {"sessionId": "s", "userId": user, "eventType": "Taken", "timestamp": self.now} | event
        self.call("put_action_interactions", trackingId=self.action_tracker, actionInteractions=[whole])

    def kept(self, kind: str) -> list[tuple[str, str]]:
        rows, _ = datasets.rows(self.workspace, lookup.dataset_of(self.workspace, self.group, kind))
        return rows.select("USER_ID", "ITEM_ID" if kind == "INTERACTIONS" else "ACTION_ID").rows()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Events]:
    made = Events(tmp_path)
    made.open()
    yield made
    made.workspace.close()


def told(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.count for record in caplog.records if record.getMessage() == recording.LOST]  # type: ignore[attr-defined]


WORDS = ["undefined", "null", "NaN", "[object Object]", " ", "-", "${id}", "#REF!", "\u200b"]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_no_value_is_no_event_id(world: Events, word: str) -> None:
    everybody = [(f"u{number}", f"i{number}") for number in range(10)]
    for user, item in everybody:
        for _ in range(2):
            world.see(user, {"itemId": item, "eventId": word}, {"itemId": "same", "eventId": word})
            world.act(user, actionId=item, eventId=word)
    assert [row for row in world.kept("INTERACTIONS") if row[1] != "same"] == everybody
    assert len(world.kept("INTERACTIONS")) == 20, "what says the same is still kept once"
    assert world.kept("ACTION_INTERACTIONS") == everybody


def test_an_event_id_of_others_is_told_of_with_a_count(world: Events, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tailorbird")
    world.see("u1", {"itemId": "a", "eventId": "1"}, {"itemId": "a", "eventId": "1", "sentAt": world.now - 1})
    world.see("u1", {"itemId": "a", "eventId": "1", "sentAt": world.now - 9}, {"itemId": "b", "eventId": "2"})
    assert told(caplog) == [], "a client that sends an event again gives it the same id"
    world.see("u2", {"itemId": "a", "eventId": "1"}, {"itemId": "c", "eventId": "2"}, {"itemId": "c"})
    assert world.kept("INTERACTIONS") == [("u1", "a"), ("u1", "b"), ("u2", "c")]
    assert told(caplog) == [2]
    world.workspace.cache.remarks = Remarks()  # as a minute later
    world.see("u1", {"itemId": "d", "eventId": "2"})
    assert told(caplog) == [2, 3]
    world.act("u1", actionId="a", eventId="1")
    world.act("u1", actionId="b", eventId="1")
    assert told(caplog) == [2, 3, 1], "of each dataset by itself"


def test_an_event_that_moved_is_still_told_from_those_of_others(
    world: Events, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "tailorbird")
    world.see("u1", {"itemId": "a", "eventId": "1"})
    target = lookup.dataset_of(world.workspace, world.group, "INTERACTIONS")
    assert target is not None
    compaction.move(world.workspace, target)
    world.see("u1", {"itemId": "a", "eventId": "1"})
    assert told(caplog) == []
    world.see("u2", {"itemId": "a", "eventId": "1"})
    assert told(caplog) == [1]
    assert world.kept("INTERACTIONS") == [("u1", "a")]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_no_value_is_no_source_no_answer_and_nothing_shown(world: Events, word: str) -> None:
    event = {"itemId": "a", "recommendationId": word, "impression": ["i1", word, "i2"]}
    world.see("u1", event | {"metricAttribution": {"eventAttributionSource": word}})
    inside = {"recommendationId": word, "impression": ["i1", word, "i2"], "eventAttributionSource": word}
    world.see("u2", {"itemId": "a", "properties": json.dumps(inside)})
    world.see("u3", {"itemId": "a", "impression": [word]})
    line = {"USER_ID": "u4", "ITEM_ID": "a", "EVENT_TYPE": "view", "TIMESTAMP": "1"} | dict.fromkeys(TOLD[1:], word)
    line |= {"IMPRESSION": f"i1|{word}|i2"}
    world.fill(world.dataset, "imported", as_csv([tuple(line), tuple(line.values())]))
    target = lookup.dataset_of(world.workspace, world.group, "INTERACTIONS")
    assert target is not None
    rows, _ = datasets.rows(world.workspace, target)
    found = {row["USER_ID"]: tuple(row[name] for name in (*TOLD[1:], datasets.SOURCE)) for row in rows.to_dicts()}
    assert found == dict.fromkeys(["u1", "u2", "u3", "u4"], (None, None, None))
    assert rows.filter(USER_ID="u3")["IMPRESSION"].item() is None
    assert rows.filter(pl.col("USER_ID").is_in(["u1", "u2"]))["IMPRESSION"].to_list() == ["i1|i2"] * 2
    assert impressions.counts(world.workspace, target).items.tolist() == ["i1", "i2"]

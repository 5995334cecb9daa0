"""`properties` that contradict themselves, or their record, are refused: nobody can tell which is meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.steps import field, schema
from tailorbird.api import lookup
from tailorbird.data import datasets
from tailorbird.errors import InvalidInputException
from world import World

ITEMS = schema(
    "Items", field("ITEM_ID"), field("GENRE", ["null", "string"], categorical=True), field("PRICE", ["null", "float"])
)
ACTIONS = schema("Actions", field("ACTION_ID"), field("REPEAT_FREQUENCY", ["null", "long"]))
SEEN = schema(
    "Interactions",
    field("USER_ID"),
    field("ITEM_ID"),
    field("TIMESTAMP", "long"),
    field("EVENT_VALUE", ["null", "float"]),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.prepare(SEEN)
    yield made
    made.workspace.close()


def kept(world: World, kind: str) -> list[dict[str, object]]:
    target = lookup.dataset_of(world.workspace, world.group, kind)
    assert target is not None
    return datasets.rows(world.workspace, target)[0].drop(*datasets.BESIDE).to_dicts()


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"itemId": "zz"}, r"items\[0\].properties names another itemId than items\[0\].itemId"),
        ({"ITEM_ID": 7}, "names another itemId"),
        ({"price": 1, "PRICE": 2}, r"items\[0\].properties: PRICE is 2 here, and 1 under another spelling"),
        ({"Price": 1, "p_rice": None}, "under another spelling"),
        ({"price": 1e39}, "PRICE does not fit a float"),
        ({"price": "12,50"}, "PRICE has a decimal comma: write a point, .* given: '12,50'"),
        ({"PreisEuro_": 1}, r"items\[0\].properties: PreisEuro_ is no column of the dataset, which has ITEM_ID"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(world: World, properties: dict[str, object], words: str) -> None:
    items = world.made("Items", ITEMS)
    with pytest.raises(InvalidInputException, match=words):
        world.call("put_items", datasetArn=items, items=[{"itemId": "a", "properties": json.dumps(properties)}])
    assert kept(world, "ITEMS") == []


def test_a_record_that_says_the_same_twice_is_kept(world: World) -> None:
    items = world.made("Items", ITEMS)
    same = {"itemId": "5", "item_id": 5, "price": 1, "PRICE": 1.0, "genre": "x"}
    del same["itemId"]
    world.call("put_items", datasetArn=items, items=[{"itemId": "5", "properties": json.dumps(same)}])
    nothing = json.dumps({"itemId": None})
    world.call("put_items", datasetArn=items, items=[{"itemId": "6", "properties": nothing}])
    assert [(row["ITEM_ID"], row["PRICE"]) for row in kept(world, "ITEMS")] == [("5", 1.0), ("6", None)]


def test_an_event_that_contradicts_itself_is_refused_where_it_is_read(world: World) -> None:
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]

    def put(item: str, properties: dict[str, object]) -> None:
        event = {"eventType": "v", "sentAt": world.now, "properties": json.dumps(properties)} | (
            {"itemId": item} if item else {}
        )
        world.call("put_events", trackingId=tracker, sessionId="s", userId="u", eventList=[event])

    for properties in ({"itemId": "a", "ITEM_ID": "b"}, {"itemId": "a", "eventValue": 1, "event_value": 2}):
        with pytest.raises(InvalidInputException, match=r"eventList\[0\].properties.*under another spelling"):
            put("", properties)
    put("a", {"itemId": "b", "item_id": "c", "pageId": 1, "page_id": 2})
    assert [row["ITEM_ID"] for row in kept(world, "INTERACTIONS")] == ["a"], "what is not read contradicts nothing"
    with pytest.raises(InvalidInputException, match="EVENT_VALUE does not fit a float"):
        put("a", {"eventValue": 1e308})


def test_an_action_does_not_repeat_before_it_was_taken(world: World) -> None:
    actions = world.made("Actions", ACTIONS)
    with pytest.raises(InvalidInputException, match="REPEAT_FREQUENCY is negative"):
        world.call(
            "put_actions", datasetArn=actions, actions=[{"actionId": "a", "properties": '{"repeatFrequency": -1}'}]
        )
    world.fill(actions, "actions", b"ACTION_ID,REPEAT_FREQUENCY\na,-1\nb,3\n")
    assert [row["REPEAT_FREQUENCY"] for row in kept(world, "ACTIONS")] == [None, 3]

"""What is asked of an installation is answered alike whatever database it is on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from postgres import Postgres
from tailorbird.errors import AwsError
from world import SIMS, World

ODD = ("a\0b", "\0", "ÀÉ", "Z", "a", "_", "%", "\U0010ffff", "z" * 256, "𝒜" * 256)
"""Texts that databases tell apart, sort or refuse in ways of their own."""


def outcome(world: World, function: str, **request: Any) -> Any:
    """What is answered, or the error; NUL and what stands for it are the same."""
    try:
        answer: Any = world.call(function, **request)
    except AwsError as error:
        answer = [type(error).__name__, error.message]
    return json.loads(json.dumps(answer).replace("\\u0000", "\\u2400"))


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Requests that put events which hold a text in one place or another."""
    plain = {"eventType": "click", "sentAt": 1_600_000_000, "itemId": "i", "properties": "{}"}
    more: tuple[dict[str, Any], ...] = (
        {"userId": text},
        {"sessionId": text},
        {"eventList": [plain | {"itemId": text}]},
        {"eventList": [plain | {"eventId": text}]},
        {"eventList": [plain | {"recommendationId": text}]},
        {"eventList": [plain | {"metricAttribution": {"eventAttributionSource": text}}]},
        {"eventList": [plain | {"sentAt": 2**40}]},
    )
    return [("put_events", {"userId": "u", "sessionId": "s", "eventList": [plain]} | each) for each in more]


def told(world: World) -> list[Any]:
    """All answers of a world to the same questions."""
    world.prepare()
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    found: list[Any] = []
    for number, text in enumerate(ODD):
        found += [outcome(world, function, trackingId=tracker, **request) for function, request in events(text)]
        told = f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("{text}")'
        requests: tuple[tuple[str, dict[str, Any]], ...] = (
            ("create_dataset_group", {"name": text}),
            ("create_filter", {"name": f"f{number}", "datasetGroupArn": world.group, "filterExpression": told}),
            ("create_dataset_group", {"name": f"g{number}", "tags": [{"tagKey": text, "tagValue": text}]}),
            (
                "create_solution",
                {"name": f"s{number}", "datasetGroupArn": world.group, "recipeArn": SIMS, "eventType": text},
            ),
            ("list_solutions", {"datasetGroupArn": text}),
            ("describe_dataset_group", {"datasetGroupArn": f"{world.workspace.arn_prefix}dataset-group/{text}"}),
            ("get_recommendations", {"campaignArn": text, "userId": text}),
        )
        found += [outcome(world, function, **request) for function, request in requests]
    for function in ("list_dataset_groups", "list_filters", "list_solutions"):
        found.append(outcome(world, function))
    live, (place,) = world.workspace.live, world.workspace.live.waiting()
    found.append([(event.number, event.timestamp, event.row["ITEM_ID"]) for event in live.all(place)])
    for text in ODD:
        found.append([event.number for event in live.of_subject(place, text)])
        found.append(live.newest_of(place, text))
    found.append([live.count(place, ODD, anonymous=anonymous) for anonymous in (False, True)])
    found.append(len(live.sessions(place, ODD)))
    live.erase(place, ODD, anonymous=False)
    found.append([*live.waiting().values()])
    world.workspace.close()
    return json.loads(json.dumps(found).replace("\\u0000", "\\u2400"))  # type: ignore[no-any-return]


def test_odd_texts_are_kept_refused_and_found_alike(tmp_path: Path, postgres: Postgres) -> None:
    worlds = []
    for name, settings in (("sqlite", {}), ("postgresql", {"database_url": postgres.database()})):
        (tmp_path / name).mkdir()
        worlds.append(World(tmp_path / name, **settings))
    ours, theirs = map(told, worlds)
    for one, other in zip(ours, theirs, strict=True):
        assert one == other

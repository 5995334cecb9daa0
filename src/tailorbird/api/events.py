"""Events: checked against the schema, durable before they are acknowledged (spec control-plane 6)."""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec

from tailorbird.api import lifecycle
from tailorbird.api.resources import dataset, event_tracker
from tailorbird.data.datasets import Dataset
from tailorbird.data.schema import Field
from tailorbird.errors import InvalidInputException
from tailorbird.storage.live import Event
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

TRACKER_SECONDS = 1.0
"""How long a serving process may still take events of a tracker that was deleted."""

ANONYMOUS_WITHOUT_SESSION = "null"
"""What a well-known client sends as sessionId by mistake; accepted and dropped (spec control-plane 6)."""


def put_events(workspace: Workspace, request: dict[str, Any]) -> None:
    """Records the events of one visitor, all or none; they count in the user's next answer.

    Raises InvalidInput, which is the only error that the model gives this operation, for an unknown tracker too.
    """
    target = workspace.cache.get(
        "tracker", request["trackingId"], lambda: _dataset(workspace, request["trackingId"]), TRACKER_SECONDS
    )
    session = request["sessionId"]
    user = request.get("userId", session)
    rows = [_row(target, user, event, f"eventList[{i}]") for i, event in enumerate(request["eventList"])]
    if user == ANONYMOUS_WITHOUT_SESSION:
        log.warning("events dropped: they carry no user and the session 'null'", extra={"dataset": target.arn})
        return
    events = [
        Event(user, session, row["TIMESTAMP"], row, event.get("eventId"))
        for row, event in zip(rows, request["eventList"], strict=True)
    ]
    workspace.live.append(target.arn, events)


def _dataset(workspace: Workspace, tracking_id: str) -> Dataset:
    found = lifecycle.related(workspace, event_tracker.RESOURCE.name, trackingId=tracking_id)
    if not found:
        raise InvalidInputException(
            f"No event tracker has the trackingId {tracking_id}. CreateEventTracker and DescribeEventTracker show it."
        )
    target = dataset.of_group(workspace, found[0]["datasetGroupArn"], "INTERACTIONS")
    if target is None:
        raise InvalidInputException(
            f"{found[0]['datasetGroupArn']} has no Interactions dataset to record events in: create one first."
        )
    return target


def _row(target: Dataset, user: str, event: dict[str, Any], where: str) -> dict[str, Any]:
    """The event as a row of the dataset, columns in upper case."""
    properties = {_plain(name): value for name, value in _properties(event, where).items()}
    given = {
        "userid": user,
        "itemid": event.get("itemId", properties.get("itemid")),
        "timestamp": int(event["sentAt"]),
        "eventtype": event["eventType"],
        "eventvalue": event.get("eventValue", properties.get("eventvalue")),
        "impression": "|".join(event["impression"]) if "impression" in event else properties.get("impression"),
        "recommendationid": event.get("recommendationId"),
        "eventattributionsource": event.get("metricAttribution", {}).get("eventAttributionSource"),
    }
    if not given["itemid"]:
        raise InvalidInputException(f"{where}.itemId is missing: an event of the Interactions dataset names an item.")
    values = properties | {name: value for name, value in given.items() if value is not None}
    return {
        field.name.upper(): _value(field, values.get(_plain(field.name)), f"{where}.{field.name}")
        for field in target.schema.fields
    }


def _properties(event: dict[str, Any], where: str) -> dict[str, Any]:
    """The JSON object that travels as a string in `properties`."""
    if "properties" not in event:
        return {}
    try:
        decoded = msgspec.json.decode(event["properties"])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputException(f"Error parsing properties json ({where}.properties: {error}).") from error
    if not isinstance(decoded, dict):
        raise InvalidInputException(
            f"Error parsing properties json ({where}.properties must be the text of a JSON object)."
        )
    return decoded


def _plain(name: str) -> str:
    """ItemCategory and ITEM_CATEGORY alike (spec control-plane 6, "Names")."""
    return name.replace("_", "").lower()


def _value(field: Field, value: Any, where: str) -> Any:
    """A property's value as the field's type has it; null where it is missing. Raises InvalidInput."""
    if value is None:
        return None
    try:
        return _CASTS[field.type](value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInputException(f"{where}: {value!r} is not of type {field.type}.") from error


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise TypeError
    return str(value)


def _whole(value: Any) -> int:
    number = float(value) if isinstance(value, str) else value
    if isinstance(number, bool) or number != int(number) or not -(2**63) <= number < 2**63:
        raise ValueError
    return int(number)


def _boolean(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False}
    if (isinstance(value, int | float) and not isinstance(value, bool)) or value not in known:
        raise ValueError
    return known[value]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


_CASTS = {
    "string": _text,
    "int": _whole,
    "long": _whole,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}

OPERATIONS = {"put_events": put_events}

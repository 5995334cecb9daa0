"""Events: checked against the schema, durable before they are acknowledged (spec control-plane 6)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

from tailorbird.api import lifecycle, properties, recording
from tailorbird.api.recording import FOUND, FOUND_SECONDS
from tailorbird.api.resources import dataset, event_tracker
from tailorbird.data import impressions
from tailorbird.data.csv_columns import ACTION_EVENTS
from tailorbird.data.datasets import IMPRESSION, SOURCE, Dataset
from tailorbird.data.schema import ID_LENGTH
from tailorbird.errors import InvalidInputException, ResourceNotFoundException
from tailorbird.storage.live import Event
from tailorbird.storage.shown import Shown
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

NO_SESSION = "null"
"""What a well-known client sends as sessionId by mistake; accepted and dropped (spec control-plane 6)."""


COLUMNS = {"itemId": "ITEM_ID", "actionId": "ACTION_ID"}
"""What holds the id of what an event is about: the request's member, and the dataset's column."""


class Tracked(NamedTuple):
    """Where the events of a tracker go."""

    group: str
    """ARN of the dataset group."""
    interactions: Dataset


def put_events(workspace: Workspace, request: dict[str, Any]) -> None:
    """Records the events of one visitor, all or none; they count in the user's next answer.

    Raises InvalidInput, which is the only error that the model gives this operation, for an unknown tracker too.
    """
    tracking_id = request["trackingId"]
    tracked = workspace.cache.get(FOUND, tracking_id, lambda: _tracked(workspace, tracking_id), FOUND_SECONDS)
    answers = _answers(workspace, tracked.group, request["eventList"])
    events = []
    for i, event in enumerate(request["eventList"]):
        made = _event(tracked.interactions, request | event, f"eventList[{i}]", when=event["sentAt"], about="itemId")
        shown = answers.get(event.get("recommendationId", ""))
        events.append(replace(made, told=_told(tracked.interactions, event, made.row, shown)))
    _append(workspace, tracked.interactions, [(request["sessionId"], event) for event in events])


def put_action_interactions(workspace: Workspace, request: dict[str, Any]) -> None:
    """Records what users did with actions, all or none.

    Raises ResourceNotFound for an unknown tracking id, ResourceInUse while its dataset is being deleted.
    """
    tracking_id = request["trackingId"]
    target = workspace.cache.get(
        FOUND, ("actions", tracking_id), lambda: _tracked_actions(workspace, tracking_id), FOUND_SECONDS
    )
    events = []
    for i, event in enumerate(request["actionInteractions"]):
        where = f"actionInteractions[{i}]"
        kind = event["eventType"].upper().replace(" ", "_")
        if kind not in ACTION_EVENTS:
            raise InvalidInputException(
                f"{where}.eventType is {event['eventType']!r}; use one of {', '.join(ACTION_EVENTS)}."
            )
        event = event | {"eventType": kind}
        made = _event(target, event, where, when=event["timestamp"], about="actionId")
        events.append((event["sessionId"], made))
    _append(workspace, target, events)


def _append(workspace: Workspace, target: Dataset, events: list[tuple[str, Event]]) -> None:
    """Records events, each with its sessionId."""
    kept = [event for session, event in events if session != NO_SESSION]
    if len(kept) < len(events):
        log.warning("events dropped: they carry the session 'null'", extra={"dataset": target.arn})
    if kept:
        recording.append(workspace, target, kept)


def _tracked(workspace: Workspace, tracking_id: str) -> Tracked:
    found = lifecycle.related(workspace, event_tracker.RESOURCE.name, trackingId=tracking_id)
    if not found:
        raise InvalidInputException(
            f"No event tracker has the trackingId {tracking_id}. CreateEventTracker and DescribeEventTracker show it."
        )
    group = found[0]["datasetGroupArn"]
    target = dataset.of_group(workspace, group, "INTERACTIONS")
    if target is None:
        raise InvalidInputException(f"{group} has no Interactions dataset to record events in: create one first.")
    return Tracked(group, target)


def _tracked_actions(workspace: Workspace, tracking_id: str) -> Dataset:
    found = workspace.catalogue.select(dataset.RESOURCE.name, {"trackingId": tracking_id}, prefix=workspace.arn_prefix)
    if not found:
        raise ResourceNotFoundException(
            f"No dataset has the trackingId {tracking_id}. DescribeDataset of action interactions shows it."
        )
    return dataset.opened(workspace, lifecycle.active(workspace, dataset.RESOURCE, found[0][1]["datasetArn"]))


def _event(target: Dataset, event: dict[str, Any], where: str, *, when: float, about: str) -> Event:
    """The event with its row of the dataset.

    event: with the visitor's userId and sessionId. when: epoch seconds. about: the member that names the item
    or action; like eventValue and impression it may be in `properties` instead (spec control-plane 6).
    """
    session = event["sessionId"]
    user = event.get("userId", session)
    given = {
        "userid": user,
        about.lower(): event.get(about),
        "timestamp": int(when),
        "eventtype": event["eventType"],
        "eventvalue": event.get("eventValue"),
        "impression": "|".join(event["impression"]) if "impression" in event else None,
        "recommendationid": event.get("recommendationId"),
        "eventattributionsource": event.get("metricAttribution", {}).get("eventAttributionSource"),
    }
    values = properties.read(event.get("properties"), f"{where}.properties")
    values |= {name: value for name, value in given.items() if value is not None}
    if values.get(about.lower()) in (None, ""):
        raise InvalidInputException(f"{where}.{about} is missing: every event names what it is about.")
    row = properties.row(target.schema.fields, values, where)
    if len(row[COLUMNS[about]]) > ID_LENGTH:
        raise InvalidInputException(f"{where}.{about}: Length cannot be more than {ID_LENGTH} characters.")
    # A session of the user's own name says nothing of who was anonymous.
    told = "" if event.get("userId") == session else session
    return Event(user, told, int(when), row, event.get("eventId"))


def _answers(workspace: Workspace, group: str, events: list[dict[str, Any]]) -> dict[str, Shown]:
    """The group's answers that the events name by recommendationId, as far as they are still known."""
    named = {event["recommendationId"] for event in events if "recommendationId" in event}
    found = workspace.shown.find(named) if named else {}
    return {name: shown for name, shown in found.items() if shown.group == group}


def _told(target: Dataset, event: dict[str, Any], row: dict[str, Any], shown: Shown | None) -> dict[str, Any]:
    """What an event says beside its row: the impression, and what led to it (spec recipes-and-runtime 6.4 and 7).

    shown: the answer that the event's recommendationId names, if it is known; what the event tells itself wins.
    """
    told: dict[str, Any] = {}
    impression = impressions.joined(event.get("impression", shown.items if shown else []))
    if impression and row.get("IMPRESSION") is None:
        told["IMPRESSION" if target.schema.field("IMPRESSION") else IMPRESSION] = impression
    source = event.get("metricAttribution", {}).get("eventAttributionSource") or row.get("EVENT_ATTRIBUTION_SOURCE")
    if source or shown:
        told[SOURCE] = source or (shown.by if shown else None)
    return told


OPERATIONS = {f.__name__: recording.lasting(f) for f in (put_events, put_action_interactions)}

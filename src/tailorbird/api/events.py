"""Events: checked against the schema, durable before they are acknowledged (spec control-plane 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from tailorbird.api import lifecycle, lookup, properties, recording
from tailorbird.data import clocks, impressions
from tailorbird.data.datasets import ARRIVED, IMPRESSION, SOURCE, Dataset
from tailorbird.data.null_words import is_null_name
from tailorbird.errors import InvalidInputException, ResourceNotFoundException
from tailorbird.ingest.csv_columns import ACTION_EVENTS
from tailorbird.storage.live import Event
from tailorbird.storage.recommendation_log import LoggedAnswer
from tailorbird.workspace import Workspace

NO_SESSION = "null"
"""What a well-known client sends as sessionId by mistake; accepted and dropped (spec control-plane 6)."""


IDENTIFICATION = "identify"
"""Type of the event by which Amplify tells the userId alone, in lower case; accepted, and nothing is kept of it."""

COLUMNS = {"itemId": "ITEM_ID", "actionId": "ACTION_ID"}
"""What holds the id of what an event is about: the request's member, and the dataset's column."""


class IncompleteEvent(Exception):
    """An event of which nothing can be kept, as it does not say who did what with what."""

    def __init__(self, where: str, reason: str, *, expected: bool = False) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason
        """Begins with the member that is wrong."""
        self.expected = expected
        """Whether clients in the wild send such events, and are to be answered 200."""


class EventTarget(NamedTuple):
    """Where the events of a tracker go."""

    group: str
    """ARN of the dataset group."""
    interactions: Dataset


def put_events(workspace: Workspace, request: dict[str, Any]) -> None:
    """Records the events of one visitor; they count in the user's next answer.

    Those that name no item, such as Amplify's Identify event, are left out; any other fault refuses the whole call.
    Raises InvalidInput, which is the only error that the model gives this operation, for an unknown tracker too.
    """
    tracking_id = request["trackingId"]
    tracked = recording.found(workspace, tracking_id, lambda: _target(workspace, tracking_id))
    answers = _answers(workspace, tracked.group, request["eventList"])
    unread: set[tuple[str, str]] = set()

    def event_of(event: dict[str, Any], where: str) -> Event:
        found = _event(
            tracked.interactions, request | event, where, when=event["sentAt"], about="itemId", unread=unread
        )
        shown = answers.get(event.get("recommendationId", ""))
        told = _impression_and_source(tracked.interactions, event, found.row, shown)
        return replace(found, told=told) if told else found

    _record(workspace, tracked.interactions, "eventList", request["eventList"], event_of)
    recording.tell_unread(workspace, tracked.interactions, unread)


def put_action_interactions(workspace: Workspace, request: dict[str, Any]) -> None:
    """Records what users did with actions, all or none.

    Raises ResourceNotFound for an unknown tracking id, ResourceInUse while its dataset is being deleted.
    """
    tracking_id = request["trackingId"]
    target = recording.found(workspace, ("actions", tracking_id), lambda: _tracked_actions(workspace, tracking_id))
    unread: set[tuple[str, str]] = set()

    def event_of(event: dict[str, Any], where: str) -> Event:
        kind = event["eventType"].upper().replace(" ", "_")
        if kind not in ACTION_EVENTS:
            raise InvalidInputException(
                f"{where}.eventType is {event['eventType']!r}; use one of {', '.join(ACTION_EVENTS)}."
            )
        when = event["timestamp"]
        return _event(target, event | {"eventType": kind}, where, when=when, about="actionId", unread=unread)

    _record(workspace, target, "actionInteractions", request["actionInteractions"], event_of)
    recording.tell_unread(workspace, target, unread)


def _record(
    workspace: Workspace,
    target: Dataset,
    member: str,
    given: list[dict[str, Any]],
    event_of: Callable[[dict[str, Any], str], Event],
) -> None:
    """Keeps the events that are whole, all or none; raises InvalidInput where none is, and nobody expects that.

    member: of the request, which lists them. What is left out, or is odd, is logged.
    """
    kept, left = [], []
    for number, event in enumerate(given):
        try:
            kept.append(event_of(event, f"{member}[{number}]"))
        except IncompleteEvent as error:
            left.append(error)
    if left and not kept and not any(error.expected for error in left):
        raise InvalidInputException(f"{left[0].where}.{left[0].reason}")
    for reason in {error.reason for error in left}:
        recording.tell(workspace, target, f"events left out: {reason}")
    now = workspace.clock()
    latest = clocks.believed(now)
    for text in _oddities(target, kept, latest):
        recording.tell(workspace, target, text)
    if kept:
        arrived = {ARRIVED: int(now)}
        stamped = [replace(each, told=each.told | arrived) if each.timestamp > latest else each for each in kept]
        recording.append(workspace, target, stamped)


def _oddities(target: Dataset, kept: list[Event], latest: float) -> list[str]:
    """What is odd about events that are kept, as an import's checkup says it. latest: epoch seconds."""
    found = recording.oddities(target, "events", kept)
    if any(event.timestamp > latest for event in kept):
        found.append("events whose time is ahead of the server's clock; kept, but no measure of what is new")
    if any(event.timestamp < clocks.EARLIEST for event in kept):
        found.append("events whose time is before 1995; kept, but check the unit, which is seconds")
    return found


def _target(workspace: Workspace, tracking_id: str) -> EventTarget:
    found = lifecycle.related(workspace, "EventTracker", trackingId=tracking_id)
    if not found:
        raise InvalidInputException(
            f"No event tracker has the trackingId {tracking_id}. CreateEventTracker and DescribeEventTracker show it."
        )
    group = found[0]["datasetGroupArn"]
    target = lookup.dataset_of(workspace, group, "INTERACTIONS")
    if target is None:
        raise InvalidInputException(f"{group} has no Interactions dataset to record events in: create one first.")
    return EventTarget(group, target)


def _tracked_actions(workspace: Workspace, tracking_id: str) -> Dataset:
    found = workspace.catalogue.select("Dataset", {"trackingId": tracking_id}, prefix=workspace.arn_prefix)
    if not found:
        raise ResourceNotFoundException(
            f"No dataset has the trackingId {tracking_id}. DescribeDataset of action interactions shows it."
        )
    return lookup.dataset(workspace, lifecycle.active(workspace, "Dataset", found[0][1]["datasetArn"]))


def _event(
    target: Dataset, event: dict[str, Any], where: str, *, when: float, about: str, unread: set[tuple[str, str]]
) -> Event:
    """The event with its row of the dataset.

    event: with the visitor's userId and sessionId. when: epoch seconds. about: the member that names the item
    or action; like eventValue and impression it may be in `properties` instead (spec control-plane 6). unread: gets
    what is wrong with properties that say nothing here, and their names.
    """
    user, session = _who(event, where)
    given = {
        "userid": user,
        about.lower(): event.get(about),
        "timestamp": int(when),
        "eventtype": event["eventType"],
        "eventvalue": event.get("eventValue"),
        "impression": event.get("impression"),
        "recommendationid": event.get("recommendationId"),
        "eventattributionsource": event.get("metricAttribution", {}).get("eventAttributionSource"),
    }
    values = {name: value for name, value in given.items() if value is not None}
    if "properties" in event:
        known = given.keys() | {properties.plain(field.name) for field in target.schema.fields}
        told, others = properties.read(event["properties"], f"{where}.properties", known - values.keys())
        for name, value in others.items():
            if (plain := properties.plain(name)) not in known:
                unread.add((recording.NO_COLUMN, name))
            elif str(values[plain]) != str(value):
                unread.add((recording.CONTRADICTED, name))
        values |= told
    row = properties.row(target.schema.fields, values, where)
    if row[COLUMNS[about]] is None:
        expected = event["eventType"].lower() == IDENTIFICATION
        raise IncompleteEvent(where, f"{about} is missing: every event names what it is about.", expected=expected)
    kind = target.schema.field("EVENT_TYPE")
    if kind is not None and not kind.nullable and row["EVENT_TYPE"] is None:
        raise IncompleteEvent(where, "eventType is a word for no value: every event has a type.")
    event_id = event.get("eventId", "")
    return Event(user, session, int(when), row, None if is_null_name(event_id) else event_id)


def _who(event: dict[str, Any], where: str) -> tuple[str, str]:
    """The user, or the session of an anonymous visitor in its place, and what the event tells of the session."""
    user, session = event.get("userId", ""), event["sessionId"]
    if session == NO_SESSION:
        raise IncompleteEvent(where, f"sessionId is {NO_SESSION!r}.", expected=True)
    if is_null_name(user):
        if is_null_name(session):
            raise IncompleteEvent(where, "userId and sessionId are words for no value: nobody can be told by them.")
        return session, session
    # A session of the user's own name, or of none, says nothing of who was anonymous.
    return user, "" if user == session or is_null_name(session) else session


def _answers(workspace: Workspace, group: str, events: list[dict[str, Any]]) -> dict[str, LoggedAnswer]:
    """The group's answers that the events name by recommendationId, as far as they are still known."""
    named = {event["recommendationId"] for event in events if "recommendationId" in event}
    found = workspace.recommendation_log.find(named) if named else {}
    return {name: shown for name, shown in found.items() if shown.group == group}


def _impression_and_source(
    target: Dataset, event: dict[str, Any], row: dict[str, Any], shown: LoggedAnswer | None
) -> dict[str, Any]:
    """What an event says beside its row: the impression, and what led to it (spec recipes-and-runtime 6.4 and 7).

    shown: the answer that the event's recommendationId names, if it is known; what the event tells itself wins.
    """
    told: dict[str, Any] = {}
    impression = impressions.joined(event.get("impression", shown.items if shown else []))
    if impression and row.get("IMPRESSION") is None:
        told["IMPRESSION" if target.schema.field("IMPRESSION") else IMPRESSION] = impression
    source = event.get("metricAttribution", {}).get("eventAttributionSource", "")
    source = row.get("EVENT_ATTRIBUTION_SOURCE") if is_null_name(source) else source
    if source or shown:
        told[SOURCE] = source or (shown.by if shown else None)
    return told


OPERATIONS = {f.__name__: recording.lasting(f) for f in (put_events, put_action_interactions)}

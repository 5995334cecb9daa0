"""How `test_every_operation` calls: what came back is remembered, errors are made of good requests."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, field, schema
from support import Server
from tailorbird.wire import model

OPERATIONS = model.operations()
RECIPE = "arn:aws:personalize:::recipe/"

SCHEMAS = {
    "interactions": INTERACTIONS_SCHEMA,
    "items": ITEMS_SCHEMA,
    "users": schema("Users", field("USER_ID"), field("AGE", ["null", "int"])),
    "actions": schema("Actions", field("ACTION_ID"), field("VALUE", ["null", "long"])),
    "action_interactions": schema(
        "ActionInteractions", field("USER_ID"), field("ACTION_ID"), field("EVENT_TYPE"), field("TIMESTAMP", "long")
    ),
}
"""Of a dataset of each type."""

INVALID, MISSING, EXISTS, LIMIT, IN_USE, TOKEN, TAGS, KEYS = (
    "InvalidInputException",
    "ResourceNotFoundException",
    "ResourceAlreadyExistsException",
    "LimitExceededException",
    "ResourceInUseException",
    "InvalidNextTokenException",
    "TooManyTagsException",
    "TooManyTagKeysException",
)

NEVER = {
    # AWS documents no quota for these.
    **dict.fromkeys(
        [
            (name, LIMIT)
            for name in (
                "CreateDataset",
                "CreateEventTracker",
                "CreateMetricAttribution",
                "TagResource",
                "UpdateSolution",
            )
        ],
        "no quota",
    ),
    ("CreateSolutionVersion", EXISTS): "the server draws its ARN",
    ("ListTagsForResource", IN_USE): "reading does no harm to a resource that is being deleted",
    ("DeleteEventTracker", IN_USE): "possible at any time but once",
    ("UpdateMetricAttribution", IN_USE): "takes effect at once",
}
"""(operation, error) that the model has and no request brings about."""


class Walk:
    """Calls operations as boto3 users do and remembers what came back."""

    def __init__(self, server: Server, seen: set[tuple[str, str]]) -> None:
        self.clients = {service: server.client(service) for service in model.SERVICES}
        self.seen = seen

    def call(self, name: str, /, **request: Any) -> dict[str, Any]:
        operation = OPERATIONS[name]
        answer: dict[str, Any] = getattr(self.clients[operation.service], operation.function)(**request)
        self.seen.add((name, "success"))
        return answer

    def fails(self, code: str, name: str, /, **request: Any) -> None:
        with pytest.raises(ClientError) as error:
            self.call(name, **request)
        told = error.value.response["Error"]
        assert told["Code"] == code, (name, request, told)
        assert told["Message"], name
        assert error.value.response["ResponseMetadata"]["RequestId"]
        self.seen.add((name, code))

    def does(self, name: str, /, **request: Any) -> dict[str, Any]:
        """A success, after the errors that can be made of its request and before the one of its repetition."""
        errors = OPERATIONS[name].errors
        self.before(name, request)
        answer = self.call(name, **request)
        if EXISTS in errors and name.startswith("Create") and (name, EXISTS) not in NEVER:
            self.fails(EXISTS, name, **request)
        return answer

    def before(self, name: str, request: dict[str, Any]) -> None:
        errors = OPERATIONS[name].errors
        arn = next((member for member in request if member.endswith("Arn") and member != "roleArn"), "")
        if INVALID in errors:
            self.fails(INVALID, name, **request | invalid(name))
        if MISSING in errors:
            self.fails(MISSING, name, **request | ({arn: request[arn] + "0"} if arn else {"trackingId": "none"}))
        if TOKEN in errors:
            self.fails(TOKEN, name, **request | {"nextToken": "made-up"})
        if TAGS in errors:
            tags = [{"tagKey": f"k{number}", "tagValue": ""} for number in range(51)]
            self.fails(TAGS, name, **request | {"tags": tags})


def put_requests(walk: Walk, arns: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Good requests for the operations that put records and action events, into the datasets of these ARNs."""
    described = walk.call("DescribeDataset", datasetArn=arns["action_interactions"])["dataset"]
    now = int(time.time())
    event = {"actionId": "join", "userId": "7", "sessionId": "s", "timestamp": now, "eventType": "TAKEN"}
    genre = json.dumps({"genre": "Drama", "year": 1999})
    return {
        "PutItems": {"datasetArn": arns["items"], "items": [{"itemId": "new", "properties": genre}]},
        "PutUsers": {"datasetArn": arns["users"], "users": [{"userId": "7", "properties": '{"age": 7}'}]},
        "PutActions": {"datasetArn": arns["actions"], "actions": [{"actionId": "join"}]},
        "PutActionInteractions": {"trackingId": described["trackingId"], "actionInteractions": [event]},
    }


def invalid(name: str) -> dict[str, Any]:
    """Members with values that boto3 sends and the model forbids."""
    members = OPERATIONS[name].input.members
    if "maxResults" in members:
        return {"maxResults": 101}
    for member in ("name", "jobName"):
        if member in members:
            return {member: "not a name!"}
    if "trackingId" in members:
        return {"trackingId": "x" * 257}
    return {next(member for member in members if member.endswith("Arn")): "not an ARN"}

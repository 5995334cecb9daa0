"""Anything may arrive at the socket: always a proper AWS answer, never a 500, and the server lives on."""

from __future__ import annotations

import base64
import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.steps import INTERACTIONS_SCHEMA
from support import ROLE, Server
from tailorbird import errors
from tailorbird.wire import model

OPERATIONS = model.operations()
EXAMPLES = 4000 if os.environ.get("TAILORBIRD_LONG") else 250
CODES = {kind.__name__ for kind in errors.AwsError.__subclasses__()} - {"InternalFailure"}
ARN = "arn:aws:personalize:us-east-1:123456789012:"
RECIPE = "arn:aws:personalize:::recipe/aws-sims"
REAL = [ROLE, RECIPE, *(ARN + name for name in ("dataset-group/x", "schema/s", "dataset/x/INTERACTIONS", "solution/x"))]

fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


class Caller:
    """Signs and sends bytes, as they are, over a connection of its own."""

    def __init__(self, server: Server) -> None:
        values = server.environment()
        self.credentials = Credentials(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
        self.url = server.url
        self.host = urlsplit(server.url).netloc

    def signed(self, name: str, body: bytes) -> dict[str, str]:
        operation = OPERATIONS[name]
        control = operation.protocol == "json"
        headers = {"Content-Type": "application/x-amz-json-1.1" if control else "application/json"}
        if control:
            headers["X-Amz-Target"] = operation.target
        request = AWSRequest("POST", self.url + operation.path, headers, body)
        SigV4Auth(self.credentials, "personalize", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def send(self, path: str, headers: dict[str, str], body: bytes, method: str = "POST") -> tuple[int, Any]:
        """Status and decoded body."""
        connection = http.client.HTTPConnection(self.host, timeout=300)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def alive(self) -> bool:
        return self.send("/healthz", {}, b"", "GET") == (200, {"status": "ok"})


@pytest.fixture(scope="module")
def caller(empty_server: Server) -> Caller:
    """On an installation in which the names that occur below mean something."""
    client = empty_server.client("personalize")
    group = client.create_dataset_group(name="x")["datasetGroupArn"]
    schema = client.create_schema(name="s", schema=json.dumps(INTERACTIONS_SCHEMA))["schemaArn"]
    client.create_dataset(name="d", datasetType="Interactions", datasetGroupArn=group, schemaArn=schema)
    client.create_solution(name="x", datasetGroupArn=group, recipeArn=RECIPE)
    client.create_filter(
        name="x", datasetGroupArn=group, filterExpression='INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("a")'
    )
    return Caller(empty_server)


def proper(name: str, status: int, answer: Any) -> None:
    """A success, or an error of the client's with AWS's code and some words."""
    if status == 200:
        return
    assert 400 <= status < 500, (name, status, answer)
    assert answer["__type"] in CODES, (name, answer)
    assert answer["message"].strip(), (name, answer)


numbers = st.integers() | st.floats() | st.sampled_from([10**30, -(10**400), 2**63, 1e308])
texts = st.text(max_size=30) | st.sampled_from(
    [
        ARN + "schema/s",
        ARN + "dataset-group/x",
        ARN,
        "s3://b/k",
        "\x00",
        "\ud800",
        "x" * 70_000,
        "$LATEST",
        "../..",
        "%s",
    ]
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
tokens = texts | st.builds(
    lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode(),
    st.tuples(st.sampled_from(["schemas", "recipes", "solutions"]), numbers) | texts | numbers,
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def members(shape: Any) -> st.SearchStrategy[Any]:
    """A request of the model's members, each with anything or something near to what it should be."""
    near = {"nextToken": tokens, "maxResults": numbers, "numResults": numbers, "sentAt": numbers}
    parts = {name: near.get(name, value(member)) for name, member in shape.members.items()}
    needed = {name: parts.pop(name) for name in shape.required_members}
    return st.fixed_dictionaries(needed, optional=parts)


def value(shape: Any) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "structure":
            right = members(shape)
        case "list":
            right = st.lists(value(shape.member), max_size=3)
        case "map":
            right = st.dictionaries(texts, value(shape.value), max_size=3)
        case "string":
            right = st.sampled_from(
                [*shape.enum, *REAL, "name", "0.3", "{}", "s3://b/k", "rate(1 day)", "SAMPLECOUNT()"]
            )
        case "boolean":
            right = st.booleans()
        case _:
            right = numbers
    return right | right | right | anything


@given(data=st.data())
@fuzz
def test_requests_of_wrong_members_and_types(caller: Caller, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(OPERATIONS)))
    request = data.draw(members(OPERATIONS[name].input) | anything)
    body = json.dumps(request).encode()
    proper(name, *caller.send(OPERATIONS[name].path, caller.signed(name, body), body))


@given(data=st.data())
@fuzz
def test_bytes_that_are_no_json(caller: Caller, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(OPERATIONS)))
    whole = json.dumps(data.draw(members(OPERATIONS[name].input))).encode()
    cut = data.draw(st.integers(0, len(whole)))
    body = data.draw(st.binary(max_size=200) | st.just(whole[:cut]) | st.just(whole[:cut] + b"\xff" + whole[cut:]))
    proper(name, *caller.send(OPERATIONS[name].path, caller.signed(name, body), body))


@pytest.mark.parametrize("name", ["CreateSchema", "PutEvents", "GetRecommendations", "ListSchemas"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"name":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"name": "' + b"x" * 5_000_000 + b'"}',
        b'{"maxResults": 1' + b"0" * 10_000 + b"}",
        b'{"schema": ' + json.dumps("[" * 19_000).encode() + b', "name": "deep"}',
    ],
    ids=["open lists", "open objects", "deep", "long", "huge number", "deep schema"],
)
def test_deep_long_and_huge(caller: Caller, name: str, body: bytes) -> None:
    status, answer = caller.send(OPERATIONS[name].path, caller.signed(name, body), body)
    proper(name, status, answer)
    assert caller.alive()


def test_oversize(caller: Caller) -> None:
    body = b" " * (11 << 20)
    status, answer = caller.send("/", caller.signed("ListSchemas", body), body)
    assert (status, answer["__type"]) == (413, "RequestTooLargeException")
    assert caller.alive()


@given(data=st.data())
@fuzz
def test_bad_signatures_and_headers(caller: Caller, data: st.DataObject) -> None:
    """No header is left that does not matter: a changed or missing one is refused, and with a code of AWS's."""
    name = data.draw(st.sampled_from(sorted(OPERATIONS)))
    headers = caller.signed(name, b"{}")
    victim = data.draw(st.sampled_from(["Authorization", "X-Amz-Date"]))
    old = headers[victim]
    at = data.draw(st.integers(0, len(old) - 1))
    new = data.draw(printable | st.just(old[:at]) | st.just(old[:at] + "~" + old[at + 1 :]) | st.none())
    headers = {key: text for key, text in headers.items() if key != victim} | ({victim: new} if new is not None else {})
    status, answer = caller.send(OPERATIONS[name].path, headers, b"{}")
    if new is not None and new.strip() == old:
        return
    assert status in (400, 403), (victim, new, answer)
    proper(name, status, answer)


@given(
    target=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), path=st.sampled_from(["/", "/x"])
)
@fuzz
def test_operations_that_are_not(caller: Caller, target: str, path: str) -> None:
    request = AWSRequest("POST", caller.url + path, {"X-Amz-Target": target}, b"{}")
    SigV4Auth(caller.credentials, "personalize", "us-east-1").add_auth(request)
    status, answer = caller.send(path, dict(request.headers.items()), b"{}")
    assert status in (400, 403, 404), answer
    proper(target, status, answer)


def test_the_server_is_alive_and_logged_no_defect(caller: Caller, empty_server: Server) -> None:
    assert caller.alive()
    with open(empty_server.log.name) as log:
        assert "internal error" not in log.read()

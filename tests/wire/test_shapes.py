"""botocore as oracle: what it serialises we parse to the same parameters; what we project it parses back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import regex
from botocore.awsrequest import prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.errors import InvalidInputException, InvalidNextTokenException
from tailorbird.wire import model, shape_types, shapes

OPERATIONS = model.operations()
MODELS = {name: model.load(name) for name in model.SERVICES}

# Strings that match the models' patterns, since most random text does not.
MATCHING = {
    r"arn:([a-z\d-]+):personalize:.*:.*:.+": st.just("arn:aws:personalize:us-east-1:123456789012:schema/s"),
    r"arn:([a-z\d-]+):iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+": st.just("arn:aws:iam::123456789012:role/r"),
    r"arn:aws.*:kms:.*:[0-9]{12}:key/.*": st.just("arn:aws:kms:us-east-1:123456789012:key/k"),
    r"(s3|http|https)://.+": st.just("s3://bucket/key"),
    r"rate\(\d+ days?\)": st.just("rate(3 days)"),
}


def values(shape: Any) -> st.SearchStrategy[Any]:
    """Valid values of a shape."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "structure":
            needed = {name: values(shape.members[name]) for name in shape.required_members}
            other = {name: values(m) for name, m in shape.members.items() if name not in needed}
            return st.fixed_dictionaries(needed, optional=other)
        case "list":
            return st.lists(values(shape.member), min_size=low or 0, max_size=min(high or 3, max(low or 0, 3)))
        case "map":
            return st.dictionaries(values(shape.key), values(shape.value), max_size=min(high or 3, 3))
        case "string":
            return strings(shape, low or 0, min(high or 30, (low or 0) + 30))
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(-(2**31) if low is None else low, 2**31 - 1 if high is None else high)
        case "float" | "double":
            return st.floats(-1e6 if low is None else low, 1e6 if high is None else high, width=32)
        case "timestamp":
            return st.integers(0, 4_000_000_000)
    raise AssertionError(shape.type_name)


def strings(shape: Any, low: int, high: int) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    pattern = shape.metadata.get("pattern")
    if pattern in MATCHING:
        return MATCHING[pattern]
    if pattern:
        return st.text("aB3_", min_size=max(low, 1), max_size=high).filter(regex.compile(pattern).fullmatch)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=high)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parses_what_botocore_sends(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    parameters = data.draw(values(operation.input))
    service = MODELS[operation.service]
    request = create_serializer(operation.protocol).serialize_to_request(parameters, service.operation_model(name))
    prepare_request_dict(request, endpoint_url="http://localhost")
    assert model.find(request["headers"].get("X-Amz-Target"), request["url_path"]) is operation
    assert shapes.parse(operation.input, json.loads(request["body"] or "{}")) == parameters


JUNK = (
    None,
    True,
    "",
    "x" * 300,
    "1.5",
    1.5,
    -1,
    2**31,
    1e300,
    [],
    [None],
    ["x"] * 501,
    {},
    {"x": None},
    {"x" * 300: "y"},
)


@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if each.protocol == "rest-json"))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_decoded_in_one_go_is_what_the_walk_finds(name: str, data: st.DataObject) -> None:
    shape = OPERATIONS[name].input
    parameters = data.draw(values(shape))
    decoder = shape_types.decoder(shape)
    assert decoder.decode(json.dumps(parameters | {"unknown": [1]})) == shapes.parse(shape, parameters)
    member, junk = data.draw(st.sampled_from(sorted(shape.members))), data.draw(st.sampled_from(JUNK))
    inner = shape.members[member]
    if inner.type_name == "list" and inner.member.type_name == "structure" and data.draw(st.booleans()):
        junk = [dict.fromkeys(inner.member.members, junk)]
    changed = parameters | {member: junk}
    try:
        decoded = decoder.decode(json.dumps(changed))
    except ValueError:
        return  # which proves nothing
    assert decoded == shapes.parse(shape, changed)


@pytest.mark.parametrize("name", sorted(name for name, operation in OPERATIONS.items() if operation.output))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_botocore_reads_what_we_answer(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    answer = data.draw(values(operation.output))
    private = {"_secret": 1, "unknown": None}
    body = json.dumps(shapes.project(operation.output, {**answer, **private})).encode()
    response = {"status_code": 200, "headers": {}, "body": body}
    shape = MODELS[operation.service].operation_model(name).output_shape
    parsed = create_parser(operation.protocol).parse(response, shape)
    parsed.pop("ResponseMetadata")
    assert comparable(parsed) == comparable(answer)


def comparable(value: Any) -> Any:
    """With times as numbers."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value.timestamp() if hasattr(value, "timestamp") else value


def test_the_models_are_as_the_design_assumes() -> None:
    """If a new botocore breaks one of these, wire/ needs a look."""
    kinds = {
        service: {op.protocol for op in OPERATIONS.values() if op.service == service} for service in model.SERVICES
    }
    assert kinds == {
        "personalize": {"json"},
        "personalize-events": {"rest-json"},
        "personalize-runtime": {"rest-json"},
        "tailorbird": {"json"},
    }
    assert {"GetRecommendations", "PutEvents", "CreateDatasetGroup"} <= set(OPERATIONS)
    rest = [op for op in OPERATIONS.values() if op.protocol == "rest-json"]
    assert all("{" not in op.path for op in rest)
    assert len({op.path for op in rest}) == len(rest)


@pytest.mark.parametrize(
    ("operation", "parameters", "words"),
    [
        ("CreateDatasetGroup", {}, "'name' is required"),
        ("CreateDatasetGroup", {"name": "no spaces please"}, "'name'"),
        ("CreateDatasetGroup", {"name": "x" * 64}, "at most 63"),
        ("CreateDatasetGroup", {"name": 5}, "a string"),
        ("CreateDatasetGroup", {"name": "a", "domain": "BOOKS"}, "one of ECOMMERCE"),
        ("CreateDatasetGroup", ["name"], "a JSON object"),
        ("ListSchemas", {"maxResults": 0}, "at least 1"),
        ("ListSchemas", {"maxResults": 101}, "at most 100"),
        ("ListSchemas", {"maxResults": True}, "a whole number"),
        ("ListSchemas", {"maxResults": 2**40}, "32 bits"),
        ("DescribeSchema", {"schemaArn": "not an arn"}, "pattern"),
        (
            "UpdateSolution",
            {
                "solutionArn": "arn:aws:personalize:us-east-1:123456789012:solution/s",
                "solutionUpdateConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(\u0663 days)"}},
            },
            "pattern",
        ),
        ("PutEvents", {"trackingId": "t", "sessionId": "s", "eventList": []}, "at least 1"),
        ("PutEvents", {"trackingId": "t", "sessionId": "s", "eventList": [{"eventType": "x"}]}, "eventList[0].sentAt"),
        (
            "PutEvents",
            {"trackingId": "t", "sessionId": "s", "eventList": [{"eventType": "x", "sentAt": 1.7e12}]},
            "epoch seconds",
        ),
    ],
)
def test_refuses_with_the_member_and_the_constraint(operation: str, parameters: Any, words: str) -> None:
    with pytest.raises(InvalidInputException) as refused:
        shapes.parse(OPERATIONS[operation].input, parameters)
    assert words in str(refused.value)


def test_drops_unknown_members_and_nulls() -> None:
    given_parameters = {"name": "a", "colour": "red", "domain": None}
    assert shapes.parse(OPERATIONS["CreateDatasetGroup"].input, given_parameters) == {"name": "a"}


TOKENS = ("é", "a" * 1501, "\u0000é", "令牌", 5, ["a"], {}, True)
PAGED = [name for name, operation in OPERATIONS.items() if "nextToken" in operation.input.members]


@pytest.mark.parametrize("name", PAGED)
def test_a_token_that_no_page_has_is_the_error_that_every_list_has(name: str) -> None:
    operation = OPERATIONS[name]
    assert "InvalidNextTokenException" in operation.errors
    given = dict.fromkeys(operation.input.required_members, "arn:aws:personalize:us-east-1:123456789012:schema/s")
    for token in TOKENS:
        with pytest.raises(InvalidNextTokenException, match="at 'nextToken' is not valid"):
            shapes.parse(operation.input, given | {"nextToken": token})
    assert shapes.parse(operation.input, given | {"nextToken": "a" * 1500})["nextToken"]

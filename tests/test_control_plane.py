"""What the control plane refuses, and what it says of a resource that goes (spec control-plane 1.3, 2.1 to 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import ROLE
from tailorbird.api import batch, lifecycle, standard
from tailorbird.api.resources import RESOURCES
from tailorbird.errors import (
    AwsError,
    InvalidInputException,
    InvalidNextTokenException,
    ResourceAlreadyExistsException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from tailorbird.storage.catalogue import Document
from world import World

PREFIX = "arn:aws:personalize:us-east-1:123456789012:"
GROUP, SCHEMA, SOLUTION = PREFIX + "dataset-group/g", PREFIX + "schema/Interactions-schema", PREFIX + "solution/auto"
DATASET = PREFIX + "dataset/g/INTERACTIONS"
COMMON = {"name": "wrong", "jobName": "wrong", "roleArn": ROLE, "schemaArn": SCHEMA, "datasetType": "Items"}
TAG = [{"tagKey": "a", "tagValue": "b"}]
METRIC = {"eventType": "watch", "metricName": "views", "expression": "SAMPLECOUNT()"}
WORTH = {"metrics": [METRIC], "metricsOutputConfig": {"roleArn": ROLE}}
EXPRESSION = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")'
KIND = (InvalidInputException, "is not the ARN of a dataset group")
OF_SOLUTION = {"solutionVersionArn": SOLUTION}
NO_VERSION = {"solutionVersionArn": SOLUTION + "/0badcafe"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With a group, its interactions, a solution and a version that has a name."""
    made = World(tmp_path)
    made.prepare()
    made.call("create_solution_version", solutionArn=made.solution(), name="first")
    yield made
    made.workspace.close()


def folders(asked: str, answers: str) -> Document:
    return {
        "jobInput": {"s3DataSource": {"path": asked}},
        "jobOutput": {"s3DataDestination": {"path": answers}},
    }


@pytest.mark.parametrize(
    ("error", "words", "function", "request_"),
    [
        (*KIND, "create_event_tracker", {"datasetGroupArn": SCHEMA}),
        (*KIND, "create_dataset", {"datasetGroupArn": SOLUTION}),
        (*KIND, "create_filter", {"datasetGroupArn": DATASET, "filterExpression": EXPRESSION}),
        (*KIND, "create_metric_attribution", {"datasetGroupArn": SCHEMA, **WORTH}),
        (
            InvalidInputException,
            "cannot have tags",
            "tag_resource",
            {"resourceArn": "arn:aws:personalize:::recipe/aws-sims", "tags": TAG},
        ),
        (
            InvalidNextTokenException,
            "another list",
            "list_dataset_groups",
            {"nextToken": standard.token("datasetGroups", 2**63)},
        ),
        (InvalidNextTokenException, "another list", "list_recipes", {"nextToken": standard.token("recipes", 2**63)}),
        (
            InvalidInputException,
            "dataSource.dataLocation",
            "create_dataset_import_job",
            {"datasetArn": DATASET, "dataSource": {}},
        ),
        (
            InvalidInputException,
            "dataSource.dataLocation",
            "create_data_deletion_job",
            {"datasetGroupArn": GROUP, "dataSource": {}},
        ),
        (ResourceNotFoundException, "It is a solution: give one of its versions", "create_campaign", OF_SOLUTION),
        (ResourceNotFoundException, f"{SOLUTION}/$LATEST", "describe_solution_version", OF_SOLUTION),
        (ResourceNotFoundException, "It is a solution", "get_solution_metrics", OF_SOLUTION),
        (
            ResourceNotFoundException,
            "It is a solution",
            "create_batch_inference_job",
            OF_SOLUTION | folders("s3://b/a", "s3://c"),
        ),
        (
            ResourceAlreadyExistsException,
            "with the name first",
            "create_solution_version",
            {"solutionArn": SOLUTION, "name": "first"},
        ),
    ],
)
def test_refused(world: World, error: type[AwsError], words: str, function: str, request_: dict[str, Any]) -> None:
    with pytest.raises(error) as raised:
        world.call(function, **COMMON | request_)
    assert words in raised.value.message
    assert not ("does not exist" in raised.value.message and "It is" in raised.value.message), "it cannot be both"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [("s3://b/in/", "s3://b/in"), ("s3://b/a.json", "s3://b/"), ("s3://b/", "s3://b"), ("s3://b/a", "s3://c")],
)
def test_answers_may_lie_anywhere(world: World, asked: str, answers: str) -> None:
    for job in ("create_batch_inference_job", "create_batch_segment_job"):
        with pytest.raises(ResourceNotFoundException, match="0badcafe"):
            world.call(job, **COMMON, **NO_VERSION, **folders(asked, answers))


def test_lists_take_a_version_for_its_solution(world: World) -> None:
    listed = [world.versions(arn) for arn in (SOLUTION, SOLUTION + "/first", SOLUTION + "/gone")]
    assert len(listed[0]) == 1
    assert listed[0] == listed[1] == listed[2]
    for function in ("describe_solution", "delete_solution", "create_solution_version"):
        with pytest.raises(ResourceNotFoundException, match=f"It is a version of {SOLUTION}: give that"):
            world.call(function, solutionArn=listed[0][0]["solutionVersionArn"])


def test_what_is_deleted_says_when_and_no_longer_why_it_failed(world: World) -> None:
    arn = world.call("create_filter", name="f", datasetGroupArn=GROUP, filterExpression=EXPRESSION)["filterArn"]
    failed = {"status": "CREATE FAILED", "failureReason": "none"}
    world.workspace.catalogue.update(arn, lambda document: document | failed)
    moves = (
        lambda: world.call("delete_filter", filterArn=arn),
        lambda: lifecycle.sweep(world.workspace, RESOURCES),
    )
    for move in moves:
        world.now += world.workspace.config.deletion_seconds * 0.75
        move()
        found = world.call("describe_filter", filterArn=arn)["filter"]
        assert found["lastUpdatedDateTime"] == world.now
        assert found["failureReason"] is None
    assert found["status"] == "DELETE IN_PROGRESS"


def test_a_metric_attribution_in_deletion_is_not_updated(world: World) -> None:
    arn = world.call("create_metric_attribution", name="m", datasetGroupArn=GROUP, **WORTH)
    world.call("delete_metric_attribution", **arn)
    with pytest.raises(ResourceInUseException, match="DELETE PENDING"):
        world.call("update_metric_attribution", **arn, removeMetrics=["views"])


def test_an_over_long_line_of_a_batch_has_one_answer(world: World) -> None:
    lines = [b"1", b"2" * (3 * batch.LONGEST_LINE + 5), b"3" * batch.LONGEST_LINE, b"", b"4" * batch.LONGEST_LINE]
    (world.files / "in.json").write_bytes(b"\n".join(lines))
    job = folders(f"file://{world.files}/in.json", f"file://{world.files}/out")

    def answered(asked: list[bytes]) -> list[Document]:
        return [{"input": line[:1].decode(), "error": None} for line in asked]

    batch.run(world.workspace, job, lambda workspace, document: answered, 2, lambda share, text: None)
    written = (world.files / "out" / "in.json.out").read_text().splitlines()
    assert written == [f'{{"input":"{number}","error":null}}' for number in (1, 2, 3, 4)]

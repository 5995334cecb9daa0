"""Many threads at a few names: what was asked about still holds when it is acted upon."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA
from support import ROLE
from tailorbird.api import lifecycle, lookup
from tailorbird.api.resources import RESOURCES, dataset
from tailorbird.data import compaction, datasets
from tailorbird.errors import (
    AwsError,
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from tailorbird.jobs import dispatcher, worker
from world import SIMS, World

THREADS = 12
SCHEMA = json.dumps(INTERACTIONS_SCHEMA)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.workspace.close()


def together(*tasks: Callable[[], Any]) -> list[Any]:
    """What the tasks answer, all begun at the same moment; of one that is refused, the error."""
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return task()
        except AwsError as error:
            return error

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def kinds(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def sweep(world: World) -> None:
    world.now += 1
    lifecycle.sweep(world.workspace, RESOURCES)


def put(world: World, tracker: str, item: str) -> None:
    event = {"eventType": "click", "itemId": item, "sentAt": world.now}
    world.call("put_events", trackingId=tracker, sessionId="s", userId="u", eventList=[event])


def items(world: World) -> list[str]:
    """What the Interactions dataset holds."""
    target = lookup.dataset_of(world.workspace, world.group, "INTERACTIONS")
    assert target is not None
    return datasets.rows(world.workspace, target)[0]["ITEM_ID"].to_list()


def test_a_schema_is_created_once_and_deleted_once(world: World) -> None:
    def life(seed: int) -> Counter[str]:
        done: Counter[str] = Counter()
        chance = random.Random(seed)
        for _ in range(10):
            name = chance.choice("abc")
            for operation, request in (
                ("create_schema", {"name": name, "schema": SCHEMA}),
                ("delete_schema", {"schemaArn": f"{world.workspace.arn_prefix}schema/{name}"}),
            ):
                try:
                    world.call(operation, **request)
                    done[operation] += 1
                except (ResourceAlreadyExistsException, ResourceNotFoundException):
                    pass
        return done

    done = sum(together(*(lambda seed=seed: life(seed) for seed in range(THREADS))), Counter())
    assert done["create_schema"] - done["delete_schema"] == len(world.call("list_schemas")["schemas"])


def test_nothing_is_left_of_a_group_that_is_gone(world: World) -> None:
    for name, of in (("Interactions", INTERACTIONS_SCHEMA), ("Items", ITEMS_SCHEMA)):
        world.call("create_schema", name=name, schema=json.dumps(of))
    schemas = world.workspace.arn_prefix + "schema/"
    made = 0
    for _ in range(12):
        group = world.call("create_dataset_group", name="g")["datasetGroupArn"]
        request = {"name": "x", "datasetGroupArn": group}
        answers = together(
            lambda group=group: world.call("delete_dataset_group", datasetGroupArn=group),
            lambda of=request: world.call("create_event_tracker", **of),
            lambda of=request: world.call("create_solution", recipeArn=SIMS, **of),
            *(
                lambda of=request, kind=kind: world.call(
                    "create_dataset", datasetType=kind, schemaArn=schemas + kind, **of
                )
                for kind in ("Interactions", "Items") * 2
            ),
        )
        made += (deleted := answers[0] == {})
        assert set(kinds(answers[1:])) <= {
            "dict",
            "ResourceInUseException",
            "ResourceNotFoundException",
            "ResourceAlreadyExistsException",
        }
        parts = [
            lifecycle.own_arn(kind, document)
            for kind in ("EventTracker", "Dataset", "Solution")
            for _, document in world.workspace.catalogue.select(kind)
        ]
        assert not (deleted and parts)
        assert len(parts) == sum(isinstance(answer, dict) for answer in answers[1:])
        for arn in [*parts, group]:
            if world.workspace.catalogue.get(arn)["status"] == "ACTIVE":
                lifecycle.mark_deleted(world.workspace, arn)
        sweep(world)
    assert made < 12, "the deletion never came second: nothing was tested"


def test_a_group_has_one_of_what_it_may_have_once(world: World) -> None:
    world.prepare()
    schema = world.workspace.arn_prefix + "schema/Items"
    world.call("create_schema", name="Items", schema=json.dumps(ITEMS_SCHEMA))
    metric = {"metricName": "m", "eventType": "click", "expression": "SAMPLECOUNT()"}
    more: dict[str, dict[str, Any]] = {
        "create_event_tracker": {},
        "create_metric_attribution": {"metrics": [metric], "metricsOutputConfig": {"roleArn": ROLE}},
        "create_dataset": {"datasetType": "Items", "schemaArn": schema},
        "create_solution": {"recipeArn": SIMS},
    }
    for operation, request in more.items():
        same = operation == "create_solution"
        answers = together(
            *(
                lambda number=number, request=request, operation=operation, same=same: world.call(
                    operation, name="n" if same else f"n{number}", datasetGroupArn=world.group, **request
                )
                for number in range(THREADS)
            )
        )
        assert kinds(answers) == {"dict": 1, "ResourceAlreadyExistsException": THREADS - 1}, operation
    solution = world.workspace.arn_prefix + "solution/n"
    answers = together(
        *(lambda: world.call("create_solution_version", solutionArn=solution, name="first") for _ in range(THREADS))
    )
    assert kinds(answers) == {"dict": 1, "ResourceAlreadyExistsException": THREADS - 1}


def test_a_solution_goes_or_a_campaign_comes(world: World) -> None:
    world.prepare()
    world.load("rows", 0)
    for number in range(4):
        solution = world.solution(f"s{number}", performAutoTraining=False)
        version = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        world.work()
        other = world.call("create_campaign", name=f"o{number}", solutionVersionArn=version)["campaignArn"]
        lifecycle.mark_deleted(world.workspace, other)
        sweep(world)
        created, deleted, tagged = together(
            lambda version=version, number=number: world.call(
                "create_campaign", name=f"c{number}", solutionVersionArn=version
            ),
            lambda solution=solution: world.call("delete_solution", solutionArn=solution),
            lambda solution=solution: world.call(
                "tag_resource", resourceArn=solution, tags=[{"tagKey": "a", "tagValue": "b"}]
            ),
        )
        assert isinstance(created, dict) != isinstance(deleted, dict)
        status = world.workspace.catalogue.get(solution)["status"]
        assert status == ("ACTIVE" if isinstance(created, dict) else "DELETE PENDING")
        assert isinstance(tagged, (dict, ResourceInUseException))


def test_an_update_and_the_deletion_of_what_it_names_exclude_each_other(world: World) -> None:
    world.prepare()
    target = world.made("Items", ITEMS_SCHEMA)
    wider = {**ITEMS_SCHEMA, "fields": [*ITEMS_SCHEMA["fields"], {"name": "MORE", "type": ["null", "string"]}]}
    for number in range(6):
        schema = world.call("create_schema", name=f"s{number}", schema=json.dumps(wider))["schemaArn"]
        updated, deleted = together(
            lambda schema=schema: world.call("update_dataset", datasetArn=target, schemaArn=schema),
            lambda schema=schema: world.call("delete_schema", schemaArn=schema),
        )
        assert isinstance(updated, dict) != isinstance(deleted, dict)
        world.later(1)
        world.later(1)


def test_an_import_and_a_deletion_of_users_exclude_each_other(world: World) -> None:
    world.prepare()
    (world.files / "users.csv").write_text("USER_ID\nu\n")
    for number in range(6):
        request = {"jobName": f"j{number}", "dataSource": {"dataLocation": f"file://{world.files}/users.csv"}}
        answers = together(
            lambda request=request: world.call("create_dataset_import_job", datasetArn=world.dataset, **request),
            lambda request=request: world.call("create_data_deletion_job", datasetGroupArn=world.group, **request),
            lambda: world.call("delete_dataset", datasetArn="arn:none"),
        )
        assert kinds(answers) == {"dict": 1, "ResourceInUseException": 1, "InvalidInputException": 1}
        for kind in ("DatasetImportJob", "DataDeletionJob"):
            for _, document in world.workspace.catalogue.select(kind):
                worker.work(world.workspace, RESOURCES[kind], lifecycle.own_arn(kind, document))


def test_rows_belong_to_the_dataset_that_took_them(world: World) -> None:
    """Events are acknowledged before their dataset's deletion, by the next dataset, or not at all."""
    world.prepare()
    schema = world.workspace.arn_prefix + "schema/Interactions-schema"
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    ended = threading.Event()
    lives = [0]
    acknowledged: list[tuple[int, int, str]] = []
    """Which life of the dataset it was before and after the call, and the item."""

    def write(writer: int) -> None:
        number = 0
        while not ended.is_set():
            number, began, item = number + 1, lives[0], f"{writer}-{number}"
            try:
                put(world, tracker, item)
            except InvalidInputException:
                continue
            acknowledged.append((began, lives[0], item))

    def deleted() -> None:
        target = lookup.dataset_of(world.workspace, world.group, "INTERACTIONS")
        world.call("delete_dataset", datasetArn=world.dataset)
        lives[0] += 1
        compaction.move(world.workspace, target)
        sweep(world)
        compaction.move(world.workspace, target)

    with ThreadPoolExecutor(4) as pool:
        for writer in range(4):
            pool.submit(write, writer)
        for _ in range(8):
            ended.wait(0.1)
            deleted()
            assert world.workspace.catalogue.get(world.dataset) is None
            lives[0] += 1
            world.call(
                "create_dataset", name="d", datasetType="Interactions", datasetGroupArn=world.group, schemaArn=schema
            )
            assert world.workspace.tables.rows(world.dataset) == 0
        ended.wait(0.1)
        ended.set()
    last = {item for began, _, item in acknowledged if began == lives[0]}
    assert last, "nothing was recorded at last"
    found = items(world)
    assert len(found) == len(set(found))
    assert last <= set(found)
    earlier = {item for _, after, item in acknowledged if after < lives[0] - 1}
    assert earlier
    assert not earlier & set(found)


def test_a_dataset_of_before_keeps_its_rows_and_leaves_none(world: World) -> None:
    """Data folders from before there were incarnations: rows lie under the dataset's ARN."""
    world.prepare()
    world.workspace.catalogue.update(
        world.dataset, lambda old: {name: value for name, value in old.items() if name != "_incarnation"}
    )
    world.load("rows", 0)
    assert world.workspace.tables.rows(world.dataset) > 0
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    put(world, tracker, "old")
    assert world.workspace.live.waiting() == {world.dataset: 1} == dataset.waiting(world.workspace)
    world.call("delete_dataset", datasetArn=world.dataset)
    sweep(world)
    assert world.workspace.tables.rows(world.dataset) == 0
    schema = world.workspace.arn_prefix + "schema/Interactions-schema"
    world.call("create_dataset", name="d", datasetType="Interactions", datasetGroupArn=world.group, schemaArn=schema)
    put(world, tracker, "new")
    assert items(world) == ["new"]
    assert dataset.waiting(world.workspace) == {world.dataset: 1}


def test_events_of_a_dataset_that_is_gone_are_forgotten(world: World) -> None:
    world.prepare()
    target = lookup.dataset_of(world.workspace, world.group, "INTERACTIONS")
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    put(world, tracker, "a")
    event = world.workspace.live.all(target.place)[0]
    world.call("delete_dataset", datasetArn=world.dataset)
    with pytest.raises(InvalidInputException, match="no Interactions dataset"):
        put(world, tracker, "b")
    sweep(world)
    world.workspace.live.append(target.place, [event])
    dispatcher.tidy(world.workspace)
    assert world.workspace.live.waiting() == {}

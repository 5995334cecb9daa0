"""The dispatcher when something is damaged, or the clock is put back: all else goes on, and the log stays short."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import interactions_csv
from support import ROLE, wait_for
from tailorbird.api import due, lookup
from tailorbird.api.resources import dataset
from tailorbird.config import Config
from tailorbird.faults import LONGEST_SECONDS, Faults
from tailorbird.jobs import executors
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.storage.catalogue import Catalogue
from world import SIMS, World

HOUR, DAY = 3600.0, 86400.0
METRIC = {"metricName": "clicks", "eventType": "click", "expression": "SAMPLECOUNT()"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, executor="inline", compaction_events=1)
    yield made
    made.workspace.close()


def group(world: World, name: str) -> str:
    """Another group with interactions; `world.dataset` is its dataset from now on."""
    world.group = world.call("create_dataset_group", name=name)["datasetGroupArn"]
    schema = world.workspace.arn_prefix + "schema/Interactions-schema"
    created = world.call(
        "create_dataset", name=name, datasetType="Interactions", datasetGroupArn=world.group, schemaArn=schema
    )
    world.dataset = str(created["datasetArn"])
    world.load(name, 0)
    return world.group


def put(world: World, of: str, item: str) -> None:
    found = world.workspace.catalogue.select("EventTracker", {"datasetGroupArn": of})
    if not found:
        world.call("create_event_tracker", name=of.rpartition("/")[2], datasetGroupArn=of)
    (_, tracker), *_ = found or world.workspace.catalogue.select("EventTracker", {"datasetGroupArn": of})
    event = {"eventType": "click", "itemId": item, "sentAt": world.now}
    world.call("put_events", trackingId=tracker["trackingId"], sessionId="s", userId="u", eventList=[event])


def damage_manifest(world: World) -> Path:
    place = lookup.dataset(world.workspace, world.workspace.catalogue.get(world.dataset)).place
    path = world.workspace.tables._of(place).path / "manifest.json"
    path.write_bytes(path.read_bytes()[:-9])
    return path


def attributed(world: World) -> int:
    """How many attributions have counted something."""
    found = [document for _, document in world.workspace.catalogue.select("MetricAttribution")]
    readers = (f"{each['metricAttributionArn']} {each['creationDateTime']}" for each in found)
    return sum(world.workspace.metric_counters.reached(reader, 0) > 0 for reader in readers)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def steps(dispatcher: Dispatcher, times: int = 3) -> None:
    """Steps of the dispatcher in which all periodic tasks are due."""
    for _ in range(times):
        dispatcher._due = [0.0] * len(dispatcher._due)
        dispatcher.step()


def test_one_groups_damaged_manifest_stops_no_other_group(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.prepare()
    metrics = {"metrics": [METRIC], "metricsOutputConfig": {"roleArn": ROLE}}
    groups = [group(world, name) for name in ("broken", "whole")]
    solutions = []
    for each in groups:
        created = world.call("create_solution", name=each[-6:], datasetGroupArn=each, recipeArn=SIMS)
        solutions.append(created["solutionArn"])
        world.call("create_metric_attribution", name=each[-6:], datasetGroupArn=each, **metrics)
        put(world, each, "a")
    whole = world.dataset
    world.dataset = whole.replace("whole", "broken")
    path = damage_manifest(world)
    world.now += HOUR
    dispatcher = Dispatcher(world.workspace)
    steps(dispatcher, 4)
    assert [version["status"] for version in world.versions(solutions[1])] == ["ACTIVE"]
    assert world.versions(solutions[0]) == []
    assert dataset.waiting(world.workspace) == {world.dataset: 1}, "the events of the other were compacted"
    assert attributed(world) == 1, "the events of the other were counted"
    told = [record.of for record in errors(caplog)]
    assert len(told) == len(set(told)) <= 4, "once each"
    assert all("broken" in of for of in told)
    assert path.exists()


def test_a_failing_clean_up_stops_no_job_and_keeps_its_group(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    world.prepare()
    drop = world.workspace.tables.drop
    place = lookup.dataset(world.workspace, world.workspace.catalogue.get(world.dataset)).place

    def refuse(key: str) -> None:
        if key == place:
            raise PermissionError(13, "Permission denied", key)
        drop(key)

    monkeypatch.setattr(world.workspace.tables, "drop", refuse)
    world.call("delete_dataset", datasetArn=world.dataset)
    world.call("delete_dataset_group", datasetGroupArn=world.group)
    old = world.dataset
    (world.files / "rows.csv").write_bytes(interactions_csv(0))
    schema = world.workspace.arn_prefix + "schema/Interactions-schema"
    other = world.call("create_dataset_group", name="other")["datasetGroupArn"]
    world.dataset = world.call(
        "create_dataset", name="o", datasetType="Interactions", datasetGroupArn=other, schemaArn=schema
    )["datasetArn"]
    world.call("create_event_tracker", name="t", datasetGroupArn=other)
    tracker = world.workspace.catalogue.select("EventTracker")[0][1]["eventTrackerArn"]
    world.call("delete_event_tracker", eventTrackerArn=tracker)
    source = {"dataLocation": f"file://{world.files}/rows.csv"}
    job = world.call(
        "create_dataset_import_job", jobName="j", datasetArn=world.dataset, dataSource=source, roleArn=ROLE
    )
    world.now += 1
    dispatcher = Dispatcher(world.workspace)
    steps(dispatcher)
    assert world.call("describe_dataset_import_job", **job)["datasetImportJob"]["status"] == "ACTIVE"
    assert world.workspace.catalogue.get(tracker) is None
    assert world.workspace.catalogue.get(old)["status"].startswith("DELETE")
    assert world.workspace.catalogue.get(world.group) is not None, "a group goes after its parts"
    (told,) = errors(caplog)
    assert old in told.of
    assert place in told.error
    monkeypatch.undo()
    wait_for(lambda: steps(dispatcher) or world.workspace.catalogue.get(old) is None)
    assert world.workspace.catalogue.get(world.group) is None
    assert "works again" in caplog.messages


def test_a_page_of_the_catalogue_that_cannot_be_read_stops_no_other_document(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Documents that are longer than a page, so that a damaged page is of one alone."""
    world.prepare()
    arns = []
    for name in ("one", "two", "three"):
        arn = f"{world.workspace.arn_prefix}filter/{name}"
        document = {"filterArn": arn, "status": "DELETE PENDING", "_deletedAt": world.now, "padding": name * 9000}
        world.workspace.catalogue.insert("Filter", arn, document)
        arns.append(arn)
    world.workspace.catalogue.close()
    file = world.workspace.config.data_dir / "catalogue.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        size = connection.execute("pragma page_size").fetchone()[0]
    whole = file.read_bytes()
    pages = [start for start in range(0, len(whole), size) if b"two" * 1000 in whole[start : start + size]]
    with file.open("r+b") as opened:
        opened.seek(pages[0])
        opened.write(b"\xff" * size)
    again = Catalogue(world.workspace.config.catalogue_url)
    world.workspace = dataclasses.replace(world.workspace, catalogue=again)
    dispatcher = Dispatcher(world.workspace)
    steps(dispatcher, 5)
    assert world.workspace.catalogue.get(arns[0]) is None
    assert world.workspace.catalogue.get(arns[2]) is None
    (told,) = errors(caplog)
    assert str(file) in told.error
    assert "backup" in told.error
    assert told.exc_info is None


def test_what_another_process_begins_is_noticed_by_a_dispatcher_that_had_nothing_to_do(world: World) -> None:
    world.prepare()
    dispatcher = Dispatcher(world.workspace)
    steps(dispatcher)
    assert not dispatcher._moving
    beside = Catalogue(world.workspace.config.catalogue_url)
    arn = f"{world.workspace.arn_prefix}filter/gone"
    beside.insert("Filter", arn, {"filterArn": arn, "status": "DELETE PENDING", "_deletedAt": world.now + 1})
    dispatcher.step()
    assert dispatcher._moving
    dispatcher.step()
    assert dispatcher._moving, "it waits for its time, though no document changes"
    world.now += 1
    dispatcher.step()
    assert beside.get(arn) is None
    dispatcher.step()
    assert not dispatcher._moving
    beside.close()


def test_a_fault_is_told_once_and_tried_later_and_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now, tries, reason = [0.0], list[float](), ["first"]
    faults = Faults(lambda: now[0])

    def task() -> None:
        tries.append(now[0])
        if reason[0]:
            raise OSError(reason[0])

    while now[0] < 2 * HOUR:
        assert not faults.attempt("it", task)
        now[0] += 0.5
    assert tries[:6] == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]
    assert max(b - a for a, b in itertools.pairwise(tries)) == LONGEST_SECONDS
    assert len(caplog.records) == 1
    reason[0] = "second"
    now[0] += LONGEST_SECONDS
    faults.attempt("it", task)
    assert len(caplog.records) == 2
    reason[0] = ""
    now[0] += LONGEST_SECONDS
    assert faults.attempt("it", task)
    assert caplog.messages[-1] == "works again"
    assert faults.attempt("it", task)
    assert len(caplog.records) == 3


def test_a_clock_that_is_put_back_freezes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.prepare()
    world.load("first", 0)
    dispatcher = Dispatcher(world.workspace)
    solution = world.solution()
    other = world.solution("other", performAutoTraining=False)
    version = world.call("create_solution_version", solutionArn=other)["solutionVersionArn"]
    filter_ = world.call(
        "create_filter",
        name="f",
        datasetGroupArn=world.group,
        filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    )["filterArn"]
    job = world.workspace.catalogue.update(
        version,
        lambda old: (
            old | {"status": "CREATE IN_PROGRESS", "_attempts": 1, "_owner": "gone", "_leaseUntil": world.now + 6}
        ),
    )
    assert job
    world.call("delete_filter", filterArn=filter_)
    world.call("update_solution", solutionArn=other, performAutoTraining=False)
    world.now -= DAY
    steps(dispatcher, 4)
    assert world.workspace.catalogue.get(filter_) is None
    updated = world.call("describe_solution", solutionArn=other)["solution"]["latestSolutionUpdate"]
    assert updated["status"] == "ACTIVE"
    assert world.workspace.catalogue.get(version)["status"] == "ACTIVE", "nobody holds the lease"
    assert [each["status"] for each in world.versions(solution)] == ["ACTIVE"], "its first training"
    assert "the clock was put back" in caplog.messages
    world.load("second", 1)
    world.now += 1
    steps(dispatcher)
    assert len(world.versions(solution)) == 1, "the next one is due a week after the first"


def test_a_stopped_training_ends_though_the_clock_was_put_back(world: World) -> None:
    world.prepare()
    solution = world.solution(performAutoTraining=False)
    version = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
    running = {"status": "CREATE IN_PROGRESS", "_attempts": 1, "_owner": "other", "_leaseUntil": world.now + 6}
    world.workspace.catalogue.update(version, lambda old: old | running)
    world.call("stop_solution_version_creation", solutionVersionArn=version)
    world.now -= DAY
    steps(Dispatcher(world.workspace))
    assert world.workspace.catalogue.get(version)["status"] == "CREATE STOPPED"


def test_what_was_looked_at_in_the_future_is_looked_at_again(world: World) -> None:
    """A solution that had no news an hour ahead of the clock, and a recommender's or model's last update there."""
    world.prepare()
    world.load("first", 0)
    solution = world.solution()
    world.later(HOUR)
    world.later(8 * DAY)
    assert len(world.versions(solution)) == 1
    world.load("second", 1)
    world.now -= DAY
    world.later(1)
    assert len(world.versions(solution)) == 2


@pytest.mark.parametrize(
    ("at", "is_due"), [(0, True), (100, True), (101, False), (160 + due.SLACK, False), (161 + due.SLACK, True)]
)
def test_due(at: float, is_due: bool) -> None:
    assert due.is_due(at, 60, 100) is is_due


def test_nothing_is_killed_but_what_the_executor_started(world: World) -> None:
    """A stopped job's document names a process, as older versions wrote; it is an innocent one by now."""
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        world.prepare()
        solution = world.solution(performAutoTraining=False)
        version = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        stopped = {
            "status": "CREATE STOPPING",
            "_owner": "o",
            "_process": innocent.pid,
            "lastUpdatedDateTime": world.now - 10,
        }
        world.workspace.catalogue.update(version, lambda old: old | stopped)
        dispatcher = Dispatcher(world.workspace)
        waiting: Any = executors.Future()
        dispatcher._running[version] = waiting
        dispatcher.step()
        assert world.workspace.catalogue.get(version)["status"] == "CREATE STOPPED"
        time.sleep(0.1)
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def long_step(config: Config) -> None:
    """Work that notices no stop."""
    (config.data_dir / "began").touch()
    time.sleep(3600)


def test_the_end_of_a_stopped_job_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path, workers=1)
    dispatcher = Dispatcher(world.workspace)
    try:
        world.prepare()
        solution = world.solution(performAutoTraining=False)
        version = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        dispatcher._begin(version, long_step)
        wait_for((world.workspace.config.data_dir / "began").exists)
        running = dispatcher._running[version]
        stopped = {"status": "CREATE STOPPING", "_owner": "o", "lastUpdatedDateTime": world.now - 10}
        world.workspace.catalogue.update(version, lambda old: old | stopped)
        dispatcher.step()
        wait_for(running.done)
        dispatcher.step()
        assert world.workspace.catalogue.get(version)["status"] == "CREATE STOPPED"
        # The world's clock stands still, which on a busy machine is told.
        others = [record for record in caplog.records if record.name != due.__name__]
        assert [record for record in others if record.levelno > logging.INFO] == []
    finally:
        dispatcher._executor.shutdown()
        world.workspace.close()


def wait_in_file(path: Path) -> int:
    """A call that goes on until the file is there; answers its process."""
    path.with_suffix(".pid").write_text(str(os.getpid()))
    while not path.exists():
        time.sleep(0.02)
    return os.getpid()


def test_the_end_of_one_call_is_felt_by_no_other(tmp_path: Path) -> None:
    executor = executors.start(Config(workers=2))
    try:
        first, second, third = (executor.submit(wait_in_file, tmp_path / str(number)) for number in range(3))
        wait_for(lambda: (tmp_path / "0.pid").exists() and (tmp_path / "1.pid").exists(), 120)
        executor.end(third)  # waits for a process
        executor.end(first)
        with pytest.raises(executors.BrokenExecutor):
            first.result(300)
        wait_for((tmp_path / "2.pid").exists)
        executor.end(first)  # whose process is gone, and its place taken
        for number in (1, 2):
            (tmp_path / str(number)).touch()
        assert second.result(300) == int((tmp_path / "1.pid").read_text())
        assert third.result(300) == int((tmp_path / "2.pid").read_text())
    finally:
        executor.shutdown()

"""What a job tells while it runs; a stopped one ends within seconds, and the jobs beside it notice nothing."""

from __future__ import annotations

import dataclasses
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import wait_for
from tailorbird import config as configuration
from tailorbird.api import extensions
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.cli import report
from tailorbird.config import Config
from tailorbird.jobs import lease, worker
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.recipes.recipe import Epoch, Progress
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

KIND = "SolutionVersion"
ARN = "arn:aws:personalize:us-east-1:123456789012:solution/silent/"


def train(workspace: Workspace, document: Document, progress: Progress) -> Document:
    """A job that does as its name says."""
    name, folder = document["hexId"], workspace.config.data_dir
    (folder / f"{name}.process").write_text(str(os.getpid()))
    (folder / name).touch()
    if name == "forever":
        sum(range(10**15))  # one step of hours, in which no other thread of the process runs
    while name == "telling" and not (folder / "enough").exists():
        progress(0.25, Epoch(3, 10, 2.5, validation=0.125, during="training on everyone"))
        time.sleep(0.1)
    time.sleep(5 if name == "short" else 0)
    return {}


def run_in_tests(config: Config, kind: str, arn: str) -> None:
    """What a worker does in these tests."""
    RESOURCES[kind] = dataclasses.replace(RESOURCES[kind], job=train)
    worker.run(config, kind, arn)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An installation with two workers and without an HTTP server."""
    opened = open_workspace(configuration.load({}, data_dir=tmp_path / "data", workers=2))
    monkeypatch.setattr(worker, "run", run_in_tests)
    dispatcher = Dispatcher(opened)
    dispatcher.start()
    yield opened
    dispatcher.stop()
    opened.close()


def begin(workspace: Workspace, *names: str) -> None:
    for name in names:
        document = {"status": "CREATE PENDING", "solutionVersionArn": ARN + name, "hexId": name}
        workspace.catalogue.insert(KIND, ARN + name, document)
    wait_for(lambda: all((workspace.config.data_dir / name).exists() for name in names))


def progress(workspace: Workspace, name: str) -> dict[str, Any]:
    return OPERATIONS["get_job_progress"](workspace, {"jobArn": ARN + name}) or {}


def test_a_training_tells_how_far_it_is(workspace: Workspace) -> None:
    begin(workspace, "telling")
    told = wait_for(lambda: (found := progress(workspace, "telling")).get("epoch") and found)
    assert told["message"] == "training on everyone: epoch 3/10 loss 2.50 validation 0.1250"
    assert (told["share"], told["epoch"], told["epochs"]) == (0.25, 3, 10)
    assert (told["loss"], told["validation"]) == (2.5, 0.125)
    asked = time.time()
    elapsed = asked - told["startedDateTime"]
    assert 0 < told["estimatedSecondsLeft"] <= 3 * elapsed + 0.1, "three quarters are left of what took so long"
    (workspace.config.data_dir / "enough").touch()
    wait_for(lambda: progress(workspace, "telling")["status"] == "ACTIVE")
    ended = progress(workspace, "telling")
    assert (ended["share"], ended["estimatedSecondsLeft"]) == (1.0, None)


@contextmanager
def claimed(workspace: Workspace, name: str) -> Iterator[lease.Lease]:
    """A lease of a job that nobody else does."""
    claim = {"status": "CREATE IN_PROGRESS", "_owner": "me", "_started": time.time(), "_leaseUntil": time.time() + 60}
    workspace.catalogue.insert(KIND, ARN + name, {"solutionVersionArn": ARN + name, **claim})
    with lease.Lease(workspace, RESOURCES[KIND], ARN + name, "me") as held:
        yield held


def test_the_log_has_a_line_a_step(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", lease.log.name)
    with claimed(workspace, "logged") as held:
        for number in range(25):
            held.progress(0.25, Epoch(number, 100, 2.5 / (number + 1)))
            time.sleep(0.1)
    told = [record for record in caplog.records if record.message == "job progress"]
    assert 1 <= len(told) <= 2, "one as it began, and one for all epochs"


def test_numbers_of_numpy_are_told_too(workspace: Workspace) -> None:
    with claimed(workspace, "numpy") as held:
        told = Epoch(np.int64(3), np.int32(10), np.float32(2.5), validation=np.float64("nan"))  # type: ignore[arg-type]
        held.progress(np.float64(0.25), told)
        wait_for(lambda: progress(workspace, "numpy").get("epoch") == 3)
    assert {type(value) for value in held.latest.values()} == {float, int, str}
    workspace.catalogue.insert(KIND, ARN + "metrics", {"status": "ACTIVE", "_metrics": {"coverage": np.float64(0.5)}})
    assert (workspace.catalogue.get(ARN + "metrics") or {})["_metrics"] == {"coverage": 0.5}


def test_a_lease_goes_on_after_whatever_failed(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.levelname == "ERROR"]

    def database(statement: str) -> None:
        with closing(sqlite3.connect(workspace.config.data_dir / "catalogue.db")) as connection, connection:
            connection.execute(statement)

    with claimed(workspace, "troubled") as held:
        held.progress(0.1, "counting")
        wait_for(lambda: progress(workspace, "troubled")["message"] == "counting")
        database("CREATE TRIGGER f BEFORE UPDATE ON documents BEGIN SELECT RAISE(ABORT, 'refused'); END")
        for number in range(3):
            held.progress(0.2, f"learning {number}")
            time.sleep(lease.LOOK_SECONDS)
        wait_for(fails)
        database("DROP TRIGGER f")
        wait_for(lambda: progress(workspace, "troubled")["message"] == "learning 2")
        assert len(fails()) == 1, "told once"
        workspace.catalogue.update(ARN + "troubled", lambda document: document | {"status": "CREATE STOPPED"})
        with pytest.raises(lease.LeaseLost):
            wait_for(lambda: held.progress(0.3, f"learning at {time.time()}"))


def test_an_estimate_that_has_run_out_is_none(workspace: Workspace) -> None:
    latest = {"share": 0.4, "text": "training", "ends": 1000.0}
    assert lease._left(latest, 999.9) == {"secondsLeft": 1}
    assert lease._left(latest, 1000.0) == lease._left(latest, 1368.0) == {"longerThanEstimated": True}
    assert lease._left({"share": 0.0, "text": "starting"}, 1368.0) == {}
    document = {"status": "CREATE IN_PROGRESS", "_progress": latest}
    for now, left in ((400.0, 600.0), (1000.0, None), (1368.0, None)):
        then = dataclasses.replace(workspace, clock=lambda now=now: now)
        assert extensions.progress(then, ARN, document)["estimatedSecondsLeft"] == left
        assert extensions.progress(then, ARN, document | {"status": "CREATE FAILED"})["estimatedSecondsLeft"] is None
    for now, said in (
        (-2600.0, ", about 60 min left"),
        (999.8, ", about 1 s left"),
        (1368.0, ", longer than estimated: 21 min so far"),
    ):
        then = dataclasses.replace(workspace, clock=lambda now=now: now)
        assert report._progress(then, ARN, document | {"_started": 100.0}) == f"40% training{said}"


def test_an_import_passes_trainings_that_wait(workspace: Workspace) -> None:
    """Of which there are as many as workers, and one more."""
    trainings = [ARN + name for name in ("first", "second", "third")]
    for arn in trainings:
        document = {"status": "CREATE PENDING", "solutionVersionArn": arn, "hexId": "telling"}
        workspace.catalogue.insert(KIND, arn, document)
    imported = f"{workspace.arn_prefix}dataset-import-job/quick"
    document = {"status": "CREATE PENDING", "datasetImportJobArn": imported, "datasetArn": "d", "hexId": "quick"}
    workspace.catalogue.insert("DatasetImportJob", imported, document)

    def states() -> list[str]:
        return [document["status"] for arn in (*trainings, imported) if (document := workspace.catalogue.get(arn))]

    wait_for(lambda: states() == ["CREATE IN_PROGRESS", "CREATE IN_PROGRESS", "CREATE PENDING", "ACTIVE"])
    assert progress(workspace, "third")["message"] == "waiting for a worker: 2 trainings before it"
    (workspace.config.data_dir / "enough").touch()
    wait_for(lambda: set(states()) == {"ACTIVE"})


def test_a_silent_training_is_stopped_and_its_neighbour_goes_on(workspace: Workspace) -> None:
    begin(workspace, "forever", "short")

    def document(name: str) -> Document:
        found = workspace.catalogue.get(ARN + name)
        assert found is not None
        return found

    worker = Path("/proc") / (workspace.config.data_dir / "forever.process").read_text()
    assert worker.exists()
    OPERATIONS["stop_solution_version_creation"](workspace, {"solutionVersionArn": ARN + "forever"})
    wait_for(lambda: not worker.exists() and document("forever")["status"] == "CREATE STOPPED")
    wait_for(lambda: document("short")["status"] == "ACTIVE")
    assert document("short")["_attempts"] == 1
    begin(workspace, "third")
    wait_for(lambda: document("third")["status"] == "ACTIVE")

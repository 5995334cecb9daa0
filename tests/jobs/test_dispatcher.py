"""What a job tells while it runs; a stopped one ends within seconds, and the jobs beside it notice nothing."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import wait_for
from tailorbird import config as configuration
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
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


def test_the_log_has_a_line_a_step(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", lease.log.name)
    claim = {"status": "CREATE IN_PROGRESS", "_owner": "me", "_leaseUntil": time.time() + 60}
    workspace.catalogue.insert(KIND, ARN + "logged", {"solutionVersionArn": ARN + "logged", **claim})
    with lease.Lease(workspace, RESOURCES[KIND], ARN + "logged", "me") as held:
        for number in range(25):
            held.progress(0.25, Epoch(number, 100, 2.5 / (number + 1)))
            time.sleep(0.1)
    told = [record for record in caplog.records if record.message == "job progress"]
    assert 1 <= len(told) <= 2, "one as it began, and one for all epochs"


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

"""A stopped job ends within seconds, whatever it is at; the jobs beside it notice nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import wait_for
from tailorbird import config as configuration
from tailorbird.api import jobs
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.recipes.recipe import Progress
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

KIND = "SolutionVersion"
ARN = "arn:aws:personalize:us-east-1:123456789012:solution/silent/"


def silent(workspace: Workspace, document: Document, progress: Progress) -> Document:
    """A training whose only step takes hours and never lets the interpreter go, one of five seconds, or none at all."""
    (workspace.config.data_dir / document["hexId"]).touch()
    if document["hexId"] == "forever":
        sum(range(10**15))
    time.sleep(5 if document["hexId"] == "short" else 0)
    return {}


def run_silently(config: Config, kind: str, arn: str) -> None:
    """What a worker does in these tests."""
    RESOURCES[kind] = dataclasses.replace(RESOURCES[kind], job=silent)
    jobs.run(config, kind, arn)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An installation with two workers and without an HTTP server."""
    opened = open_workspace(configuration.load({}, data_dir=tmp_path / "data", workers=2))
    monkeypatch.setattr(jobs, "run", run_silently)
    dispatcher = jobs.Dispatcher(opened)
    dispatcher.start()
    yield opened
    dispatcher.stop()
    opened.close()


def test_a_silent_training_is_stopped_and_its_neighbour_goes_on(workspace: Workspace) -> None:
    for name in ("forever", "short"):
        document = {"status": "CREATE PENDING", "solutionVersionArn": ARN + name, "hexId": name}
        workspace.catalogue.insert(KIND, ARN + name, document)
    wait_for(lambda: all((workspace.config.data_dir / name).exists() for name in ("forever", "short")))

    def document(name: str) -> Document:
        found = workspace.catalogue.get(ARN + name)
        assert found is not None
        return found

    worker = Path("/proc") / str(document("forever")["_process"])
    assert worker.exists()
    began = time.monotonic()
    OPERATIONS["stop_solution_version_creation"](workspace, {"solutionVersionArn": ARN + "forever"})
    wait_for(lambda: not worker.exists() and document("forever")["status"] == "CREATE STOPPED", 10)
    assert time.monotonic() - began < 5
    wait_for(lambda: document("short")["status"] == "ACTIVE", 30)
    assert document("short")["_attempts"] == 1
    third = {"status": "CREATE PENDING", "solutionVersionArn": ARN + "third", "hexId": "third"}
    workspace.catalogue.insert(KIND, ARN + "third", third)
    wait_for(lambda: document("third")["status"] == "ACTIVE", 30)

"""Two runs of one job at a time: what becomes visible is that of the run which holds the claim, and of no other."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from support import wait_for
from tailorbird.api.lifecycle import JobFailed
from tailorbird.api.resources import RESOURCES, recommender_training
from tailorbird.jobs import worker
from tailorbird.recipes.recipe import Progress
from tailorbird.storage.artifacts import ModelManifest
from tailorbird.storage.catalogue import Document
from tailorbird.storage.part_writer import FULL
from tailorbird.workspace import Workspace
from world import World

ARN = "arn:aws:personalize:us-east-1:123456789012:solution/s/0a"
TABLE = "arn:aws:personalize:us-east-1:123456789012:dataset/g/INTERACTIONS"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, lease_seconds=1000.0)
    made.workspace.catalogue.insert("SolutionVersion", ARN, {"status": "CREATE PENDING", "solutionVersionArn": ARN})
    yield made
    made.workspace.close()


Write = Callable[[Workspace, str, Callable[[], None]], None]
"""(workspace, name of the run, what waits until the run may go on)."""


def train(workspace: Workspace, name: str, wait: Callable[[], None]) -> None:
    """Writes a model of two files, and waits between them."""
    with workspace.artifacts.publish(ARN, ModelManifest(name, 0), []) as artifact:
        (artifact.model / "first").write_text(name)
        wait()
        (artifact.model / "second").write_text(name)


def load(workspace: Workspace, name: str, wait: Callable[[], None]) -> None:
    """Writes a part of a table, and waits before it is to be seen."""
    with workspace.tables.begin(TABLE, f"import {name}") as part:
        part.write(pl.DataFrame({"A": [name]}))
        wait()
        part.commit(FULL)


def erase(workspace: Workspace, name: str, wait: Callable[[], None]) -> None:
    """Removes all rows of a table, in one of its runs after a while."""
    wait()
    workspace.tables.remove(TABLE, f"erasure {name}", lambda columns: pl.lit(True))


class Run:
    """One run of the job, in a thread: it begins, waits, and goes on when told."""

    def __init__(self, world: World, name: str, write: Write, fails: bool = False) -> None:
        self.begun, self.going = threading.Event(), threading.Event()

        def wait() -> None:
            self.begun.set()
            assert self.going.wait(300)

        def job(workspace: Workspace, document: Document, progress: Progress) -> Document:
            write(workspace, name, wait)
            if fails:
                raise JobFailed("of itself")
            return {"of": name}

        resource = dataclasses.replace(RESOURCES["SolutionVersion"], job=job)
        self.thread = threading.Thread(target=worker.work, args=(world.workspace, resource, ARN))
        self.thread.start()
        assert self.begun.wait(300)

    def end(self) -> None:
        self.going.set()
        self.thread.join(300)
        assert not self.thread.is_alive()


def state(world: World) -> Any:
    document = world.workspace.catalogue.get(ARN)
    assert document is not None
    return document["status"], document.get("of"), document["_attempts"]


def model(world: World) -> set[str]:
    with world.workspace.artifacts.open(ARN) as artifact:
        return {path.read_text() for path in artifact.model.iterdir()}


def beside(world: World) -> list[str]:
    return [path.name for path in (world.workspace.config.data_dir / "artifacts/us-east-1/s").iterdir()]


def test_a_run_that_lost_its_claim_does_not_replace_a_model_in_service(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    silent = Run(world, "silent", train)
    world.now += 2000
    second = Run(world, "second", train)
    second.end()
    assert (state(world), model(world)) == (("ACTIVE", "second", 2), {"second"})
    silent.end()
    assert (state(world), model(world)) == (("ACTIVE", "second", 2), {"second"})
    assert beside(world) == ["0a"]
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == [
        "job given up: it was stopped, or its lease is lost"
    ]


def test_two_runs_at_a_time_do_not_share_a_folder(world: World) -> None:
    silent = Run(world, "silent", train)
    world.now += 2000
    second = Run(world, "second", train)
    assert len(beside(world)) == 2
    silent.end()
    assert len(beside(world)) == 1, "what the first wrote is gone, what the second writes is not"
    second.end()
    assert (state(world), model(world), beside(world)) == (("ACTIVE", "second", 2), {"second"}, ["0a"])


def test_what_a_dead_run_left_goes_with_the_next_publication(world: World) -> None:
    folder = world.workspace.config.data_dir / "artifacts/us-east-1/s"
    for left in (".0a.fresh", ".0a.dead.fresh", ".0a.dead.old", ".0b.other.fresh"):
        (folder / left).mkdir(parents=True)
    Run(world, "only", train).end()
    assert sorted(beside(world)) == [".0b.other.fresh", "0a"]


def test_a_model_is_published_again_by_a_run_whose_worker_died_before_it_said_so(world: World) -> None:
    train(world.workspace, "before", lambda: None)
    Run(world, "after", train).end()
    assert (model(world), beside(world)) == ({"after"}, ["0a"])


@pytest.mark.parametrize("status", ["CREATE FAILED", "CREATE STOPPING", None])
def test_rows_of_a_run_that_lost_its_claim_are_never_seen(world: World, status: str | None) -> None:
    """The job failed meanwhile, is being stopped, or its document is gone."""
    silent = Run(world, "silent", load)
    if status is None:
        world.workspace.catalogue.delete(ARN)
    else:
        world.workspace.catalogue.update(ARN, lambda old: old | {"status": status})
    silent.end()
    assert world.workspace.tables.rows(TABLE) == 0
    assert not list((world.workspace.config.data_dir / "tables").rglob("*.parquet"))


def test_rows_are_not_removed_by_a_run_that_lost_its_claim(world: World) -> None:
    load(world.workspace, "before", lambda: None)
    silent = Run(world, "silent", erase)
    world.now += 2000
    Run(world, "second", load, fails=True).end()
    silent.end()
    assert state(world)[0] == "CREATE FAILED"
    assert world.workspace.tables.read(TABLE)["A"].to_list() == ["second"]


def test_a_claim_is_not_taken_while_something_becomes_visible(world: World) -> None:
    taken = []

    def during(workspace: Workspace, name: str, wait: Callable[[], None]) -> None:
        wait()
        with workspace.artifacts._fence.held():
            world.now += 2000
            other = threading.Thread(target=lambda: taken.append(claim()))
            other.start()
            other.join(1)
            assert not taken

    def claim() -> Any:
        return worker.lease.claim(world.workspace, RESOURCES["SolutionVersion"], ARN, "other")

    run = Run(world, "only", during)
    run.end()
    wait_for(lambda: taken)


def test_a_recommender_gets_the_model_of_the_run_that_holds_the_claim(world: World) -> None:
    arn = "arn:aws:personalize:us-east-1:123456789012:recommender/r"
    training = f"{arn}/0b"
    catalogue = world.workspace.catalogue
    catalogue.insert("Recommender", arn, {"status": "ACTIVE", "recommenderArn": arn})
    catalogue.insert("RecommenderTraining", training, {"status": "CREATE IN_PROGRESS", "_owner": "second"})
    for owner, artifact in (("silent", None), ("second", training)):
        recommender_training._replace(world.workspace, arn, training, {"_metrics": {}}, owner)
        document = catalogue.get(arn)
        assert document is not None
        assert document.get("_artifact") == artifact

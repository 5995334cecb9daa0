"""An installation without a server, in the test's own process and with a clock of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from journeys.steps import INTERACTIONS_SCHEMA, interactions_csv
from support import ROLE
from tailorbird import config as configuration
from tailorbird.api import transitions, updates
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.jobs import schedule, worker
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

SIMS = "arn:aws:personalize:::recipe/aws-sims"


class World:
    """Its clock stands still until it is turned."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = 1_700_000_000.0
        (folder / "files").mkdir()
        config = configuration.load({}, data_dir=folder / "data", file_roots=(folder / "files",), **settings)
        self.files = folder / "files"
        self.workspace: Workspace = open_workspace(config, lambda: self.now)

    def call(self, function: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.to_builtins(OPERATIONS[function](self.workspace, request) or {})
        return answer

    def later(self, seconds: float) -> None:
        """Turns the clock, and lets the dispatcher's work be done."""
        self.now += seconds
        transitions.advance(self.workspace)
        schedule.tick(self.workspace)
        for arn in updates.due(self.workspace):
            updates.update(self.workspace, self.workspace.catalogue.get(arn))
        self.work()

    def work(self) -> None:
        for arn, kind, _ in self.workspace.catalogue.with_status(["CREATE PENDING"]):
            worker.work(self.workspace, RESOURCES[kind], arn)

    def load(self, name: str, seed: int) -> None:
        """Imports made-up interactions."""
        self.fill(self.dataset, name, interactions_csv(seed))

    def fill(self, dataset: str, name: str, body: bytes, **more: str) -> None:
        (self.files / f"{name}.csv").write_bytes(body)
        created = self.call(
            "create_dataset_import_job",
            jobName=name,
            datasetArn=dataset,
            dataSource={"dataLocation": f"file://{self.files}/{name}.csv"},
            roleArn=ROLE,
            **more,
        )
        self.work()
        (job,) = self.call("describe_dataset_import_job", **created).values()
        assert job["status"] == "ACTIVE", job

    def made(self, kind: str, schema: dict[str, Any]) -> str:
        """A dataset of the group."""
        arn = self.call("create_schema", name=f"{kind}-schema", schema=json.dumps(schema))["schemaArn"]
        dataset = self.call("create_dataset", name=kind, datasetType=kind, datasetGroupArn=self.group, schemaArn=arn)
        return str(dataset["datasetArn"])

    def prepare(self, interactions: dict[str, Any] = INTERACTIONS_SCHEMA) -> None:
        """A group with a dataset of interactions, which is empty."""
        self.group = self.call("create_dataset_group", name="g")["datasetGroupArn"]
        self.dataset = self.made("Interactions", interactions)

    def solution(self, name: str = "auto", **request: Any) -> str:
        created = self.call("create_solution", name=name, datasetGroupArn=self.group, **({"recipeArn": SIMS} | request))
        return str(created["solutionArn"])

    def versions(self, solution: str) -> list[Document]:
        return self.call("list_solution_versions", solutionArn=solution)["solutionVersions"]

"""kill -9 at any moment of an import, an export, a deletion, and of recording and compacting events meanwhile.

After each restart every acknowledged event is there exactly once, wherever it lies, and every result is whole.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey
from support import ROLE, Server, settled, wait_for
from tailorbird import config
from tailorbird.api import lookup
from tailorbird.data import datasets
from tailorbird.data.datasets import SESSION
from tailorbird.workspace import open_workspace

ROUNDS = 100 if os.environ.get("TAILORBIRD_LONG") else 4
LATEST_KILL = 1.5
"""Seconds after its start at which a job is interrupted at the latest; each takes about a second."""
ROWS = 60_000
ENDED = ("ACTIVE", "COMPLETED", "CREATE FAILED", "FAILED")


class Rounds:
    """A server that is killed again and again, and what must be in it."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder / "data", lease_seconds=2, compaction_events=40).start()
        self.way = Journey(self.server, "kills")
        self.way.s3.create_bucket(Bucket=self.way.bucket)
        self.way.arns["group"] = self.way.personalize.create_dataset_group(name="kills")["datasetGroupArn"]
        self.way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
        self.way.arns["tracker"] = self.way.tracker()
        self.bulk = {""}
        """Names of the imports one of which must be there, whole."""
        self.acknowledged: dict[str, set[str]] = {}
        """User to items of events that were acknowledged."""
        self.uncertain: dict[str, set[str]] = {}
        """The same of events whose call was cut off: all of a call or none."""
        self.deleting = ""
        """The user who is being deleted."""

    def write(self, user: str) -> None:
        """Puts events until the server is gone."""
        events = self.server.client("personalize-events")
        mine = self.acknowledged.setdefault(user, set())
        number = 0
        while True:
            items = [f"{user} item {number + each}" for each in range(10)]
            number += 10
            batch = [{"sentAt": 1_700_000_000, "eventType": "watch", "itemId": item} for item in items]
            try:
                events.put_events(trackingId=self.way.arns["tracker"], sessionId="s", userId=user, eventList=batch)
            except (BotoCoreError, ClientError):
                self.uncertain[user] = set(items)
                return
            mine.update(items)

    def interrupt(self, user: str, delay: float) -> None:
        """Kills the server after `delay` seconds of writing, and starts it again."""
        writer = threading.Thread(target=self.write, args=(user,))
        writer.start()
        time.sleep(delay)
        self.server.kill()
        writer.join()
        self.server.start()
        arns = self.way.arns
        self.way = Journey(self.server, "kills")
        self.way.arns = arns

    def check(self) -> None:
        """Reads the rows where they lie, repetitions and all."""
        workspace = open_workspace(config.load({}, data_dir=self.server.data_dir))
        document = workspace.catalogue.get(self.way.arns["INTERACTIONS"])
        assert document is not None
        rows, _ = datasets.rows(workspace, lookup.dataset(workspace, document))
        workspace.close()
        imported = rows.filter(pl.col(SESSION).is_null())["ITEM_ID"].to_list()
        assert set(imported) in [{name} - {""} for name in self.bulk]
        assert len(imported) in (0, ROWS)
        found = Counter(rows.filter(pl.col(SESSION).is_not_null())["ITEM_ID"].to_list())
        assert set(found.values()) <= {1}
        for user, items in self.acknowledged.items():
            if user != self.deleting:
                assert items <= found.keys()
        for items in self.uncertain.values():
            assert len(items & found.keys()) in (0, len(items))
        known = set().union(*self.acknowledged.values(), *self.uncertain.values())
        assert found.keys() <= known

    def begin_import(self, name: str) -> Any:
        rows = "".join(f"{number % 977},{name},click,{1_600_000_000 + number}\n" for number in range(ROWS))
        body = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n" + rows
        self.way.s3.put_object(Bucket=self.way.bucket, Key=f"{name}.csv", Body=body.encode())
        self.bulk.add(name)
        arn = self.way.personalize.create_dataset_import_job(
            jobName=name,
            datasetArn=self.way.arns["INTERACTIONS"],
            dataSource={"dataLocation": f"s3://{self.way.bucket}/{name}.csv"},
            roleArn=ROLE,
        )["datasetImportJobArn"]

        def end() -> None:
            ended = settled(
                self.way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn
            )
            assert ended["status"] == "ACTIVE", ended.get("failureReason")
            self.bulk = {name}

        return end

    def begin_export(self, name: str) -> Any:
        before = set().union(*self.acknowledged.values())
        arn = self.way.personalize.create_dataset_export_job(
            jobName=name,
            datasetArn=self.way.arns["INTERACTIONS"],
            ingestionMode="PUT",
            roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": f"s3://{self.way.bucket}/out"}},
        )["datasetExportJobArn"]

        def end() -> None:
            self.whole(name, before, needed=False)
            ended = settled(
                self.way.personalize.describe_dataset_export_job, "datasetExportJob", datasetExportJobArn=arn
            )
            assert ended["status"] == "ACTIVE", ended.get("failureReason")
            self.whole(name, before, needed=True)

        return end

    def whole(self, name: str, items: set[str], *, needed: bool) -> None:
        """The exported file holds all these items, or is not there."""
        try:
            body = self.way.s3.get_object(Bucket=self.way.bucket, Key=f"out/{name}.csv")["Body"].read().decode()
        except self.way.s3.exceptions.NoSuchKey:
            assert not needed
            return
        assert body.endswith("\n")
        assert items <= {line.split(",")[1] for line in body.splitlines()[1:]}

    def begin_deletion(self, name: str) -> Any:
        self.deleting = next((user for user, items in self.acknowledged.items() if items), "nobody")
        theirs = self.acknowledged.get(self.deleting, set()) | self.uncertain.get(self.deleting, set())
        self.way.s3.put_object(Bucket=self.way.bucket, Key=f"{name}.csv", Body=f"USER_ID\n{self.deleting}\n".encode())
        arn = self.way.personalize.create_data_deletion_job(
            jobName=name,
            datasetGroupArn=self.way.arns["group"],
            dataSource={"dataLocation": f"s3://{self.way.bucket}/{name}.csv"},
            roleArn=ROLE,
        )["dataDeletionJobArn"]

        def look() -> Any:
            found = self.way.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
            return found if found["status"] in ENDED else None

        def end() -> None:
            ended = wait_for(look)
            assert ended["status"] == "COMPLETED", ended.get("failureReason")
            certain = self.acknowledged.pop(self.deleting, set())
            self.uncertain.pop(self.deleting, None)
            assert len(certain) <= ended["numDeleted"] <= len(theirs)
            self.deleting = ""

        return end


@pytest.fixture
def rounds(tmp_path: Path) -> Any:
    made = Rounds(tmp_path)
    yield made
    made.server.stop()


def test_killed_at_any_moment(rounds: Rounds) -> None:
    rng = random.Random(20)
    begin = (rounds.begin_import, rounds.begin_deletion, rounds.begin_export, lambda name: lambda: None)
    rounds.interrupt("writer first", 0.5)
    for number in range(ROUNDS):
        end = begin[number % len(begin)](f"round-{number}")
        delay = rng.uniform(0, LATEST_KILL)
        rounds.interrupt(f"writer {number}", delay)
        try:
            rounds.check()
            end()
            rounds.check()
        except AssertionError as error:
            pytest.fail(f"round {number}, killed after {delay:.3f} s: {error}")
    assert sum(map(len, rounds.acknowledged.values())) > 100
    assert rounds.server.moved(rounds.way.arns["INTERACTIONS"]) > 0

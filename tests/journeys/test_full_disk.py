"""A server, and jobs, whose data folder lies on a disk that fills up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from journeys.steps import INTERACTIONS_SCHEMA
from support import Server, refused, small_disk
from tailorbird.api.resources import RESOURCES
from tailorbird.jobs import worker
from world import World


def test_an_event_that_finds_no_room_is_refused_and_the_next_one_is_kept(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        server = Server(disk / "data").start()
        try:
            refuse_and_go_on(server, disk)
        finally:
            assert server.stop() == 0
        assert "Traceback" not in Path(server.log.name).read_text()


def refuse_and_go_on(server: Server, disk: Path) -> None:
    personalize, events = server.client("personalize"), server.client("personalize-events")
    group = personalize.create_dataset_group(name="g")["datasetGroupArn"]
    schema = personalize.create_schema(name="s", schema=json.dumps(INTERACTIONS_SCHEMA))["schemaArn"]
    personalize.create_dataset(name="d", datasetType="Interactions", datasetGroupArn=group, schemaArn=schema)
    tracking = personalize.create_event_tracker(name="t", datasetGroupArn=group)["trackingId"]

    def event(number: int) -> dict[str, object]:
        sent = {"eventId": str(number), "eventType": "click", "itemId": "i" * 200, "sentAt": number}
        return {"trackingId": tracking, "userId": "u", "sessionId": "s", "eventList": [sent]}

    def send() -> None:
        for number in range(5000):
            events.put_events(**event(number))

    events.put_events(**event(0))
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (shutil.disk_usage(disk).free - 64_000))
    refused("ServiceUnavailable", f"There is no space left in {disk}/data", send)
    ballast.unlink()
    events.put_events(**event(9999))


def test_jobs_fail_with_the_folder_in_their_reason_and_leave_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        world = World(disk)
        world.prepare()
        world.load("first", 1)
        solution = world.solution()
        before = names(disk)
        (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 110_000))
        created = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        worker.work(world.workspace, RESOURCES["SolutionVersion"], created)
        version = world.call("describe_solution_version", solutionVersionArn=created)["solutionVersion"]
        assert version["status"] == "CREATE FAILED"
        assert version["failureReason"].startswith(f"There is no space left in {disk}/data/artifacts/us-east-1/auto. ")
        (disk / "ballast").unlink()
        assert names(disk) == before
        world.workspace.close()


def names(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and ".db" not in path.name}

"""A data deletion says whom it did not find, and is loud where a user stays because the file spells him otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import as_csv, field, schema
from support import ROLE
from tailorbird.api import lookup
from tailorbird.api.resources import RESOURCES
from tailorbird.cli import report
from tailorbird.data import compaction, datasets
from tailorbird.jobs import lease, worker
from tailorbird.storage.tables import Tables
from world import World

SEEN = schema("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"))
TAKEN = schema("ActionInteractions", *map(field, ("USER_ID", "ACTION_ID", "EVENT_TYPE")), field("TIMESTAMP", "long"))
USERS = schema("Users", field("USER_ID"), field("AGE", ["null", "int"]))


class Deletion(World):
    """A group that knows some users by rows of interactions, one by a record, one by an event."""

    def open(self) -> None:
        self.prepare(SEEN)
        self.users = self.made("Users", USERS)
        known = ["u1", "u2", "17850", "Müller", "U70", "u44", "u45", " blank ", "007", "b'x'"]
        self.fill(self.dataset, "seen", as_csv([("USER_ID", "ITEM_ID", "TIMESTAMP"), *[(u, "i", "5") for u in known]]))
        self.call("put_users", datasetArn=self.users, users=[{"userId": "recorded", "properties": '{"age": 3}'}])
        self.tracker = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]
        self.see("s", "live")

    def see(self, session: str, user: str | None = None) -> None:
        """An event of a session, and of a user where one is named."""
        event = {"eventType": "v", "sentAt": self.now, "itemId": "i"}
        who = {} if user is None else {"userId": user}
        self.call("put_events", trackingId=self.tracker, sessionId=session, eventList=[event], **who)

    def take(self, session: str, user: str | None = None) -> None:
        """As `see`, of an action; its dataset is made at the first."""
        target = lookup.dataset_of(self.workspace, self.group, "ACTION_INTERACTIONS")
        arn = self.made("Action_Interactions", TAKEN) if target is None else target.arn
        tracker = self.call("describe_dataset", datasetArn=arn)["dataset"]["trackingId"]
        taken = {"actionId": "a", "sessionId": session, "timestamp": self.now, "eventType": "TAKEN"}
        who = {} if user is None else {"userId": user}
        self.call("put_action_interactions", trackingId=tracker, actionInteractions=[taken | who])

    def move(self) -> None:
        """Moves what was recorded into the tables."""
        for kind in ("INTERACTIONS", "ACTION_INTERACTIONS"):
            target = lookup.dataset_of(self.workspace, self.group, kind)
            assert target is not None
            compaction.move(self.workspace, target)

    def delete(self, *ids: str) -> dict[str, Any]:
        (self.files / "ids.csv").write_bytes("\n".join(["USER_ID", *ids, ""]).encode())
        self.arn = self.call(
            "create_data_deletion_job",
            jobName="gone",
            datasetGroupArn=self.group,
            dataSource={"dataLocation": f"file://{self.files}/ids.csv"},
            roleArn=ROLE,
        )["dataDeletionJobArn"]
        return self.run()

    def run(self) -> dict[str, Any]:
        worker.work(self.workspace, RESOURCES["DataDeletionJob"], self.arn)
        found: dict[str, Any] = self.call("describe_data_deletion_job", dataDeletionJobArn=self.arn)["dataDeletionJob"]
        assert found["status"] == "COMPLETED"
        return found

    def left(self) -> set[str]:
        found = set()
        for kind in ("INTERACTIONS", "USERS", "ACTION_INTERACTIONS"):
            target = lookup.dataset_of(self.workspace, self.group, kind)
            if target is None:
                continue
            found |= set(datasets.rows(self.workspace, target)[0]["USER_ID"])
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Deletion]:
    made = Deletion(tmp_path)
    made.open()
    yield made
    made.workspace.close()


@pytest.mark.parametrize(
    ("written", "stays"),
    [
        (" u1 ", "u1"),
        ("u1 ", "u1"),
        ("17850.0", "17850"),
        ("Mu\u0308ller", "Müller"),
        ("u1\u200b", "u1"),
        ("u44;u45", "u45"),
        ("u44 u9", "u44"),
        ("u70", "U70"),
        ("blank", " blank "),
        ("7", "007"),
        ("'u1'", "u1"),
        ("ｕ1", "u1"),
        ("b'live'", "live"),
        ("RECORDED", "recorded"),
    ],
)
def test_a_user_who_stays_for_his_spelling_is_told_of(
    world: Deletion, written: str, stays: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = world.delete("u2", written)
    assert job["numDeleted"] == 1
    assert stays in world.left()
    assert "u2" not in world.left()
    assert job["failureReason"].startswith("Not everyone who may be meant was deleted: 1 id has no row")
    assert f'"{stays}"' in job["failureReason"]
    assert (r"Mu\u0308ller" in job["failureReason"]) == (stays == "Müller"), "it would look the same"
    assert report.print_job(world.workspace.config, world.arn)
    told = capsys.readouterr().out
    assert "2 users named, 1 found" in told
    assert "Warning: 1 id has no row in any dataset" in told
    assert job["failureReason"] in told


def test_whom_nobody_knows_is_counted(world: Deletion, capsys: pytest.CaptureFixture[str]) -> None:
    job = world.delete("x1", "x2", "x3", "4.0", "u1")
    assert job["numDeleted"] == 1
    assert "failureReason" not in job, "a list may name whom no data are kept of"
    assert report.print_job(world.workspace.config, world.arn)
    told = capsys.readouterr().out
    assert "5 users named, 1 found" in told
    assert 'Warning: 4 ids have no row in any dataset: "4.0", "x1", "x2" and 1 more.' in told
    assert "1 row has a USER_ID that some program made a number" in told


def test_whoever_is_named_as_the_data_have_him_goes_without_a_word(
    world: Deletion, capsys: pytest.CaptureFixture[str]
) -> None:
    job = world.delete("u1", " blank ", "007", "b'x'", "recorded", "live", "Müller")
    assert job["numDeleted"] == 7
    assert "failureReason" not in job
    assert world.left() == {"u2", "17850", "U70", "u44", "u45"}
    assert report.print_job(world.workspace.config, world.arn)
    told = capsys.readouterr().out
    assert "7 users named, 7 found" in told
    assert "Warning" not in told


def test_a_second_spelling_of_one_who_is_named_rightly_leaves_nobody(world: Deletion) -> None:
    assert "failureReason" not in world.delete("u1", "U1", "u1 ")
    assert "u1" not in world.left()


@pytest.mark.parametrize("moved", [False, True])
def test_what_was_done_without_a_name_goes_from_every_dataset(world: Deletion, moved: bool) -> None:
    world.see("S1", "alice")
    world.take("S1")
    world.take("S2", "bob")
    world.see("S2")
    world.see("S3")
    if moved:
        world.move()
    assert world.delete("alice", "bob")["numDeleted"] == 4
    assert world.left() >= {"S3", "live"}
    assert not world.left() & {"alice", "bob", "S1", "S2"}


def test_a_second_run_finds_what_the_first_one_left(world: Deletion, monkeypatch: pytest.MonkeyPatch) -> None:
    world.see("S1", "alice")
    world.take("S1")
    world.move()
    remove, done = Tables.remove, list[str]()

    def dies(self: Tables, key: str, job_id: str, gone: Any) -> None:
        if len(done) == dead:
            raise SystemExit  # as a worker that is killed: nobody says what became of the job
        done.append(key)
        remove(self, key, job_id, gone)

    monkeypatch.setattr(Tables, "remove", dies)
    for dead in range(4):
        done.clear()
        with pytest.raises(SystemExit):
            world.run() if dead else world.delete("alice")
        world.workspace.catalogue.update(world.arn, lease.released)
    monkeypatch.setattr(Tables, "remove", remove)
    assert world.run()["numDeleted"] == 2
    assert not world.left() & {"alice", "S1"}


def test_sessions_that_users_share_are_told(world: Deletion, capsys: pytest.CaptureFixture[str]) -> None:
    for user in ("carol", "dave", None):
        world.see("web", user)
    assert world.delete("carol")["numDeleted"] == 2
    assert "dave" in world.left()
    assert report.print_job(world.workspace.config, world.arn)
    assert "1 session of the deleted users names other users too" in capsys.readouterr().out

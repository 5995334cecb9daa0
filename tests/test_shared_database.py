"""Machines that share a database are one installation: they have one access key and one clock."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from journeys.steps import interactions_csv
from postgres import Postgres
from support import ROLE, terminal
from tailorbird import config as configuration
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.cli import opening, variables
from tailorbird.config import Config
from tailorbird.errors import DamagedFile, DatabaseUnavailable, NewerFormat
from tailorbird.jobs import worker
from tailorbird.storage import postgres as storage
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, access_key, open_workspace
from world import World


def machine(folder: Path, url: str) -> Config:
    return configuration.load({"TAILORBIRD_DATABASE_URL": url}, data_dir=folder)


def change(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_all_machines_have_the_key_of_the_first(database_url: str, tmp_path: Path) -> None:
    one, two = (machine(tmp_path / name, database_url) for name in ("one", "two"))
    first, second = open_workspace(one), open_workspace(two)
    assert first.access_key == second.access_key == access_key(one) == access_key(two)
    assert variables.environment(two)["AWS_SECRET_ACCESS_KEY"] == first.access_key.secret_access_key
    assert first.access_key.secret_access_key not in repr(first)
    for name in ("one", "two"):
        assert not (tmp_path / name / "access_key.json").exists()
    first.close()
    second.close()


def test_a_folder_that_had_a_key_keeps_it_and_gives_it_to_the_others(database_url: str, tmp_path: Path) -> None:
    for name in ("old", "other"):
        open_workspace(configuration.load({}, data_dir=tmp_path / name)).close()
    kept = json.loads((tmp_path / "old" / "access_key.json").read_text())
    for name in ("old", "new", "other"):
        workspace = opening.server_workspace(machine(tmp_path / name, database_url))
        assert workspace.access_key.access_key_id == kept["access_key_id"], name
        workspace.close()
    assert json.loads((tmp_path / "old" / "access_key.json").read_text()) == kept


def test_resources_whose_key_is_lost_get_no_other_one_unasked(database_url: str, tmp_path: Path) -> None:
    config = machine(tmp_path / "data", database_url)
    workspace = open_workspace(config)
    workspace.catalogue.insert("DatasetGroup", f"{workspace.arn_prefix}dataset-group/g", {"status": "ACTIVE"})
    workspace.close()
    change(database_url, "DELETE FROM access_keys")
    for ask in (lambda: open_workspace(config), lambda: access_key(config), lambda: opening.server_workspace(config)):
        with pytest.raises(DamagedFile, match=r"has no access key.*serve --renew"):
            ask()
    renewed = open_workspace(config, renew=True)
    assert renewed.access_key == access_key(config) != workspace.access_key
    renewed.close()
    change(database_url, """UPDATE access_keys SET key = '{"access_key_id": 1}'""")
    with pytest.raises(DamagedFile, match="holds a damaged access key"):
        open_workspace(config)


def test_commands_make_no_installation_and_tell_of_a_newer_one(database_url: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    for name in ("env", "jobs"):
        told = terminal(name, "--data-dir", folder, TAILORBIRD_DATABASE_URL=database_url)
        assert (told.returncode, "There is no installation in" in told.stderr) == (1, True)
        assert "or the database" in told.stderr
    config = machine(tmp_path / "data", database_url)
    open_workspace(config).close()
    assert terminal("jobs", "--data-dir", folder, TAILORBIRD_DATABASE_URL=database_url).returncode == 0
    change(database_url, "UPDATE stores SET format = 99")
    told = terminal("jobs", "--data-dir", folder, TAILORBIRD_DATABASE_URL=database_url)
    assert told.returncode == 1
    assert "has format 99, and this version of Tailorbird knows formats up to" in told.stderr
    with pytest.raises(NewerFormat):
        opening.server_workspace(config)


def test_a_newer_data_folder_is_refused_by_every_command(tmp_path: Path) -> None:
    config = configuration.load({}, data_dir=tmp_path / "data")
    open_workspace(config).close()
    (tmp_path / "data" / "format").write_text("99\n")
    for words in (["jobs"], ["check"], ["serve", "--port", "0"]):
        told = terminal(*words, "--data-dir", str(tmp_path / "data"))
        assert (told.returncode, "has format 99" in told.stderr) == (1, True), words
    (tmp_path / "data" / "format").write_text("1\n")
    change(config.live_url, "UPDATE stores SET format = 99")
    assert "live.db) has format 99" in terminal("check", "--data-dir", str(tmp_path / "data")).stderr


def test_time_is_that_of_the_database_where_it_is_shared(postgres: Postgres, tmp_path: Path) -> None:
    config = machine(tmp_path / "data", postgres.database())
    shared = open_workspace(config)
    assert isinstance(shared.clock, storage.Clock)
    told = open_workspace(config, lambda: 7.0)
    assert told.clock() == 7.0
    alone = open_workspace(dataclasses.replace(config, database_url=""))
    assert not isinstance(alone.clock, storage.Clock)
    for each in (shared, told, alone):
        each.close()


def test_a_database_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    url = "postgresql://nobody:hush@127.0.0.1:1/none"
    for words in (["jobs"], ["env"], ["serve", "--port", "0"]):
        told = terminal(*words, "--data-dir", str(tmp_path / "data"), TAILORBIRD_DATABASE_URL=url)
        assert told.returncode == 1
        assert told.stderr.startswith("The database cannot be reached now")
        assert "127.0.0.1" in told.stderr
        assert "hush" not in told.stderr


def test_an_event_put_through_one_process_counts_in_the_next_answer_of_another(
    postgres: Postgres, tmp_path: Path
) -> None:
    """1,000 of 1,000 in the long run; both have answered the user before, so that they remember."""
    one = World(tmp_path, database_url=postgres.database())
    one.prepare()
    one.load("data", 0)
    solution = one.solution("popular", recipeArn="arn:aws:personalize:::recipe/aws-popularity-count")
    version = one.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
    one.work()
    campaign = one.call("create_campaign", name="c", solutionVersionArn=version)["campaignArn"]
    tracker = one.call("create_event_tracker", name="t", datasetGroupArn=one.group)["trackingId"]
    expression = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
    had = one.call("create_filter", name="f", datasetGroupArn=one.group, filterExpression=expression)["filterArn"]
    other = open_workspace(one.workspace.config, lambda: one.now)

    def items(workspace: Workspace, user: str) -> list[str]:
        asked = {"campaignArn": campaign, "userId": user, "filterArn": had, "numResults": 3}
        return [
            each["itemId"]
            for each in msgspec.to_builtins(OPERATIONS["get_recommendations"](workspace, asked))["itemList"]
        ]

    for number in range(1000 if os.environ.get("TAILORBIRD_LONG") else 100):
        there, here = (one.workspace, other) if number % 2 else (other, one.workspace)
        user = f"u{number % 10}"
        best = items(here, user)[0]
        event = {"eventType": "click", "sentAt": int(one.now), "itemId": best, "properties": "{}"}
        OPERATIONS["put_events"](
            there, {"trackingId": tracker, "userId": user, "sessionId": user, "eventList": [event]}
        )
        assert best not in items(here, user), number
    other.close()
    one.workspace.close()


def test_a_job_that_loses_the_database_is_begun_again(postgres: Postgres, tmp_path: Path) -> None:
    one = World(tmp_path, database_url=postgres.database())
    one.prepare()
    (one.files / "a.csv").write_bytes(interactions_csv())
    source = {"dataLocation": f"file://{one.files}/a.csv"}
    request = {"jobName": "a", "datasetArn": one.dataset, "dataSource": source, "roleArn": ROLE}
    job = one.call("create_dataset_import_job", **request)["datasetImportJobArn"]
    plain = RESOURCES["DatasetImportJob"]

    def cut_off(workspace: Workspace, document: Document, progress: Any) -> Document:
        assert plain.job is not None
        postgres.stop()
        try:
            return plain.job(workspace, document, progress)
        finally:
            postgres.start()

    with pytest.raises(DatabaseUnavailable):
        worker.work(one.workspace, dataclasses.replace(plain, job=cut_off), job)
    assert one.workspace.catalogue.get(job)["status"] == "CREATE IN_PROGRESS"  # type: ignore[index]
    one.now += 2 * one.workspace.config.lease_seconds
    worker.work(one.workspace, plain, job)
    assert one.workspace.catalogue.get(job)["status"] == "ACTIVE"  # type: ignore[index]
    one.workspace.close()

"""What a server does before it serves: nothing that was lost reads as new, and no event gets a number a second time."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support import Server
from tailorbird.api import lookup
from tailorbird.api.operations import OPERATIONS
from tailorbird.cli import main, opening
from tailorbird.data import compaction, datasets
from tailorbird.errors import DamagedFile
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.jobs.health import Health
from tailorbird.storage.artifacts import ModelManifest
from tailorbird.storage.live import Event
from tailorbird.workspace import Workspace, open_workspace
from world import World


def event(number: int) -> Event:
    row = {"USER_ID": "u", "ITEM_ID": f"i{number}", "TIMESTAMP": number, "EVENT_TYPE": "watch", "EVENT_VALUE": None}
    return Event("u", "s", number, row)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.prepare()
    yield made
    made.workspace.close()


def target(world: World, workspace: Workspace) -> datasets.Dataset:
    document = workspace.catalogue.get(world.dataset)
    assert document is not None
    return lookup.dataset(workspace, document)


def put(world: World, workspace: Workspace, numbers: range) -> None:
    workspace.live.append(target(world, workspace).place, [event(number) for number in numbers])


def moved(world: World) -> Path:
    """50 events in a table, and a folder beside with the databases as they were before those events came."""
    world.workspace.close()
    folder = world.workspace.config.data_dir
    backup = shutil.copytree(folder, folder.parent / "backup")
    world.workspace = open_workspace(world.workspace.config, lambda: world.now)
    put(world, world.workspace, range(50))
    compaction.move(world.workspace, target(world, world.workspace))
    world.workspace.close()
    return backup


@pytest.mark.parametrize("way", ["restored", "emptied", "missing"])
def test_events_are_kept_after_a_live_store_was_restored_or_made_anew(
    world: World, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    backup, config = moved(world), world.workspace.config
    path = config.data_dir / "live.db"
    path.unlink()
    if way == "restored":
        shutil.copy(backup / "live.db", path)
    if way == "emptied":
        path.touch()
    workspace = opening.server_workspace(config, renew=way != "restored")
    told = [record for record in caplog.records if "older than what was made of it" in record.message]
    assert (told[0].newest, told[0].continued_above) == (0, 50)
    put(world, workspace, range(100, 120))
    rows, newest = datasets.rows(workspace, target(world, workspace))
    assert set(rows["ITEM_ID"]) == {f"i{number}" for number in [*range(50), *range(100, 120)]}
    assert newest == 70
    compaction.move(workspace, target(world, workspace))
    assert workspace.tables.rows(target(world, workspace).place) == 70
    workspace.close()
    caplog.clear()
    opening.server_workspace(config).close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_numbers_go_on_above_what_imports_metrics_attributions_and_models_note(world: World) -> None:
    config = world.workspace.config

    def next_number() -> int:
        with closing(sqlite3.connect(config.data_dir / "live.db")) as connection, connection:
            connection.execute("DELETE FROM sqlite_sequence")
        workspace = opening.server_workspace(config)
        put(world, workspace, range(1))
        number = workspace.live.newest(target(world, workspace).place)
        workspace.live.drop(target(world, workspace).place)
        workspace.close()
        return number

    assert next_number() == 1
    world.workspace.metric_counters.add("reader", 0, 100, [])
    assert next_number() == 101
    with world.workspace.tables.begin("other", "job") as part:
        part.write(world.workspace.tables.read("none", ["A"]))
        part.commit("FULL", at=200)
    assert next_number() == 201
    with world.workspace.artifacts.publish(
        f"{world.workspace.arn_prefix}solution/s/1", ModelManifest("aws-sims", 300), []
    ):
        pass
    assert next_number() == 301
    document = {"metricAttributionArn": "m", "status": "ACTIVE", "_from": 400}
    world.workspace.catalogue.insert("MetricAttribution", "m", document)
    assert next_number() == 401


def test_a_damaged_manifest_keeps_no_server_from_starting_and_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    moved(world)
    (path,) = world.workspace.config.data_dir.glob("tables/*/manifest.json")
    path.write_bytes(b"{")
    opening.server_workspace(world.workspace.config).close()
    (told,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert (told.message, told.path) == ("a file is damaged", path)


def command(world: World, name: str, **settings: str) -> Result:
    words = [name, "--data-dir", str(world.workspace.config.data_dir)]
    return CliRunner().invoke(main.app, words, env=settings)


@pytest.mark.parametrize("name", ["catalogue.db", "live.db"])
@pytest.mark.parametrize("way", ["emptied", "missing"])
@pytest.mark.parametrize("beside", ["tables", "shown.db"])
def test_a_lost_database_is_refused_and_not_made_anew(world: World, name: str, way: str, beside: str) -> None:
    world.workspace.close()
    config = world.workspace.config
    for kept in ("shown.db", "tallies.db"):
        if kept != beside:
            (config.data_dir / kept).unlink()
    if beside == "tables":
        (config.data_dir / "tables" / "one").mkdir(parents=True)
    path = config.data_dir / name
    path.unlink()
    if way == "emptied":
        path.touch()
    for opened in (open_workspace, opening.server_workspace):
        with pytest.raises(DamagedFile, match=rf"{name} is (missing|empty: it has no tables).*serve --renew"):
            opened(config)
    result = command(world, "check")
    assert result.exit_code == 1
    assert result.output.replace("\n", "").count(f"/{name} is ") == 1
    assert path.exists() == (way == "emptied")
    result = command(world, "jobs")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    opening.server_workspace(config, renew=True).close()
    opening.server_workspace(config).close()


def test_a_lost_key_is_refused_beside_databases(world: World, tmp_path: Path) -> None:
    path = world.workspace.config.data_dir / "access_key.json"
    path.unlink()
    with pytest.raises(DamagedFile, match=r"access_key\.json is missing.*serve --renew"):
        opening.server_workspace(world.workspace.config)
    told = {re.sub(r"^DAMAGED: ", "", command(world, name).output).split("\n")[0] for name in ("check", "env", "jobs")}
    assert len(told) == 1, "one story"
    assert "access_key.json is missing" in told.pop()
    assert [command(world, name).exit_code for name in ("check", "env", "jobs", "metrics")] == [1, 1, 1, 2]
    assert not path.exists()
    opening.server_workspace(world.workspace.config, renew=True).close()
    assert path.exists()


@pytest.mark.parametrize("place", range(0, 150, 7))
def test_a_key_of_which_a_bit_has_changed(world: World, place: int) -> None:
    path = world.workspace.config.data_dir / "access_key.json"
    opening.server_workspace(world.workspace.config).close()
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DamagedFile, match=r"access_key\.json cannot be read"):
        opening.server_workspace(world.workspace.config)
    result = command(world, "check")
    assert (result.exit_code, result.output.count("access_key.json cannot be read")) == (1, 1)
    assert command(world, "env").exit_code == 1
    path.write_bytes(whole)
    assert command(world, "check").exit_code == 0


def test_the_key_of_an_older_version_gets_a_checksum(world: World) -> None:
    path = world.workspace.config.data_dir / "access_key.json"
    key = json.loads(path.read_bytes())
    del key["crc32"]
    path.write_text(json.dumps(key, indent=1) + "\n")
    assert command(world, "check").exit_code == 0
    opening.server_workspace(world.workspace.config).close()
    kept = json.loads(path.read_bytes())
    assert (kept.pop("crc32", None) is not None, kept, path.stat().st_mode & 0o777) == (True, key, 0o600)
    before = path.stat().st_ino
    opening.server_workspace(world.workspace.config).close()
    assert path.stat().st_ino == before, "once"


def test_another_account_is_refused_where_nothing_would_be_seen(world: World) -> None:
    other = dataclasses.replace(world.workspace.config, account_id="999999999999")
    with pytest.raises(opening.StartRefused, match=r"account 123456789012.*TAILORBIRD_ACCOUNT_ID=123456789012"):
        opening.server_workspace(other)
    assert "TAILORBIRD_ACCOUNT_ID=123456789012" in command(world, "check", TAILORBIRD_ACCOUNT_ID="999999999999").output
    assert "TAILORBIRD_ACCOUNT_ID" not in command(world, "check").output
    workspace = dataclasses.replace(world.workspace, config=other)  # as an older version did, beside the others
    OPERATIONS["create_dataset_group"](workspace, {"name": "late"})
    for config in (other, world.workspace.config):
        opening.server_workspace(config).close()


def test_a_region_without_resources_is_told_and_serves(world: World, caplog: pytest.LogCaptureFixture) -> None:
    other = dataclasses.replace(world.workspace.config, region="eu-west-1")
    opening.server_workspace(other).close()
    (told,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "The region eu-west-1" in told
    assert "TAILORBIRD_REGION=us-east-1" in told
    caplog.clear()
    result = command(world, "check", TAILORBIRD_REGION="eu-west-1")
    assert (result.exit_code, told in result.output) == (0, True)
    OPERATIONS["create_dataset_group"](world.workspace.at("eu-west-1"), {"name": "beside"})
    for config in (other, world.workspace.config):
        opening.server_workspace(config).close()
    assert not caplog.records, "regions may be used beside each other"
    assert world.workspace.catalogue.owners() == {("eu-west-1", "123456789012"), ("us-east-1", "123456789012")}


@pytest.mark.parametrize("parts", [[], ["access_key.json"], ["access_key.json", "catalogue.db"]])
def test_a_first_start_that_was_cut_short_is_no_loss(world: World, parts: list[str]) -> None:
    world.workspace.close()
    folder = world.workspace.config.data_dir
    for path in folder.iterdir():
        if path.name not in parts:
            path.unlink()
    opening.server_workspace(world.workspace.config).close()


def test_damaged_statistics_are_set_aside(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    server.stop()
    for name in ("shown.db", "tallies.db"):
        (server.data_dir / name).write_bytes(b"no database at all" * 1000)
    server.start()
    assert server.client("personalize").list_schemas()["schemas"] == []
    server.stop()
    log = [json.loads(line) for line in Path(server.log.name).read_text().splitlines()]
    told = [line for line in log if "set aside" in str(line)]
    assert len(told) == 2
    for name in ("shown.db", "tallies.db"):
        (aside,) = server.data_dir.glob(f"{name}.damaged-*")
        assert aside.read_bytes().startswith(b"no database")
        assert any(str(aside) in str(line) and "ERROR" in str(line) for line in told)


@pytest.fixture
def health(world: World) -> Iterator[Any]:
    """A fresh look at each call."""
    dispatcher = Dispatcher(world.workspace)
    dispatcher.start()

    def look() -> tuple[list[str], list[str]]:
        made = Health(world.workspace, dispatcher)
        return made.ready(), made.damages()

    yield look
    dispatcher.stop()


def test_readiness_tells_damaged_pages_of_the_catalogue(world: World, health: Any) -> None:
    for number in range(100):
        world.call("create_dataset_group", name=f"g{number}")
    assert health() == ([], [])
    path = world.workspace.config.data_dir / "catalogue.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 8192)
    world.workspace.catalogue.close()
    assert "the store of documents cannot be read" in health()[0]


def test_readiness_tells_damaged_and_lost_tables(world: World, health: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.load("first", 1)
    solution = world.solution("s")
    assert health() == ([], [])
    (folder,) = world.workspace.config.data_dir.glob("tables/*")
    aside = folder.rename(folder.parent.parent / "aside")
    for _ in range(2):
        assert health() == ([], ["1 file is damaged: see the log and `tailorbird check`"])
    assert [record.path for record in caplog.records if record.message == "a file is damaged"] == [folder]
    with pytest.raises(DamagedFile, match="is missing, though rows were imported"):
        target(world, world.workspace)
    created = world.call("create_solution_version", solutionArn=solution)
    world.work()
    version = world.call("describe_solution_version", **created)["solutionVersion"]
    assert "are damaged" in version["failureReason"]
    aside.rename(folder)
    (folder / "manifest.json").write_bytes(b"{")
    assert health() == ([], ["2 files are damaged: see the log and `tailorbird check`"])

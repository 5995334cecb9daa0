"""Damage of every kind of file of a data folder: what `tailorbird check` says, what starts, what clients are told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from journeys.steps import interactions_csv
from support import Server
from tailorbird import app
from tailorbird.api import lookup
from tailorbird.cli import main
from tailorbird.errors import DamagedFile
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.jobs.health import Health
from tailorbird.storage import artifacts, checksums, database
from tailorbird.storage.live import Event
from tailorbird.storage.recommendation_log import LoggedAnswer
from tailorbird.workspace import open_workspace
from world import World

NO_DATABASE = b"no database at all, and long enough to be sure of it" * 100
DATABASES = ("catalogue", "live", "shown", "tallies")


class Installation(World):
    """A group with data and a trained campaign; it is shared, so who damages a file mends it."""

    def fill_all(self) -> None:
        self.prepare()
        self.load("first", 1)
        self.solution_arn = self.solution("s")
        self.version = self.call("create_solution_version", solutionArn=self.solution_arn)["solutionVersionArn"]
        self.work()
        self.campaign = self.call("create_campaign", name="c", solutionVersionArn=self.version)["campaignArn"]
        self.folder = self.workspace.config.data_dir

    def check(self) -> Result:
        return CliRunner().invoke(main.app, ["check", "--data-dir", str(self.folder)], env={"COLUMNS": "1000"})

    def file(self, pattern: str) -> Path:
        return sorted(self.folder.glob(pattern))[0]

    def related(self) -> list[Any]:
        return self.call("get_recommendations", campaignArn=self.campaign, itemId="i1")["itemList"]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("check"))
    made.fill_all()
    yield made
    made.workspace.close()


@pytest.fixture
def damaged(installation: Installation) -> Iterator[Any]:
    """Changes a byte in the middle of a file, or replaces all of it, until the test's end."""
    before: dict[Path, bytes] = {}

    def damage(pattern: str, content: bytes | None = None) -> Path:
        path = installation.file(pattern)
        data = before[path] = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if content is None else content)
        installation.workspace.cache._kinds.clear()
        installation.workspace.tables._checked.clear()
        return path

    yield damage
    for path, data in before.items():
        path.write_bytes(data)


def test_nothing_is_damaged(installation: Installation) -> None:
    result = installation.check()
    assert result.exit_code == 0, result.output
    assert result.output.count("whole") == 4
    assert "DAMAGED" not in result.output


def test_a_folder_without_an_installation_is_refused_and_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, ["check", "--data-dir", str(tmp_path / "typo")])
    assert result.exit_code == 1
    assert f"no installation in {tmp_path / 'typo'}" in result.stderr
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pattern", "touches", "remedy"),
    [
        ("tables/*/*.parquet", "DATASET", "importMode FULL"),
        ("tables/*/manifest.json", "DATASET", "from a backup"),
        ("artifacts/*/s/*/checksums.json", "VERSION", "Train it anew"),
        ("artifacts/*/s/*/recipe.json", "VERSION", "Train it anew"),
        ("artifacts/*/s/*/model/*.npy", "VERSION", "Train it anew"),
        ("artifacts/*/s/*/history/users.npy", "VERSION", "Train it anew"),
    ],
)
def test_a_changed_bit_is_told_with_what_it_touches_and_the_remedy(
    installation: Installation, damaged: Any, pattern: str, touches: str, remedy: str
) -> None:
    path = damaged(pattern)
    touches = {"DATASET": installation.dataset, "VERSION": installation.version}[touches]
    result = installation.check()
    assert result.exit_code == 1
    (line,) = (line for line in result.output.splitlines() if line.startswith("DAMAGED"))
    assert str(path) in line
    assert f"{touches}. " in line, "the ARN, which calls take"
    assert remedy in line


def test_a_recommenders_model_is_its_recommenders() -> None:
    prefix = "arn:aws:personalize:us-east-1:123456789012:"
    assert artifacts.owner(f"{prefix}recommender/r/0a1b2c3d") == f"{prefix}recommender/r"
    assert artifacts.owner(f"{prefix}solution/s/0a1b2c3d") == f"{prefix}solution/s/0a1b2c3d"


def test_lost_files_are_told(installation: Installation) -> None:
    for pattern in ("tables/*/manifest.json", "tables/*", "artifacts/*/s/*", "artifacts/*/s/*/model/items.npy"):
        path = installation.file(pattern)
        aside = path.rename(installation.folder / "aside")
        result = installation.check()
        aside.rename(path)
        assert result.exit_code == 1, pattern
        assert re.search(rf"holds data of ({installation.dataset}|{installation.version})\.", result.output), pattern
        assert str(path) in result.output
        assert "is missing" in result.output


def test_documents_and_databases_are_read(installation: Installation, damaged: Any, tmp_path: Path) -> None:
    path = installation.folder / "catalogue.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        statement = "UPDATE documents SET body = ? WHERE kind = 'Solution'"
        body = connection.execute("SELECT body FROM documents WHERE kind = 'Solution'").fetchone()[0]
        connection.execute(statement, [body.replace('"name":"s"', '"name":s')])
    result = installation.check()
    with pytest.raises(DamagedFile, match=r"catalogue\.db holds a row that is not JSON"):
        installation.call("describe_solution", solutionArn=installation.solution_arn)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, [body])
    assert result.exit_code == 1
    assert f"holds a damaged document of {installation.solution_arn}" in result.output
    assert installation.check().exit_code == 0


def test_a_damaged_page_is_told_by_check_and_by_whoever_meets_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(200):
        world.call("create_dataset_group", name=f"g{number}")
    world.workspace.close()
    path = tmp_path / "data" / "catalogue.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : -4096] = b"\xff" * (len(data) - 4096 * 4)
    path.write_bytes(data)
    result = CliRunner().invoke(main.app, ["check", "--data-dir", str(path.parent)])
    assert result.exit_code == 1
    assert "does not pass SQLite's check" in result.output
    assert "restore it from a backup" in result.output
    result = CliRunner().invoke(main.app, ["jobs", "--data-dir", str(path.parent)])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert str(path) in result.output


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_that_is_none_is_one_clear_line(tmp_path: Path, name: str) -> None:
    World(tmp_path).workspace.close()
    path = tmp_path / "data" / f"{name}.db"
    path.write_bytes(NO_DATABASE)
    result = CliRunner().invoke(main.app, ["jobs", "--data-dir", str(path.parent)])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"{path} is no database")
    assert ("move it away" if name in ("shown", "tallies") else "restore it from a backup") in line


def test_objects_are_read_and_a_server_does_not_start_on_a_damaged_database(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"user,item\n1,2\n")
    server.stop()
    command = ["check", "--data-dir", str(tmp_path / "data")]
    result = CliRunner().invoke(main.app, command)
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "data" / "neighbours" / "objects").iterdir()
    path.write_bytes(path.read_bytes()[:-2] + b"3\n")
    journal = tmp_path / "data" / "neighbours" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"{", b"(", 1))
    result = CliRunner().invoke(main.app, command)
    assert result.exit_code == 1
    assert f"{path} does not hold the bytes that its checksum stands for" in result.output
    assert f"{journal} is not JSON in line 1" in result.output
    (tmp_path / "data" / "live.db").write_bytes(NO_DATABASE)
    with pytest.raises(AssertionError, match="did not start"):
        server.start()
    assert server._reap() == 1
    told = Path(server.log.name).read_text()
    assert f"{tmp_path}/data/live.db is no database" in told.splitlines()[-1]
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "pattern", ["artifacts/*/s/*/model/items.npy", "artifacts/*/s/*/history/start.npy", "tables/*/*.parquet"]
)
def test_clients_are_told_whose_data_are_damaged_and_no_path(
    installation: Installation, damaged: Any, pattern: str
) -> None:
    assert installation.related()
    path = damaged(pattern)
    (place,) = (lookup.place_of(found) for _, found in installation.workspace.catalogue.select("Dataset"))
    read = partial(installation.workspace.tables.read, place)
    with pytest.raises(DamagedFile) as error:
        (read if "parquet" in pattern else installation.related)()
    assert error.value.path == path
    assert error.value.code == "InternalFailure"
    assert str(installation.folder) not in error.value.message
    owner = installation.dataset if "parquet" in pattern else installation.version
    assert f"of {owner} are" in error.value.message


def test_a_training_on_damaged_data_fails_with_the_dataset_in_its_reason(
    installation: Installation, damaged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = damaged("tables/*/*.parquet")
    created = installation.call("create_solution_version", solutionArn=installation.solution_arn)
    installation.work()
    version = installation.call("describe_solution_version", **created)["solutionVersion"]
    assert version["status"] == "CREATE FAILED"
    assert f"The stored data of {installation.dataset} are damaged" in version["failureReason"]
    assert str(path) in " ".join(str(vars(record)) for record in caplog.records)
    assert not any(record.exc_info for record in caplog.records)


def test_a_model_of_an_older_version_is_served_and_named(installation: Installation) -> None:
    path, noted = (installation.file(f"artifacts/*/s/*/{name}") for name in (checksums.NAME, "recipe.json"))
    aside, now = path.rename(installation.folder / "aside"), noted.read_bytes()
    noted.write_bytes(now.replace(b',"checksums":true', b""))
    installation.workspace.cache._kinds.clear()
    assert installation.related()
    result = installation.check()
    aside.rename(path)
    noted.write_bytes(now)
    assert result.exit_code == 0
    assert "1 part of tables and models was written by an older version" in result.output


def test_checksums_do_not_go_unnoticed(installation: Installation) -> None:
    """Without them, other damage could not be told."""
    path = installation.file(f"artifacts/*/s/*/{checksums.NAME}")
    aside = path.rename(installation.folder / "aside")
    installation.workspace.cache._kinds.clear()
    result = installation.check()
    with pytest.raises(DamagedFile, match=rf"{checksums.NAME} is missing"):
        installation.related()
    with pytest.raises(DamagedFile, match=rf"{checksums.NAME} is missing"):
        installation.workspace.artifacts.metrics(installation.version)
    aside.rename(path)
    assert result.exit_code == 1
    assert f"DAMAGED: {path} is missing" in result.output
    assert "older version" not in result.output
    assert installation.related()


def test_damage_that_requests_meet_is_logged_once_a_file_and_told_by_readiness(
    installation: Installation, damaged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = installation.workspace
    health = Health(workspace, Dispatcher(workspace))
    call = partial(app.make_endpoint(workspace, None, health)._service.call, "get_recommendations", "us-east-1")
    path = damaged("artifacts/*/s/*/model/items.npy")
    for _ in range(2):
        with pytest.raises(DamagedFile):
            call({"campaignArn": installation.campaign, "itemId": "i1"})
    (told,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert (told.message, told.path) == ("a file is damaged", path)
    assert str(path) in told.reason
    assert health.damages() == ["1 file is damaged: see the log and `tailorbird check`"]
    workspace.faults._met.clear()


def test_damaged_answers_cost_no_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path)
    world.workspace.recommendation_log.remember(LoggedAnswer("RID-1", 0.0, "c", "g", ["a"]))
    world.workspace.close()
    path = tmp_path / "data" / "shown.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE answers SET content = x'c1'")
    again = open_workspace(world.workspace.config)
    assert again.recommendation_log.find(["RID-1"]) == {}
    assert str(path) in caplog.records[-1].reason
    again.close()


def test_a_damaged_event_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.workspace.live.append("d", [Event("u", "s", 1, {"ITEM_ID": "a"})])
    path = tmp_path / "data" / "live.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE events SET row = 'no JSON'")
    with pytest.raises(DamagedFile, match=r"live\.db holds a row that is not JSON"):
        world.workspace.live.all("d")
    world.workspace.close()


def test_one_changed_bit_anywhere_in_a_sealed_row_is_told() -> None:
    text, beside = checksums.sealed(b'{"name":"\xc3\xa9","at":1.5}', b"d\nu1"), b"d\nu1"
    assert database.as_sealed(text, beside) == {"name": "\xe9", "at": 1.5}
    passed = set()
    for place, byte in enumerate(text):
        for bit in range(8):
            changed = text[:place] + bytes([byte ^ 1 << bit]) + text[place + 1 :]
            try:
                database.as_sealed(changed, beside)
            except ValueError:
                continue
            passed.add(place)
    name = text.index(b"crc32")
    assert passed <= set(range(name, name + 5)), "but in the name of the seal, which holds no data"
    for place, byte in enumerate(beside):
        with pytest.raises(ValueError, match="its checksum is another"):
            database.as_sealed(text, beside[:place] + bytes([byte ^ 1]) + beside[place + 1 :])


CHANGES = {
    "a tracking id": ("catalogue", "documents", "body", '"trackingId":"', "kind = 'EventTracker'"),
    "a recipe": ("catalogue", "documents", "body", '"recipeArn":"arn:aws:personalize:::recipe/', "kind = 'Solution'"),
    "a campaign's version": ("catalogue", "documents", "body", '"solutionVersionArn":"', "kind = 'Campaign'"),
    "an item": ("live", "events", "row", '"ITEM_ID":"', "key LIKE 'content:%'"),
    "an item of an event with an id": ("live", "events", "row", '"ITEM_ID":"', "key LIKE 'id:%'"),
    "a user": ("live", "events", "subject", "", "number > 0"),
    "a key": ("live", "events", "key", "", "number > 0"),
}
"""By what is changed: the database, the table, the column, what stands before the bit, and in which row."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_bit_in_a_row_of_a_database_is_told(installation: Installation, change: str) -> None:
    name, table, column, before, where = CHANGES[change]
    if not installation.call("list_event_trackers", datasetGroupArn=installation.group)["eventTrackers"]:
        tracker = installation.call("create_event_tracker", name="t", datasetGroupArn=installation.group)
        for more in ({}, {"eventId": "e"}):
            event = {"eventType": "click", "sentAt": installation.now, "itemId": "i1", **more}
            installation.call(
                "put_events", trackingId=tracker["trackingId"], userId="u1", sessionId="s", eventList=[event]
            )
    assert installation.check().exit_code == 0
    with closing(sqlite3.connect(installation.folder / f"{name}.db")) as connection, connection:
        key, text = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchone()
        place = text.index(before) + len(before)
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        statement = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
        connection.execute(statement, [changed, key])
    result = installation.check()
    with closing(sqlite3.connect(installation.folder / f"{name}.db")) as connection, connection:
        connection.execute(statement, [text, key])
    assert result.exit_code == 1
    assert (
        f"{name}.db holds a damaged {'document of arn:' if name == 'catalogue' else 'event, number '}" in result.output
    )
    assert "its checksum is another" in result.output
    assert installation.check().exit_code == 0


def test_rows_of_older_versions_have_no_seal_and_are_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    group = world.call("create_dataset_group", name="g")["datasetGroupArn"]
    world.workspace.live.append("d", [Event("u", "s", 1, {"ITEM_ID": "a"})])
    for name, table, column in (("catalogue", "documents", "body"), ("live", "events", "row")):
        with closing(sqlite3.connect(tmp_path / "data" / f"{name}.db")) as connection, connection:
            (text,) = connection.execute(f"SELECT {column} FROM {table}").fetchone()
            assert '"crc32"' in text
            connection.execute(f"UPDATE {table} SET {column} = ?", [text.partition(',"crc32"')[0] + "}"])
    assert world.call("describe_dataset_group", datasetGroupArn=group)["datasetGroup"]["name"] == "g"
    assert world.workspace.live.all("d")[0].row == {"ITEM_ID": "a"}
    result = CliRunner().invoke(main.app, ["check", "--data-dir", str(tmp_path / "data")])
    assert result.exit_code == 0, result.output
    world.workspace.catalogue.update(group, lambda document: document | {"roleArn": "r"})
    with closing(sqlite3.connect(tmp_path / "data" / "catalogue.db")) as connection:
        assert connection.execute("SELECT body FROM documents").fetchone()[0].count('"crc32"') == 1
    world.workspace.close()


def test_damaged_items_cost_an_import_of_interactions_no_more_than_a_warning(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.prepare()
    fields = [{"name": "ITEM_ID", "type": "string"}, {"name": "GENRE", "type": "string", "categorical": True}]
    items = world.made("Items", {"type": "record", "name": "Items", "fields": fields, "version": "1.0"})
    world.fill(items, "items", b"ITEM_ID,GENRE\na,x\n")
    next((tmp_path / "data" / "tables").glob("*ITEMS-*/*.parquet")).write_bytes(b"")
    world.fill(world.dataset, "interactions", interactions_csv(1))
    _, job = world.workspace.catalogue.select("DatasetImportJob")[-1]
    assert f"The stored data of {items} are damaged" in " ".join(job["_report"]["warnings"])
    world.workspace.close()

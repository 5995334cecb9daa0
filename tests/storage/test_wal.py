"""Commits that SQLite drops without a word: told from the end that a crash tears, which is nobody's loss."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailorbird import config as configuration
from tailorbird.cli import main, opening
from tailorbird.storage import live, wal
from tailorbird.storage.live import Event, Live
from world import World

HEADER, FRAME, PAGE = 32, 24, 4096
ENDINGS = ("", "-wal", "-shm")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed process leaves of a store with 40 events: the files as they are while it is open."""
    folder = tmp_path_factory.mktemp("killed")
    store = Live(f"sqlite:///{folder / 'open.db'}")
    for number in range(40):
        store.append("d", [Event("u", "s", number, {"ITEM_ID": str(number)})])
    for ending in ENDINGS:
        shutil.copy(folder / f"open.db{ending}", folder / f"live.db{ending}")
    store.close()
    return folder


@pytest.fixture
def left(killed: Path, tmp_path: Path) -> Path:
    """A copy of it, to damage."""
    for ending in ENDINGS:
        shutil.copy(killed / f"live.db{ending}", tmp_path / f"live.db{ending}")
    return tmp_path


def told(folder: Path) -> str:
    found = wal.damage(live.database(f"sqlite:///{folder / 'live.db'}"))
    return str(found) if found else ""


def readable(folder: Path) -> int:
    store = Live(f"sqlite:///{folder / 'live.db'}")
    count = store.waiting().get("d", 0)
    store.close()
    return count


def flip(path: Path, at: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


def test_a_whole_log_is_whole(left: Path) -> None:
    assert told(left) == ""
    assert readable(left) == 40
    assert told(left) == ""


@pytest.mark.parametrize("index", [True, False])
def test_every_flipped_bit_that_costs_an_event_is_told(killed: Path, tmp_path: Path, index: bool) -> None:
    """Without the index, as after a power cut, all but those of the last commits, which may be a torn end."""
    chosen, size = random.Random(0), (killed / "live.db-wal").stat().st_size
    end = size if index else size - 8 * (FRAME + PAGE)
    places = [*range(0, HEADER, 3), *range(HEADER, HEADER + FRAME, 3), *(chosen.randrange(end) for _ in range(20))]
    for at in places:
        for ending in ENDINGS:
            shutil.copy(killed / f"live.db{ending}", tmp_path / f"live.db{ending}")
        if not index:
            (tmp_path / "live.db-shm").unlink()
        flip(tmp_path / "live.db-wal", at)
        said = told(tmp_path)
        assert "live.db-wal" in said, at
        assert "the recent events" in said
        if at not in range(4, 8):  # the version of another format is refused
            assert readable(tmp_path) < 40


def test_an_ordinary_end_is_no_damage(left: Path, killed: Path) -> None:
    """Half a frame, a page without its rest, and frames of an older log."""
    (left / "live.db-shm").unlink()
    path = left / "live.db-wal"
    data = path.read_bytes()
    for torn in (
        data[: -PAGE // 2],
        data + data[-PAGE - FRAME :][:2000],
        data[:-PAGE] + bytes(PAGE),
        data + bytes(3 * (PAGE + FRAME)),
        data + data[HEADER:].replace(data[16:24], b"12345678"),
        data[:HEADER],
        data[: HEADER // 2],
        b"",
    ):
        path.write_bytes(torn)
        assert told(left) == ""


def test_a_log_that_is_removed_or_cut_is_told(left: Path) -> None:
    path = left / "live.db-wal"
    data = path.read_bytes()
    path.write_bytes(data[: HEADER + 10 * (PAGE + FRAME)])
    assert re.search(r"can be read up to page \d+ of \d\d\d: the newest commits are lost", told(left))
    for rest in (b"", data[: HEADER - 1]):
        path.write_bytes(rest)
        assert f"{path} is empty, and with it" in told(left)
    path.unlink()
    assert f"{path} is missing" in told(left)


def test_a_store_that_writes_has_no_damage(tmp_path: Path) -> None:
    store = Live(f"sqlite:///{tmp_path / 'live.db'}")
    for number in range(60):
        store.append("d", [Event("u", "s", number, {"TEXT": "x" * 100_000})])  # the log begins anew meanwhile
        assert told(tmp_path) == ""
    store.close()
    assert told(tmp_path) == ""


@pytest.mark.parametrize("name", ["catalogue", "live", "shown", "tallies"])
def test_check_and_the_next_start_tell_it_once_and_the_log_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    world = World(tmp_path)
    data, copy = tmp_path / "data", tmp_path / "copy"
    with closing(sqlite3.connect(data / f"{name}.db")) as connection:
        for number in range(20):
            with connection:
                connection.execute(f"CREATE TABLE more{number} (a)")
        shutil.copytree(data, copy)
    world.workspace.close()
    path = copy / f"{name}.db-wal"
    flip(path, path.stat().st_size // 2)
    damaged = path.read_bytes()
    for _ in range(2):
        result = CliRunner().invoke(main.app, ["check", "--data-dir", str(copy)], env={"COLUMNS": "1000"})
        assert result.exit_code == 1
        assert f"DAMAGED: {path} is damaged" in result.output
        assert "keys and databases: 1 damaged" in result.output
    config = configuration.load({}, data_dir=copy)
    for _ in range(2):
        opening.server_workspace(config).close()
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert str(path) in record.getMessage()
    (aside,) = copy.glob(f"{name}.db.damaged-*-wal")
    assert aside.read_bytes() == damaged
    assert CliRunner().invoke(main.app, ["check", "--data-dir", str(copy)]).exit_code == 0

"""A full disk, a real one of half a megabyte: told as such, with nothing half-written left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from support import small_disk
from tailorbird.errors import NoSpace
from tailorbird.storage import durable, recommendation_log
from tailorbird.storage.arrays import save_arrays
from tailorbird.storage.catalogue import Catalogue
from tailorbird.storage.live import Event, Live
from tailorbird.storage.objects import Objects
from tailorbird.storage.part_writer import FULL, INCREMENTAL
from tailorbird.storage.recommendation_log import LoggedAnswer, RecommendationLog
from tailorbird.storage.tables import Tables

KEY = "dataset"
NOISE = np.random.default_rng(0).integers(0, 1 << 60, 100_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The root of a file system of 512 kB."""
    with small_disk(tmp_path / "disk", "512k") as folder:
        yield folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def filled(folder: Path) -> Path:
    """Leaves no room; returns the file that takes it."""
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"\0" * (1 << 20))
    return ballast


def write(tables: Tables, job: str, mode: str, rows: int) -> None:
    with tables.begin(KEY, job) as part:
        part.write(pl.DataFrame({"N": NOISE[:rows]}))
        part.commit(mode)


def test_a_part(disk: Path) -> None:
    tables = Tables(disk / "tables")
    write(tables, "1", FULL, 100)
    before = files(disk)
    for rows in (100_000, 35_000):  # the first finds no room for its piece, the second none for the part
        with pytest.raises(NoSpace, match=f"There is no space left in {disk}/tables"):
            write(tables, str(rows), INCREMENTAL, rows)
        assert files(disk) == before
    assert tables.rows(KEY) == 100
    write(tables, "2", INCREMENTAL, 100)
    assert tables.rows(KEY) == 200


def test_a_removal_of_rows(disk: Path) -> None:
    tables = Tables(disk / "tables")
    write(tables, "1", FULL, 20_000)
    ballast = filled(disk)
    before = files(disk)
    with pytest.raises(NoSpace):
        tables.remove(KEY, "2", lambda _: pl.col("N") == int(NOISE[0]))
    assert files(disk) == before
    ballast.unlink()
    tables.remove(KEY, "2", lambda _: pl.col("N") == int(NOISE[0]))
    assert tables.rows(KEY) == 19_999


def test_a_manifest(disk: Path) -> None:
    tables = Tables(disk / "tables")
    write(tables, "1", FULL, 100)
    with tables.begin(KEY, "2") as part:
        part.write(pl.DataFrame({"N": NOISE[:100]}))
        swap = durable.replace
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "replace", lambda *what: (filled(disk), swap(*what)))
            with pytest.raises(NoSpace):
                part.commit(INCREMENTAL)
    assert len(list(disk.rglob("*.parquet"))) == 1
    assert not list(disk.rglob("*.new"))
    assert tables.rows(KEY) == 100


def test_an_artifact(disk: Path) -> None:
    for content in ({"a": NOISE}, {"a": NOISE[:100], "b": NOISE}):
        with pytest.raises(NoSpace, match=f"There is no space left in {disk}/artifacts"):
            publish(disk / "artifacts" / "model", **content)
        assert files(disk) == {}
    publish(disk / "artifacts" / "model", a=NOISE[:100])
    assert len(files(disk)) == 2


def publish(folder: Path, **arrays: np.ndarray) -> None:
    with durable.publish(folder) as fresh:
        save_arrays(fresh, **arrays)


@pytest.mark.parametrize("piece", [1 << 12, 1 << 20])
def test_an_output_file(disk: Path, piece: int) -> None:
    objects = Objects(None, "", "", "", [disk])
    for size in (1 << 20, (512 << 10) - 100):  # the second is told when the file is closed
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * 8192)
        with pytest.raises(NoSpace, match=f"There is no space left in {disk}/out"):
            put(objects, f"file://{disk}/out/answers.out", size, piece)
        assert set(files(disk)) == {"ballast"}


def put(objects: Objects, uri: str, size: int, piece: int) -> None:
    with objects.writer(uri) as file:
        while size > 0:
            file.write(b"\0" * min(piece, size))
            size -= piece


def test_events_are_not_acknowledged(disk: Path) -> None:
    live = Live(f"sqlite:///{disk}/live.db")
    live.append(KEY, [Event("u", "s", 1, {"ITEM_ID": "a"})])
    ballast = filled(disk)
    with pytest.raises(NoSpace, match=f"There is no space left in {disk}"):
        live.append(KEY, [Event("u", "s", number, {"ITEM_ID": "b" * 200}) for number in range(2000)])
    assert len(live.all(KEY)) == 1
    ballast.unlink()
    live.append(KEY, [Event("u", "s", 2, {"ITEM_ID": "b"})])
    assert len(live.all(KEY)) == 2
    live.close()


def test_documents(disk: Path) -> None:
    catalogue = Catalogue(f"sqlite:///{disk}/catalogue.db")
    filled(disk)
    with pytest.raises(NoSpace):
        catalogue.insert("Solution", "arn", {"text": "x" * 300_000})
    assert catalogue.get("arn") is None
    catalogue.close()


def test_answers_that_find_no_room_are_told_in_one_line(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommendation_log, "RETRY_SECONDS", 0.1)
        lists = RecommendationLog(f"sqlite:///{disk}/shown.db")
        ballast = filled(disk)
        lists.remember(LoggedAnswer("RID-1", 0.0, "c", "g", ["i" * 100_000]))
        while not caplog.records:
            lists._news.wait(0.01)
        assert f"There is no space left in {disk}" in caplog.records[0].reason
        assert caplog.records[0].exc_info is None
        ballast.unlink()
        lists.remember(LoggedAnswer("RID-2", 0.0, "c", "g", ["i"]))
        lists.close()
    again = RecommendationLog(f"sqlite:///{disk}/shown.db")
    assert set(again.find(["RID-1", "RID-2"])) == {"RID-2"}
    again.close()

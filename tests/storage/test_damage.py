"""Files that are not as they were written: told, and never read as if they were whole."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import polars as pl
import pytest

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, durable
from tailorbird.storage.arrays import load_arrays, save_arrays
from tailorbird.storage.manifests import TableManifest
from tailorbird.storage.part_writer import FULL, INCREMENTAL, STREAMED
from tailorbird.storage.tables import Tables

KEY = "arn:aws:personalize:us-east-1:123456789012:dataset/g/INTERACTIONS"
FLIPS = 300


def filled(folder):
    """Tables with one part and what it holds."""
    tables = Tables(folder)
    draws = np.random.default_rng(0)
    users = pl.Series(draws.integers(0, 200, 3000)).cast(pl.String)
    with tables.begin(KEY, "1", sort_by=["USER_ID"]) as part:
        part.write(pl.DataFrame({"USER_ID": users, "ITEM_ID": draws.integers(0, 50, 3000)}))
        part.commit(FULL)
    return tables, tables.read(KEY)


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def refused(folder):
    """Everybody who reads is told of the damage."""
    for read in (
        lambda tables: tables.read(KEY),
        lambda tables: tables.view(KEY, ["ITEM_ID"], where=("USER_ID", "7")),
        lambda tables: tables.count(KEY, lambda _: pl.col("USER_ID") == "7"),
        lambda tables: tables.remove(KEY, "x", lambda _: pl.col("USER_ID") == "7"),
    ):
        with pytest.raises(DamagedFile):
            read(Tables(folder))
    assert list(Tables(folder).damages([KEY]))


def test_every_flipped_bit_of_a_part_is_found(tmp_path):
    filled(tmp_path)
    (path,) = tmp_path.rglob("*.parquet")
    data = path.read_bytes()
    chosen = random.Random(0)
    for _ in range(FLIPS):
        path.write_bytes(flipped(data, chosen.randrange(len(data) * 8)))
        with pytest.raises(DamagedFile, match="its checksum is another"):
            Tables(tmp_path).read(KEY)
    refused(tmp_path)
    assert path.exists()
    path.write_bytes(data[:-1])
    with pytest.raises(DamagedFile, match=f"has {len(data) - 1} bytes instead of {len(data)}"):
        Tables(tmp_path).read(KEY)


def test_every_flipped_bit_of_a_manifest_is_found(tmp_path):
    filled(tmp_path)
    (path,) = tmp_path.rglob("manifest.json")
    data = path.read_bytes()
    for bit in range(len(data) * 8):
        path.write_bytes(flipped(data, bit))
        with pytest.raises(DamagedFile):
            Tables(tmp_path).rows(KEY)
    refused(tmp_path)


@pytest.mark.parametrize("left", [b"", b"{", b"null", b"\0" * 400])
def test_a_manifest_that_is_cut_or_empty_is_damaged(tmp_path, left):
    filled(tmp_path)
    (path,) = tmp_path.rglob("manifest.json")
    path.write_bytes(left)
    refused(tmp_path)


def test_parts_without_their_manifest_are_refused_and_kept(tmp_path):
    tables, _ = filled(tmp_path)
    (path,) = tmp_path.rglob("manifest.json")
    path.unlink()
    refused(tmp_path)
    with pytest.raises(DamagedFile, match=r"manifest\.json is missing, and there are parts beside it"):
        tables.begin(KEY, "2")
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    tables.drop(KEY)
    assert filled(tmp_path)[0].rows(KEY) == 3000


def test_a_first_writer_that_dies_before_its_manifest_leaves_no_damage(tmp_path):
    tables = Tables(tmp_path)
    with tables.begin(KEY, "1") as part:
        part.write(pl.DataFrame({"USER_ID": ["a"]}))
        own = next(tmp_path.rglob("00000000.parquet"))
        own.rename(own.parent.parent / "stray.parquet")  # where a commit puts it, before it swaps the manifest
    assert tables.read(KEY).is_empty()
    filled(tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_a_full_import_heals_a_damaged_part(tmp_path):
    filled(tmp_path)
    (path,) = tmp_path.rglob("*.parquet")
    path.write_bytes(b"PAR1")
    tables = Tables(tmp_path)
    with tables.begin(KEY, "2") as part:
        part.write(pl.DataFrame({"USER_ID": ["a"]}))
        part.commit(FULL)
    assert tables.read(KEY).rows() == [("a",)]
    assert not list(tables.damages([KEY]))


def test_a_damage_says_what_to_do(tmp_path):
    tables = Tables(tmp_path)
    for job, mode in enumerate((FULL, STREAMED)):
        with tables.begin(KEY, str(job)) as part:
            part.write(pl.DataFrame({"USER_ID": [mode]}))
            part.commit(mode, at=job)
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    bulk, streamed = Tables(tmp_path).damages([KEY])
    assert "import the data once more with importMode FULL" in bulk.remedy
    assert "these events are lost" in streamed.remedy
    assert str(tmp_path) not in bulk.message
    assert KEY in bulk.message


def test_what_an_older_version_wrote_is_read_and_checked_from_the_next_write_on(tmp_path):
    tables, rows = filled(tmp_path)
    (path,) = tmp_path.rglob("manifest.json")
    old = msgspec.json.decode(checksums.unsealed(path.read_bytes()))
    del old["parts"][0]["checksum"]
    path.write_bytes(msgspec.json.encode(old))
    assert tables.read(KEY).equals(rows)
    assert tables.unverified([KEY]) == 1
    assert not list(tables.damages([KEY]))
    with tables.begin(KEY, "2") as part:
        part.write(rows)
        part.commit(INCREMENTAL)
    assert tables.unverified([KEY]) == 1
    assert len(Tables(tmp_path).read(KEY)) == 6000
    tables.remove(KEY, "3", lambda _: pl.col("USER_ID") == "7")
    assert tables.unverified([KEY]) == 0
    assert msgspec.json.decode(checksums.unsealed(path.read_bytes()), type=TableManifest).jobs == ("1", "2", "3")


def test_an_unverified_part_that_is_no_parquet_is_damaged(tmp_path):
    filled(tmp_path)
    (path,) = tmp_path.rglob("manifest.json")
    old = msgspec.json.decode(checksums.unsealed(path.read_bytes()))
    del old["parts"][0]["checksum"]
    path.write_bytes(msgspec.json.encode(old))
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1 and nothing more")
    refused(tmp_path)


def test_every_flipped_bit_of_a_published_folder_is_found(tmp_path):
    folder = tmp_path / "model"
    with durable.publish(folder) as fresh:
        save_arrays(fresh, items=np.array(["a", "b"]), weights=np.arange(300.0))
        (fresh / "part").mkdir()
        save_arrays(fresh / "part", counts=np.arange(10))
        (fresh / "recipe.json").write_text('{"recipe": "aws-sims"}')
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(files) == 5
    chosen = random.Random(0)
    for path, data in files.items():
        for bit in {chosen.randrange(len(data) * 8) for _ in range(50)}:
            path.write_bytes(flipped(data, bit))
            with pytest.raises(DamagedFile) as error, checksums.reading(folder, "Train again.", "m"):
                pass
            assert error.value.path == path
        path.write_bytes(data)
    assert not list(checksums.damages(folder, "Train again.", "m"))
    for path in files:
        path.unlink()
        assert bool(list(checksums.damages(folder, "Train again.", "m"))) == (folder / checksums.NAME).exists()


def test_a_folder_inside_that_has_checksums_of_its_own_may_go(tmp_path):
    with durable.publish(tmp_path / "model") as fresh:
        (fresh / "a").write_text("1")
        with durable.publish(fresh / "pools" / "0") as pool:
            (pool / "b").write_text("2")
    (tmp_path / "model" / "pools" / "0" / "b").unlink()
    assert not list(checksums.damages(tmp_path / "model", "", ""))
    assert len(list(checksums.damages(tmp_path / "model" / "pools" / "0", "", ""))) == 1


def test_a_failed_publication_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"), durable.publish(tmp_path / "model") as fresh:
        save_arrays(fresh, a=np.zeros(3), b="no array".split)
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = (
        np.zeros((0, 3), np.float32),
        np.array(7),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.array(["ä"]),
    )
    save_arrays(tmp_path, **{f"a{n}": array for n, array in enumerate(arrays)})
    for array, back in zip(arrays, load_arrays(tmp_path, *(f"a{n}" for n in range(4))), strict=True):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)

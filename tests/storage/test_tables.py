"""Parquet parts behind a manifest: what is visible when, and to whom."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from tailorbird.errors import DamagedFile
from tailorbird.storage.part_writer import FULL, INCREMENTAL, ROW_GROUP, STREAMED
from tailorbird.storage.tables import Tables

KEY = "arn:aws:personalize:us-east-1:123456789012:dataset/../group/INTERACTIONS"


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path / "tables")


def frame(*users, time=0):
    return pl.DataFrame({"USER_ID": users, "TIMESTAMP": [time] * len(users), "N": range(len(users))})


def put(tables, mode, job, *users, key=KEY, sort_by=None):
    with tables.begin(key, job, sort_by=sort_by) as part:
        for user in users:
            part.write(frame(user))
        part.commit(mode)


def put_and_commit(part, user):
    part.write(frame(user))
    part.commit(FULL)


def users(tables, key=KEY):
    return tables.read(key, ["USER_ID"])["USER_ID"].to_list()


def files(tmp_path):
    return sorted(
        path.name for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("lock", "manifest.json")
    )


def test_nothing_yet(tables):
    assert (tables.version(KEY), tables.rows(KEY)) == ("", 0)
    assert tables.read(KEY, ["A"]).columns == ["A"]
    assert tables.view(KEY, where=("A", 1)).rows.is_empty()
    tables.drop(KEY)


def test_modes(tables, tmp_path):
    put(tables, FULL, "1", "a", "b")
    put(tables, STREAMED, "2", "s")
    put(tables, INCREMENTAL, "3", "c")
    assert users(tables) == ["a", "b", "s", "c"]
    assert tables.rows(KEY) == 4
    put(tables, FULL, "4", "z")
    assert users(tables) == ["s", "z"]
    assert len(files(tmp_path)) == 2
    with pytest.raises(ValueError, match="no mode"):
        put(tables, "SOME", "5", "x")


def test_keys_are_apart_and_stay_in_the_folder(tables, tmp_path):
    keys = ["", ".", "..", "../x", "a/b", "a_b", "A/B", "x" * 300, "x" * 301, "ä名\n"]
    for key in keys:
        put(tables, FULL, "1", f"user of {key}", key=key)
    assert [users(tables, key) for key in keys] == [[f"user of {key}"] for key in keys]
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
    assert len(list((tmp_path / "tables").iterdir())) == len(keys)


def test_version_changes_with_each_commit(tables):
    versions = [tables.version(KEY)]
    for job in "123":
        put(tables, FULL, job, "a")
        versions.append(tables.version(KEY))
    tables.drop(KEY)
    assert tables.version(KEY) == ""
    put(tables, FULL, "1", "a")
    versions.append(tables.version(KEY))
    assert len(set(versions)) == len(versions)


def test_the_same_job_counts_once(tables, tmp_path):
    put(tables, FULL, "1", "a")
    put(tables, INCREMENTAL, "2", "b")
    put(tables, INCREMENTAL, "2", "b")
    put(tables, FULL, "1", "a")
    assert users(tables) == ["a", "b"]
    assert len(files(tmp_path)) == 2


def test_nothing_is_visible_before_the_commit_or_after_a_failure(tables, tmp_path):
    put(tables, FULL, "1", "a")
    with tables.begin(KEY, "2") as part:
        part.write(frame("b"))
        assert users(tables) == ["a"]
    with pytest.raises(pl.exceptions.PolarsError), tables.begin(KEY, "3", sort_by=["NO_SUCH"]) as part:
        put_and_commit(part, "c")
    assert users(tables) == ["a"]
    assert len(files(tmp_path)) == 1


def test_a_commit_without_rows(tables):
    put(tables, FULL, "1", "a")
    put(tables, INCREMENTAL, "2")
    assert users(tables) == ["a"]
    put(tables, FULL, "3")
    assert tables.rows(KEY) == 0
    assert users(tables) == []
    assert tables.version(KEY) != ""


def crash(folder):
    part = Tables(folder).begin(KEY, "crashed")
    part.write(frame("lost"))
    os._exit(9)


def test_leftovers_of_a_crash_go_and_running_writers_stay(tables, tmp_path):
    with tables.begin(KEY, "slow") as slow:
        slow.write(frame("slow"))
        process = multiprocessing.get_context("spawn").Process(target=crash, args=(tmp_path / "tables",))
        process.start()
        process.join()
        assert process.exitcode == 9
        assert len(files(tmp_path)) == 4
        put(tables, FULL, "other", "a")
        assert len(files(tmp_path)) == 3
        slow.commit(INCREMENTAL)
    assert users(tables) == ["a", "slow"]
    assert len(files(tmp_path)) == 2


def test_rows_are_sorted_and_ties_keep_their_order(tables):
    with tables.begin(KEY, "1", sort_by=("USER_ID", "TIMESTAMP")) as part:
        for time_ in (2, 1, 1):
            part.write(pl.DataFrame({"USER_ID": ["b", "a"], "TIMESTAMP": [time_, time_], "N": [time_ * 10, time_]}))
        part.write(frame("a", time=1).with_columns(N=pl.lit(7, pl.Int64)))
        part.commit(FULL)
    found = tables.read(KEY).rows()
    assert found == [("a", 1, 1), ("a", 1, 1), ("a", 1, 7), ("a", 2, 2), ("b", 1, 10), ("b", 1, 10), ("b", 2, 20)]


def test_columns_that_came_later_are_null_in_older_parts(tables):
    put(tables, FULL, "1", "a")
    with tables.begin(KEY, "2") as part:
        part.write(frame("b").with_columns(NEW=pl.lit("x")))
        part.commit(INCREMENTAL)
    assert tables.read(KEY, ["NEW", "USER_ID"]).rows() == [(None, "a"), ("x", "b")]
    assert tables.read(KEY).columns == ["USER_ID", "TIMESTAMP", "N", "NEW"]
    assert tables.view(KEY, ["USER_ID"], where=("NEW", "x")).rows.rows() == [("b",)]


def test_one_users_rows_cost_a_part_of_all(tables, tmp_path):
    random = np.random.default_rng(0)
    rows = 500_000
    with tables.begin(KEY, "1", sort_by=("USER_ID", "TIMESTAMP")) as part:
        for _ in range(5):
            made = random.integers(0, 20_000, rows // 5)
            part.write(pl.DataFrame({"USER_ID": made, "TIMESTAMP": made, "ITEM_ID": made}).cast({"USER_ID": pl.String}))
        part.commit(FULL)
    started = time.process_time()
    everything = tables.read(KEY)
    whole = time.process_time() - started
    assert len(everything) == rows
    groups = pq.ParquetFile(next(tmp_path.rglob("*.parquet"))).num_row_groups
    assert groups == rows / ROW_GROUP
    best = whole
    for user in ("0", "777", "9999", "nobody"):
        started = time.process_time()
        found = tables.view(KEY, where=("USER_ID", user)).rows
        best = min(best, time.process_time() - started)
        assert found.equals(everything.filter(pl.col("USER_ID") == user))
    print(best, whole)
    assert best < whole / 2


def test_readers_racing_commits_never_fail(tables):
    put(tables, FULL, "start", "a", "b")
    stop = threading.Event()
    failures = []

    def reading():
        try:
            while not stop.is_set():
                assert len(tables.read(KEY)) == 2
                assert len(tables.view(KEY, where=("USER_ID", "a")).rows) == 1
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for job in range(40):
        put(tables, FULL, str(job), "a", "b")
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_a_lost_part_is_an_error_and_no_endless_retry(tables, tmp_path):
    put(tables, FULL, "1", "a")
    next(tmp_path.rglob("*.parquet")).unlink()
    with pytest.raises(DamagedFile, match=r"parquet is missing\. It holds data of arn:aws:.*importMode FULL"):
        tables.read(KEY)


def test_concurrent_writers_lose_nothing(tables):
    def writing(name):
        for job in range(5):
            put(tables, INCREMENTAL, f"{name}{job}", f"{name}{job}")

    writers = [threading.Thread(target=writing, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(users(tables)) == sorted(f"{name}{job}" for name in "abcd" for job in range(5))


def test_drop(tables, tmp_path):
    put(tables, FULL, "1", "a")
    with tables.begin(KEY, "2") as part:
        part.write(frame("b"))
        tables.drop(KEY)
        with pytest.raises(FileNotFoundError):
            part.commit(FULL)
    assert tables.rows(KEY) == 0
    assert files(tmp_path) == []

"""Imports in full: modes, folders, the doctor's warnings, a million rows (spec control-plane 5.1)."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, Journey, as_csv, interactions_csv, items_csv
from support import ROLE, Server, clean_environment, settled, terminal

LONG = bool(os.environ.get("TAILORBIRD_LONG"))
HEADER = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "imports")
    journey.data()
    return journey


def warnings_of(way: Journey, arn: str) -> list[str]:
    """The warnings that `tailorbird job` prints."""
    ran = terminal("job", arn, "--data-dir", str(way.server.data_dir))
    assert ran.returncode == 0, ran.stderr
    return [line.removeprefix("Warning: ") for line in ran.stdout.splitlines() if line.startswith("Warning: ")]


def test_the_first_import_is_full(way: Journey) -> None:
    fresh = Journey(way.server, "fresh")
    fresh.s3.create_bucket(Bucket=fresh.bucket)
    fresh.arns["group"] = fresh.personalize.create_dataset_group(name="fresh")["datasetGroupArn"]
    fresh.dataset("ITEMS", ITEMS_SCHEMA)
    wrong = fresh.personalize.exceptions.InvalidInputException
    with pytest.raises(wrong, match="must have the importMode FULL"):
        fresh.import_job("ITEMS", items_csv(), "first", importMode="INCREMENTAL")
    fresh.events.put_items(
        datasetArn=fresh.arns["ITEMS"], items=[{"itemId": "a", "properties": '{"genre": "x", "year": 1}'}]
    )
    with pytest.raises(wrong, match="must have the importMode FULL"):
        fresh.import_job("ITEMS", items_csv(), "first", importMode="INCREMENTAL")
    assert fresh.import_job("ITEMS", items_csv(), "first")["importMode"] == "FULL"
    assert fresh.import_job("ITEMS", items_csv(), "second", importMode="INCREMENTAL")["status"] == "ACTIVE"
    with pytest.raises(wrong, match="publishAttributionMetricsToS3"):
        fresh.import_job("ITEMS", items_csv(), "third", publishAttributionMetricsToS3=True)


def test_jobs_of_a_dataset_run_in_the_order_of_their_creation(way: Journey) -> None:
    arns = []
    for number, mode in enumerate(("FULL", "INCREMENTAL", "INCREMENTAL", "FULL", "INCREMENTAL")):
        rows = [("ITEM_ID", "GENRE", "YEAR"), ("same", f"g{number}", str(number)), (f"only {number}", "g", "1")]
        way.s3.put_object(Bucket=way.bucket, Key=f"order/{number}.csv", Body=as_csv(rows))
        arns.append(
            way.personalize.create_dataset_import_job(
                jobName=f"order-{number}",
                datasetArn=way.arns["ITEMS"],
                dataSource={"dataLocation": f"s3://{way.bucket}/order/{number}.csv"},
                roleArn=ROLE,
                importMode=mode,
            )["datasetImportJobArn"]
        )
    for arn in arns:
        ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
        assert ended["status"] == "ACTIVE", ended
    found = {row["ITEM_ID"]: row["GENRE"] for row in way.export("ITEMS")}
    assert found == {"same": "g4", "only 3": "g", "only 4": "g"}


def test_a_folder_is_read_but_for_other_files_which_are_named(way: Journey) -> None:
    parts = {
        "many/1.csv": as_csv([HEADER, ("1", "1", "click", "1")]),
        "many/2.CSV.gz": gzip.compress(as_csv([HEADER, ("2", "1", "click", "2")])),
        "many/notes.txt": b"not data",
        "many/old/3.csv": as_csv([HEADER, ("3", "1", "click", "3")]),
    }
    for key, body in parts.items():
        way.s3.put_object(Bucket=way.bucket, Key=key, Body=body)
    arn = way.personalize.create_dataset_import_job(
        jobName="folder",
        datasetArn=way.arns["INTERACTIONS"],
        dataSource={"dataLocation": f"s3://{way.bucket}/many/"},
        roleArn=ROLE,
    )["datasetImportJobArn"]
    settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
    assert [row["USER_ID"] for row in way.export("INTERACTIONS")] == ["1", "2"]
    (left,) = [text for text in warnings_of(way, arn) if "not read" in text]
    assert left.startswith("2 files")
    assert "notes.txt" in left


WARNED = {
    "future": ([("1", "2", "click", str(int(time.time()) + 10**7))], "1 row has a TIMESTAMP in the future"),
    "equal times": ([("1", "2", "a", "5"), ("1", "3", "b", "5")], "the same TIMESTAMP"),
    "one type": ([("1", "2", "click", "5"), ("1", "3", "click", "6")], "the EVENT_TYPE click"),
    "single rows": ([("1", "2", "a", "5"), ("2", "3", "b", "6")], "2 of 2 users have one row"),
    "stray spaces": (
        [("1 ", "2", "a", "5"), ("1", "3", "b", "6")],
        "1 row has a space before or after the USER_ID",
    ),
    "few": ([("1", "2", "a", "5"), ("1", "3", "b", "6")], "There are 2 rows"),
    "coverage": ([("1", "no metadata", "a", "5"), ("1", "same", "b", "6")], "1 of 2 items have a record"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_is_odd_is_said_before_training(way: Journey, case: str) -> None:
    rows, words = WARNED[case]
    way.load("ITEMS", as_csv([("ITEM_ID", "GENRE", "YEAR"), ("same", "g", "1")]), f"odd-items-{case.replace(' ', '-')}")
    ended = way.import_job("INTERACTIONS", as_csv([HEADER, *rows]), f"odd-{case.replace(' ', '-')}")
    assert ended["status"] == "ACTIVE"
    warnings = warnings_of(way, ended["datasetImportJobArn"])
    assert sum(words in text for text in warnings) == 1, warnings


def test_good_data_raise_no_warning(way: Journey) -> None:
    way.load("ITEMS", items_csv(), "good-items")
    ended = way.import_job("INTERACTIONS", interactions_csv(), "good")
    assert warnings_of(way, ended["datasetImportJobArn"]) == []


def doctor(folder: Path, body: bytes, schema: dict[str, Any] = INTERACTIONS_SCHEMA) -> tuple[int, str]:
    (folder / "data.csv").write_bytes(body)
    (folder / "schema.json").write_text(json.dumps(schema))
    ran = terminal("doctor", str(folder / "data.csv"), "--schema", str(folder / "schema.json"))
    return ran.returncode, ran.stdout + ran.stderr


def test_the_doctor_reports_a_file_with_one_percent_bad_rows_precisely(tmp_path: Path) -> None:
    lines = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    for number in range(20_000):
        item, when = number % 300, 1_600_000_000 + number
        bad = number % 100 == 37
        if bad and number % 200 == 37:
            lines.append(f"{number % 500},,click,{when}")
        elif bad:
            lines.append(f"{number % 500},{item},click,{when}000")
        else:
            lines.append(f"{number % 500},{item},{'click' if number % 2 else 'view'},{when}")
    status, text = doctor(tmp_path, "\n".join(lines).encode())
    assert status == 0
    assert "20,000 rows read, 19,800 kept, 200 dropped" in text
    assert "100 x ITEM_ID is empty" in text
    assert "100 x TIMESTAMP is in milliseconds" in text
    shown = [line.split(": ")[0].split()[-1] for line in text.splitlines() if "data.csv" in line]
    assert sorted(map(int, shown)) == [39 + 100 * number for number in range(10)]
    assert "Warning" not in text
    assert "20,000 rows read" in text
    assert "19,800 events, 495 users, 297 items, from 2020-09-13 12:26 to" in text
    assert "The import would succeed, without the 200 rows dropped." in text


def odd_rows() -> list[tuple[str, ...]]:
    """Interactions as they come out of several mistakes; each row is right by itself."""
    rows = [(f"u{n % 211}", f"i{n % 97}", "click" if n % 2 else "view", str(1_600_000_000 + n)) for n in range(3000)]
    rows += [("17850.0", f"i{n}", "view", str(1_600_000_000 + n)) for n in range(20)]
    rows += [("anonymous", f"i{n % 97}", "view", str(1_600_000_000 + n)) for n in range(900)]
    rows += [("u1\u200b", "i1", "view", "1600000000"), ("u1", "i2", "view", "20231114")]
    rows += [("Jose\u0301", "i1", "view", "1600000000"), ("Jos\u00e9", "i2", "view", "1600000000.75")]
    rows += [("u2", "i3", "view", "4102444800")]
    return rows + [(word, "i1", "view", "1600000000") for word in ("None", "nan", "NULL", "undefined", r"\N") * 10]


ODD = (
    r"Warning: 20 rows have a USER_ID that some program made a number.* \"17850\.0\"",
    r"Warning: 1 row has a USER_ID with characters that cannot be seen.* \"u1\\u200b\"",
    r"Warning: 1 value of USER_ID .*NFC and NFD.* \"Jose\\u0301\"",
    r"Warning: 900 of [0-9,]+ rows have the USER_ID \"anonymous\"",
    r"Warning: 1 row has a TIMESTAMP that looks like a date.* 20231114 \(1970-08-23",
    r"Warning: 1 row has a TIMESTAMP in the future.* 4102444800 \(2100-01-01",
    r"  50 x USER_ID is a word reserved for nothing.*\n.*line 3927: \"None\"",
    r"  1 x TIMESTAMP has a fraction.*\n.*line 3925: \"1600000000\.75\"",
)


def test_why_many_users_become_one_is_said_by_the_doctor_and_by_the_job(way: Journey, tmp_path: Path) -> None:
    body = as_csv([HEADER, *odd_rows()])
    status, examined = doctor(tmp_path, body)
    assert status == 0
    ended = way.import_job("INTERACTIONS", body, "odd")
    assert ended["status"] == "ACTIVE"
    told = terminal("job", ended["datasetImportJobArn"], "--data-dir", str(way.server.data_dir)).stdout
    for text in (examined, told):
        for words in ODD:
            assert len(re.findall(words, text)) == 1, (words, text)


def test_a_location_that_cannot_be_read_is_told_precisely(way: Journey) -> None:
    way.s3.put_object(Bucket=way.bucket, Key="spark/part-00000", Body=b"x")
    way.s3.put_object(Bucket=way.bucket, Key="spark/old/a.csv", Body=b"x")
    for number, (location, words) in enumerate(
        [
            ("s3://no-such-bucket/a.csv", "There is no bucket no-such-bucket"),
            (f"s3://{way.bucket}/none.csv", f"There is no object none.csv in bucket {way.bucket}"),
            (f"s3://{way.bucket}/spark/", "the first part-00000"),
            (f"s3://{way.bucket}/spark/", "the first old/a.csv"),
        ]
    ):
        arn = way.personalize.create_dataset_import_job(
            jobName=f"nowhere-{number}",
            datasetArn=way.arns["INTERACTIONS"],
            dataSource={"dataLocation": location},
            roleArn=ROLE,
        )["datasetImportJobArn"]
        ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
        assert words in ended["failureReason"]


def test_the_doctor_reads_a_schema_of_a_windows_editor(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(as_csv([HEADER, ("1", "2", "click", "3")]))
    for data, status, words in (
        (b"\xef\xbb\xbf" + json.dumps(INTERACTIONS_SCHEMA).encode(), 0, "1 row read, 1 kept"),
        (json.dumps(INTERACTIONS_SCHEMA).encode("utf-16"), 1, "The schema cannot be used: it is not UTF-8"),
    ):
        (tmp_path / "schema.json").write_bytes(data)
        ran = terminal("doctor", str(tmp_path), "--schema", str(tmp_path / "schema.json"))
        assert ran.returncode == status
        assert words in ran.stdout


def test_the_doctor_says_what_would_fail(tmp_path: Path) -> None:
    status, text = doctor(tmp_path, as_csv([HEADER[:2], ("1", "2")]))
    assert status == 1
    assert "missing the following columns:[EVENT_TYPE, TIMESTAMP]" in text
    status, text = doctor(tmp_path, as_csv([HEADER]), {"type": "record", "name": "Books", "fields": []})
    assert status == 1
    assert "The schema cannot be used" in text
    items = as_csv([("ITEM_ID", "GENRE", "YEAR"), ("1", "a", "2"), ("1", "b", "3"), ("2", "", "")])
    status, text = doctor(tmp_path, items, ITEMS_SCHEMA)
    assert status == 0
    assert "1 row repeats an earlier id" in text
    assert "1 of 3 items have no metadata" in text


def test_a_column_that_is_lost_is_told_by_the_doctor_and_by_the_job(way: Journey, tmp_path: Path) -> None:
    items = as_csv([("ITEM_ID", "GENRE", "YEAR"), *((str(n), "a", f"{2000 + n}年") for n in range(4))])
    words = "All 4 values of YEAR are emptied, so that the column says nothing"
    status, text = doctor(tmp_path, items, ITEMS_SCHEMA)
    assert status == 0
    assert f"Warning: {words}" in text
    assert "The import would succeed, without the 4 values emptied." in text
    ended = way.import_job("ITEMS", items, "lost-column")
    assert [words in told for told in warnings_of(way, ended["datasetImportJobArn"])].count(True) == 1


MILLION = """
import resource, sys
from pathlib import Path
from tailorbird.api import lookup
from tailorbird import config
from tailorbird.jobs import worker
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES, dataset
from tailorbird.workspace import open_workspace

folder, kind, schema = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
workspace = open_workspace(config.load({}, data_dir=folder / "data", file_roots=(folder,)))
call = lambda operation, /, **request: OPERATIONS[operation](workspace, request)
group = call("create_dataset_group", name="g")["datasetGroupArn"]
made = call("create_schema", name="s", schema=schema)["schemaArn"]
target = call("create_dataset", name="d", datasetType=kind, datasetGroupArn=group, schemaArn=made)["datasetArn"]
source = {"dataLocation": (folder / "rows.csv").as_uri()}
arn = call("create_dataset_import_job", jobName="j", datasetArn=target, dataSource=source)["datasetImportJobArn"]
worker.work(workspace, RESOURCES["DatasetImportJob"], arn)
document = workspace.catalogue.get(arn)
assert document["status"] == "ACTIVE", document
place = lookup.dataset(workspace, workspace.catalogue.get(target)).place
print(workspace.tables.rows(place), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
MILLION_ROWS = {
    "INTERACTIONS": ("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP", lambda n: f"{n % 99991},i {n % 4999},click,{10**9 + n}"),
    "ITEMS": ("ITEM_ID,GENRE,YEAR", lambda n: f'item {n},"Drama|Comedy, {n % 9}",{1900 + n % 100}'),
    "USERS": ("USER_ID,MEMBER", lambda n: f"user {n},gold {n % 5}"),
    "ACTIONS": ("ACTION_ID,KIND", lambda n: f"action {n},club {n % 7}"),
    "ACTION_INTERACTIONS": (
        "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP",
        lambda n: f"{n % 99991},{n % 99},Taken,{10**9 + n}",
    ),
}
TYPES = {"TIMESTAMP": "long", "YEAR": "int"}
CATEGORIES = ("GENRE", "MEMBER", "KIND")


@pytest.mark.skipif(not LONG, reason="a minute; TAILORBIRD_LONG=1 runs it")
@pytest.mark.parametrize("kind", MILLION_ROWS)
def test_a_million_rows_within_a_gigabyte(tmp_path: Path, kind: str) -> None:
    header, row = MILLION_ROWS[kind]
    with (tmp_path / "rows.csv").open("w") as file:
        file.write(header + "\n")
        file.writelines(row(number) + "\n" for number in range(1_000_000))
    fields = [
        {"name": name, "type": TYPES.get(name, "string")} | ({"categorical": True} if name in CATEGORIES else {})
        for name in header.split(",")
    ]
    schema = json.dumps({"type": "record", "name": kind, "fields": fields})
    program = [sys.executable, "-c", MILLION, str(tmp_path), kind, schema]
    ran = subprocess.run(program, capture_output=True, text=True, env=clean_environment())
    assert ran.returncode == 0, ran.stderr
    rows, megabytes = map(int, ran.stdout.split()[-2:])
    assert rows == 1_000_000
    assert megabytes < 1000

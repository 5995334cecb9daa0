"""The README's example runs as it is printed, again, and tells what went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import interactions_csv
from support import Server, clean_environment, wait_for

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
IMPORT, FILTER = re.findall(r"```python\n(.*?)```", README, re.S)
(SCHEMA,) = re.findall(r"```json\n(.*?)```", README, re.S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clicks.csv").write_bytes(interactions_csv())
    (tmp_path / "clicks.json").write_text(SCHEMA, encoding="utf-8")
    return tmp_path


def run(server: Server, folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | server.environment()
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_example_runs_twice_and_says_how_it_ended(server: Server, folder: Path) -> None:
    with (folder / "clicks.csv").open("ab") as clicks:
        clicks.write(b",1,click,1600000000\r\n" + b"17850.0,1,click,1600000000\r\n" * 2)
    jobs: list[dict[str, Any]] = []
    for number in (1, 2):
        ended = run(server, folder, IMPORT)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.startswith("ACTIVE ")
        assert "1 dropped" in ended.stdout
        assert "Warning: 2 rows have a USER_ID that some program made a number" in ended.stdout
        group = ended.stdout.split()[1]
        data = group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS"
        jobs += server.client("personalize").list_dataset_import_jobs(datasetArn=data)["datasetImportJobs"]
        assert [job["status"] for job in jobs] == ["ACTIVE"] * number
    made = run(server, folder, f"import boto3\npersonalize, group = boto3.client('personalize'), {group!r}\n{FILTER}")
    assert made.returncode == 0, made.stderr
    (found,) = wait_for(lambda: server.client("personalize").list_filters(datasetGroupArn=group)["Filters"])
    assert found["name"] == "not-seen"


def test_the_example_says_why_an_import_failed(server: Server, folder: Path) -> None:
    (folder / "clicks.csv").write_text("USER_ID,ITEM_ID\n1,2\n", encoding="utf-8")
    ended = run(server, folder, IMPORT)
    assert ended.returncode == 1
    assert ended.stdout.startswith("CREATE FAILED")
    assert "TIMESTAMP" in ended.stderr


def test_the_doctor_s_line(folder: Path) -> None:
    (line,) = re.findall(r"^\.venv/bin/tailorbird (doctor .*)$", README, re.M)
    command = [sys.executable, "-m", "tailorbird", *line.split()]
    ended = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert "0 dropped" in ended.stdout

"""The examples of README and docs/by-hand.md run as they are printed, again, and tell what went wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import interactions_csv
from support import Server, clean_environment, wait_for

ROOT = Path(__file__).parents[1]
README, BY_HAND = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/by-hand.md"))
IMPORT, TRAINING, FILTER = re.findall(r"```python\n(.*?)```", README, re.S)
(SCHEMA,) = re.findall(r"```json\n(.*?)```", README, re.S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clicks.csv").write_bytes(interactions_csv())
    (tmp_path / "clicks.json").write_text(SCHEMA, encoding="utf-8")
    return tmp_path


def run(server: Server, folder: Path, program: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A program of Python as it ended, in the shell with the variables, and `more`."""
    return executed(server, folder, [sys.executable, "-c", program, *words], more)


def executed(
    server: Server, folder: Path, command: list[str], more: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | server.environment() | more
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


def test_what_is_done_by_hand(server: Server, folder: Path) -> None:
    group = run(server, folder, IMPORT).stdout.split()[1]
    ended = run(server, folder, TRAINING, group, "1")
    assert ended.returncode == 0, ended.stderr
    metrics, campaign, *items = ended.stdout.splitlines()
    assert "'coverage'" in metrics
    assert len(items) == 5
    counted = "while clicks('recommended') + clicks('old-page') < 4:\n    time.sleep(0.1)\nprint(tea)\n"
    blocks = re.findall(r"```python\n(.*?)```", BY_HAND, re.S)
    ended = run(server, folder, "\n".join([*blocks, counted]), GROUP=group, CAMPAIGN=campaign)
    assert ended.returncode == 0, ended.stderr
    deleted, tea = ended.stdout.splitlines()
    assert re.fullmatch(r"[1-9]\d* rows deleted", deleted)
    exported = (folder / "export.csv").read_text(encoding="utf-8").splitlines()
    assert exported[0] == "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"
    assert len(exported) == len((folder / "clicks.csv").read_text(encoding="utf-8").splitlines())
    ask = server.client("personalize-runtime").get_recommendations
    answer = ask(campaignArn=campaign, userId="1", filterArn=tea, numResults=10)["itemList"]
    assert {item["itemId"] for item in answer} == {"1", "2"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for block in re.findall(r"```sh\n(.*?)```", BY_HAND, re.S):
        ended = executed(server, folder, ["sh", "-ec", block], {"PATH": path, "AWS_PAGER": "", "CAMPAIGN": campaign})
        assert ended.returncode == 0, (ended.stdout, ended.stderr)
        assert ended.stdout.count("itemId") == 5
        assert campaign in ended.stdout

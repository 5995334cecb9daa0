"""Commands where a terminal has few letters, and where their output goes nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support import clean_environment
from tailorbird.cli import main, server

SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [{"name": name, "type": "string"} for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")]
    + [{"name": "TIMESTAMP", "type": "long"}],
    "version": "1.0",
}


@pytest.mark.parametrize("letters", ["ascii", "cp1252"])
def test_names_in_any_language_are_told_on_any_terminal(tmp_path: Path, letters: str) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    rows = "".join(f"u{number},i{number},视,170000000{number}\n" for number in range(9))
    (tmp_path / "文件.csv").write_text(f"USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n{rows}u,i,视,喝\n", encoding="utf-8")
    words = ["doctor", str(tmp_path / "文件.csv"), "--schema", str(tmp_path / "schema.json")]
    result = CliRunner(charset=letters).invoke(main.app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "\\u6587\\u4ef6.csv, line 11" in result.stdout
    assert "The import would succeed, without the 1 row dropped." in result.stdout


@pytest.mark.parametrize(
    ("domain", "missing"), [("ECOMMERCE", "View, which"), ("VIDEO_ON_DEMAND", "Watch, which"), ("", "")]
)
def test_the_doctor_names_event_types_that_a_domain_needs(tmp_path: Path, domain: str, missing: str) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    rows = "".join(f"u{number},i{number},{('Kauf', 'PURCHASE')[number % 2]},170000000{number}\n" for number in range(9))
    (tmp_path / "a.csv").write_text(f"USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n{rows}")
    words = ["doctor", str(tmp_path / "a.csv"), "--schema", str(tmp_path / "schema.json")]
    result = CliRunner().invoke(main.app, [*words, *(["--domain", domain] if domain else [])], catch_exceptions=False)
    assert result.exit_code == 0
    assert (f"No row has the EVENT_TYPE {missing}" in result.stdout) == bool(domain)
    assert ("The event types are Kauf (5), PURCHASE (4): give" in result.stdout) == bool(domain)


@pytest.mark.parametrize("words", [["config"], ["jobs", "--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_told_in_a_sentence(words: list[str], unbuffered: str) -> None:
    environment = clean_environment() | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "tailorbird", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            timeout=300,
        )
    assert ran.stderr == "The output could not be written: No space left on device.\n"
    assert ran.returncode == 1


@pytest.mark.parametrize("closed", ["> /dev/null", ">&-", "2>&-", "| true"])
def test_output_that_nobody_reads_is_no_fault(closed: str) -> None:
    command = f"{sys.executable} -m tailorbird config {closed}"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env=clean_environment())
    assert (ran.stderr, ran.returncode) == ("", 0)


def test_a_server_serves_on_though_its_url_cannot_be_printed(caplog: pytest.LogCaptureFixture) -> None:
    def ready(url: str) -> None:
        raise OSError(28, "No space left on device")

    server._tell_ready("http://127.0.0.1", ready)
    assert [record.message for record in caplog.records] == ["the URL could not be printed"]

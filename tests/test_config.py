"""Settings: where a value comes from, and slips in their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import terminal
from tailorbird import config


def test_a_value_is_told_with_its_source_and_a_secret_is_not(tmp_path: Path) -> None:
    told = terminal(
        "config", "--data-dir", str(tmp_path), TAILORBIRD_WORKERS="3", TAILORBIRD_S3_SECRET_KEY="hush"
    ).stdout
    lines = {line.split()[0]: line.split() for line in told.splitlines()}
    assert lines["TAILORBIRD_WORKERS"] == ["TAILORBIRD_WORKERS", "3", "0", "environment"]
    assert lines["TAILORBIRD_PORT"] == ["TAILORBIRD_PORT", "8000", "8000", "default"]
    assert lines["TAILORBIRD_DATA_DIR"][1:] == [str(tmp_path), "data", "command", "line"]
    assert "hush" not in told


def test_the_folder_is_not_made_by_looking_at_settings(tmp_path: Path) -> None:
    assert terminal("config", "--data-dir", str(tmp_path / "no")).returncode == 0
    assert not (tmp_path / "no").exists()


def test_a_slip_in_a_name_is_warned_of_with_the_nearest_setting() -> None:
    told = terminal("config", TAILORBIRD_WORKER="3")
    assert told.returncode == 0
    assert "TAILORBIRD_WORKER is no setting; did you mean TAILORBIRD_WORKERS?" in told.stderr


@pytest.mark.parametrize("name", ["TAILORBIRD_DATA", "TAILORBIRD_LONG", "OTHER", "TAILORBIRD_PORT"])
def test_known_names_are_not_warned_of(name: str) -> None:
    assert list(config.unknown({name: "1"})) == []


def test_a_value_of_the_wrong_type_names_the_variable() -> None:
    with pytest.raises(ValueError, match="TAILORBIRD_PORT='many' is not a valid int"):
        config.load({"TAILORBIRD_PORT": "many"})

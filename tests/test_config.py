"""Settings: where a value comes from, and slips in their names."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from support import terminal
from tailorbird import config
from tailorbird.cli import settings_reference


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


FINITE = ("nan", "inf", "-inf", "1e999", "many", "-1", "-0.1", "0x10")
REFUSED: dict[str, tuple[str, ...]] = {
    "host": ("http://here", "a b", "中国"),
    "port": (*FINITE, "65536", "80.5"),
    "public_url": ("recommend.example.com", "ftp://x", "https://x/path", "https://"),
    "connections": (*FINITE, "0"),
    "silence_seconds": (*FINITE, "0", "86401"),
    "region": ("中国", "US-EAST-1", "us_east_1", "us-east-1/x", "-"),
    "account_id": ("12", "1234567890123", "12345678901x", "１２３４５６７８９０１２"),
    "database_url": (
        "bad://",
        "nonsense",
        "mysql://u:hush@h/d",
        "postgresql+nodriver://u:hush@h/d",
        "sqlite://",
        "sqlite:///:memory:",
    ),
    "processes": (*FINITE, "0", "1025"),
    "executor": ("threads", "process"),
    "workers": (*FINITE, "1.5", "1025"),
    "lease_seconds": (*FINITE, "0", "0.5"),
    "job_attempts": (*FINITE, "0"),
    "compaction_events": (*FINITE, "0"),
    "deletion_seconds": FINITE,
    "aws_quotas": ("on", "2", "ja"),
    "hide_retired_recipes": ("on", "2"),
    "update_seconds": FINITE,
    "s3_endpoint": ("notaurl", "s3://bucket", "http://"),
    "cloudwatch_endpoint": ("notaurl", "//x"),
    "cloudwatch_namespace": (":x", "a" * 256, "中国"),
    "verify_signatures": ("on", "maybe"),
    "cors_origins": ("*", "shop.example.com", "https://shop.example.com/", "https://a.example.com,b"),
    "body_limit": (*FINITE, "0"),
    "s3_body_limit": (*FINITE, "0"),
    "bodies_limit": (*FINITE, "0"),
    "disk_reserve": FINITE,
    "models_kept": (*FINITE, "0"),
    "scores_kept": FINITE,
    "seed": (*FINITE, "4294967295"),
    "log_level": ("verbose", "-1"),
}
"""By setting, values that it does not take."""
FREE = {"data_dir", "file_roots", "s3_access_key", "s3_secret_key"}
"""Settings that take any text."""


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_a_value_that_cannot_be_used_is_refused_by_name_with_what_to_give(name: str, text: str) -> None:
    (option,) = (each for each in fields(config.Config) if each.name == name)
    with pytest.raises(ValueError, match="cannot be used") as caught:
        config.load({config.variable(name): text})
    shown = "" if name == "database_url" else f"={text!r}"
    assert str(caught.value) == f"{config.variable(name)}{shown} cannot be used: give {config.wanted(option)}."
    assert "hush" not in str(caught.value)


def test_every_setting_is_checked_takes_its_default_and_counts_as_not_set_without_a_text() -> None:
    assert {option.name for option in fields(config.Config)} == REFUSED.keys() | FREE
    plain = config.load({})
    texts = {each.name: settings_reference._text(each.default) for each in fields(config.Config)}
    assert config.load({config.variable(name): text for name, text in texts.items()}) == plain
    assert config.load({config.variable(name): " " for name in texts}) == plain


def test_values_at_the_bounds_and_in_other_cases_are_taken() -> None:
    given = {"WORKERS": "1024", "PORT": "0", "SEED": str(config.MOST_SEED), "LOG_LEVEL": "debug", "EXECUTOR": "Inline"}
    made = config.load({f"TAILORBIRD_{name}": text for name, text in given.items()})
    assert (made.workers, made.port, made.seed) == (1024, 0, config.MOST_SEED)
    assert (made.log_level, made.executor) == ("DEBUG", "inline")
    origins = config.load({"TAILORBIRD_CORS_ORIGINS": "https://a.example.com, http://localhost:3000"}).cors_origins
    assert origins == ("https://a.example.com", "http://localhost:3000")
    assert config.load({"TAILORBIRD_S3_ENDPOINT": "http://minio:9000"}).s3_endpoint == "http://minio:9000"
    assert config.load({"TAILORBIRD_DATABASE_URL": "sqlite:////tmp/x.db"}).database_url == "sqlite:////tmp/x.db"
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        url = config.load({"TAILORBIRD_DATABASE_URL": f"{scheme}://u:p%40ss@h/d?sslmode=require"}).database_url
        assert url == "postgresql+psycopg://u:p%40ss@h/d?sslmode=require"


def test_all_values_that_cannot_be_used_are_told_at_once_by_every_command(tmp_path: Path) -> None:
    for words in (["config"], ["serve", "--data-dir", str(tmp_path / "no")]):
        told = terminal(*words, TAILORBIRD_WORKERS="-1", TAILORBIRD_REGION="中国", TAILORBIRD_DATABASE_URL="bad://")
        assert told.returncode == 2
        assert "Traceback" not in told.stderr
        assert all(f"TAILORBIRD_{name}" in told.stderr for name in ("WORKERS='-1'", "REGION='中国'", "DATABASE_URL"))
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_the_command_line_is_named_as_it_is_written() -> None:
    with pytest.raises(ValueError, match="--port='70000' cannot be used: give a whole number from 0 to 65535"):
        config.load({}, port=70000)

"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postgres import Postgres
from support import Server

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""As in workers: threads that wait for each other would else spin, and on busy cores make training ten times slower."""
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""A run starts some two hundred servers, workers and commands: without this each compiles the whole source anew."""

FIRST = (
    "test_real_data.py",
    "test_exam.py",
    "test_hrnn.py",
    "test_v2.py",
    "test_crash.py",
    "test_installation.py",
    "test_kills.py",
    "test_notebooks.py",
    "test_connections.py",
)
"""Files that take longest: were one the last to begin, the other cores would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)


def pytest_collection_finish() -> None:
    """What is loaded by now stays until the end: each look for cycles through it all would take half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that all files of a test process share: each has names, groups and buckets of its own."""
    yield from _running(tmp_path_factory)


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server of the test module's own, on an empty data folder: six seconds of a core, workers included."""
    yield from _running(tmp_path_factory)


def _running(folders: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(folders.mktemp("server") / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that all tests of a process share: each has databases of its own."""
    running = Postgres()
    yield running
    running.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets; the test is skipped where the machine has none."""
    folder = os.environ.get("TAILORBIRD_DATA")
    if not folder:
        pytest.skip("TAILORBIRD_DATA names no folder of data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, which takes seconds to load: in the process that runs such a test, not in each that collects it."""
    import torch

    return torch

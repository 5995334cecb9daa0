"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Server

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""As in workers: threads that wait for each other would else spin, and on busy cores make training ten times slower."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server of the test module's own, on an empty data folder."""
    running = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets; the test is skipped where the machine has none."""
    folder = os.environ.get("TAILORBIRD_DATA")
    if not folder:
        pytest.skip("TAILORBIRD_DATA names no folder of data sets")
    return Path(folder)

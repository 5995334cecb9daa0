"""A real PostgreSQL of the test run's own, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

REQUIRED = "TAILORBIRD_REQUIRE_ENGINES"
"""The variable with which a test run fails rather than skips what needs an engine that is not installed."""
DEBIAN = "/usr/lib/postgresql"
"""Where Debian keeps the programs, by version and outside of the PATH."""
SETTINGS = {
    "fsync": "off",  # no test here claims what survives a power cut, and the disk is others' too
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
}


def _program(name: str) -> str:
    """Where a program of PostgreSQL's is; the test is skipped, or fails, where there is none."""
    found = [*sorted(Path(DEBIAN).glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3])), shutil.which(name)]
    if path := next((each for each in reversed(found) if each), None):
        return str(path)
    reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, and {REQUIRED} is set")
    pytest.skip(reason)


class Postgres:
    """One server; its databases sort by the rules of a language, as most installations' do."""

    def __init__(self) -> None:
        self._initdb, self._pg_ctl = _program("initdb"), _program("pg_ctl")
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))  # a socket's path has 107 letters at most
        self._numbers = count()
        self._user = "postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody"
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user)
        locale = ("--locale=C", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en")
        self._run(self._initdb, "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync", *locale)
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, *command: str) -> None:
        # As root it refuses to run.
        user = self._user if os.geteuid() == 0 else None
        log = (self.folder / "commands.log").open("ab")
        with log:
            subprocess.run(command, check=True, stdout=log, stderr=log, user=user, cwd=self.folder)

    def start(self) -> None:
        """Returns once it takes connections."""
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        options += f" -c unix_socket_directories='{self.folder}'"
        self._run(self._pg_ctl, "start", "-w", "-D", self._data, "-l", str(self.folder / "server.log"), "-o", options)

    def stop(self) -> None:
        """At once, as a machine that goes: no client is waited for, and the log is replayed at the next start."""
        self._run(self._pg_ctl, "stop", "-w", "-D", self._data, "-m", "immediate")

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={quote(str(self.folder))}"

    def execute(self, statement: str, name: str) -> None:
        with self._connection(name) as connection:
            connection.execute(statement)

    def ask(self, query: str, name: str = "postgres") -> Any:
        """The one value of the one row."""
        with self._connection(name) as connection:
            row = connection.execute(query).fetchone()
        return row[0] if row else None

    def _connection(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=name, autocommit=True)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

"""A real server in a process of its own, and the AWS clients of a user who set the environment variables."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import quote

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from tailorbird import config as configuration
from tailorbird.cli import main
from tailorbird.cli import variables as of_environment

ROLE = "arn:aws:iam::123456789012:role/PersonalizeRole"
SERVICES = ("personalize", "personalize-events", "personalize-runtime", "s3", "iam", "sts")


class Server:
    """`tailorbird serve` on a data folder; may be stopped, killed and started again."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.settings = {f"TAILORBIRD_{name.upper()}": str(value) for name, value in settings.items()}
        self.url = ""

    def start(self) -> Server:
        self.log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tailorbird", "serve", "--port", "0", "--data-dir", str(self.data_dir)],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=clean_environment() | self.settings,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(rb"ready at (https?://\S+)", line):
                self.url = found[1].decode()
                return self
        raise AssertionError(f"the server did not start: {Path(self.log.name).read_text()[-3000:]}")

    def environment(self) -> dict[str, str]:
        """What `tailorbird env` prints, without a process for it."""
        return of_environment.environment(configuration.load(self.settings, data_dir=self.data_dir))

    def client(self, service: str, **options: Any) -> Any:
        values = self._values = getattr(self, "_values", None) or self.environment()
        return session(values["AWS_DATA_PATH"]).client(
            service,
            endpoint_url=self.url,
            region_name=options.pop("region_name", values["AWS_DEFAULT_REGION"]),
            aws_access_key_id=options.pop("aws_access_key_id", values["AWS_ACCESS_KEY_ID"]),
            aws_secret_access_key=options.pop("aws_secret_access_key", values["AWS_SECRET_ACCESS_KEY"]),
            config=Config(retries={"max_attempts": 0}, **options),
        )

    def moved(self, dataset_arn: str) -> int:
        """Up to which number a dataset's recorded rows have moved into its table; 0 for none."""
        group, _, kind = dataset_arn.partition("dataset/")[2].partition("/")
        for path in (self.data_dir / "tables").glob(f"*{quote(f'/{group}/{kind}', safe='')}-*/manifest.json"):
            return int(json.loads(path.read_text())["moved"])
        return 0

    def kill(self, *, workers: bool = False) -> None:
        """SIGKILL; the worker processes find out by themselves, or die with it, as in a power cut."""
        if workers:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        status = self.process.wait(timeout=300)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return status


def terminal(*words: str, **variables: str) -> CompletedProcess[str]:
    """A command of the terminal as it ended, called in this process: to start one of its own takes a second of a core.

    An error that it does not tell in a sentence is raised.
    """
    others = dict.fromkeys(os.environ.keys() - clean_environment().keys())
    ran = CliRunner().invoke(main.app, words, env=others | {"COLUMNS": "300"} | variables, catch_exceptions=False)
    return CompletedProcess(words, ran.exit_code, ran.stdout, ran.stderr)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A new folder that is a file system of its own, of this size; the test is skipped where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root, outside containers that forbid it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@cache
def session(data_path: str) -> boto3.Session:
    """What boto3.client() uses where AWS_DATA_PATH has that value."""
    found = botocore.session.Session()
    found.set_config_variable("data_path", data_path)
    return boto3.Session(botocore_session=found)


def clean_environment() -> dict[str, str]:
    """This process's environment without any AWS or Tailorbird setting of the machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAILORBIRD_"))}


def wait_for(question: Callable[[], Any], seconds: float = 300.0, pause: float = 0.05) -> Any:
    """The first truthy answer; fails when none comes in time, which is long: the machine may be busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s in vain")


def settled(describe: Callable[..., Any], member: str, seconds: float = 900.0, **arn: str) -> dict[str, Any]:
    """The resource once it is ready or has failed, in the words of most resources or in those of data deletion jobs."""

    def look() -> Any:
        found = describe(**arn)[member]
        return found if found["status"] in ("ACTIVE", "CREATE FAILED", "COMPLETED", "FAILED") else None

    return wait_for(look, seconds, 0.15)  # to ask more often would take the core from the job


def refused(code: str, words: str, call: Callable[..., Any], **request: Any) -> None:
    """The call raises that error, and its message holds those words."""
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == code
    assert words in error.value.response["Error"]["Message"]

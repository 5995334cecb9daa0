"""Lines of batch jobs that several processes answer: in order, whoever dies meanwhile, and nobody stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support import wait_for
from tailorbird import config
from tailorbird.api import batch_helpers
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace
from world import World

Answer = tuple[bytes, int]
"""The first line of a block, and the process that answered it."""


def answered_by(workspace: Workspace, document: Document) -> Callable[[list[bytes]], Answer]:
    def work(lines: list[bytes]) -> Answer:
        time.sleep(document["seconds"])
        return lines[0], os.getpid()

    return work


def blocks(until: Callable[[], bool]) -> Iterator[list[bytes]]:
    """As many as it takes, numbered."""
    number = 0
    while not until():
        yield [b"%d" % number]
        number += 1


def crew(workspace: Workspace) -> batch_helpers.Crew[Answer]:
    """Of a job that has hours to go."""
    document = {"seconds": 0.01}
    start = partial(batch_helpers.helpers, workspace, document, answered_by)
    return batch_helpers.Crew(answered_by(workspace, document), 1 << 30, start)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_helpers, "cores", lambda: 2)


def test_answers_come_in_order_also_when_a_helper_dies(
    tmp_path: Path, two_cores: None, caplog: pytest.LogCaptureFixture
) -> None:
    others: list[int] = []
    after: list[int] = []
    found: list[bytes] = []
    with crew(World(tmp_path).workspace) as whoever:
        for _, (line, process) in whoever.answered(blocks(lambda: len(after) > 20)):
            found.append(line)
            if others:
                after.append(process)
            elif process != os.getpid():
                others.append(process)
                os.kill(process, signal.SIGKILL)
    assert found == [b"%d" % number for number in range(len(found))]
    assert after[-1] == os.getpid()
    assert caplog.text.count("a helper of a batch job died") == 1


def work_on(folder: Path, told: Any) -> None:
    """A job's process, which tells of the first helper that answered."""
    batch_helpers.cores = lambda: 2  # in this process alone
    with crew(open_workspace(config.load({}, data_dir=folder))) as whoever:
        for _, (_, process) in whoever.answered(blocks(lambda: False)):
            if process != os.getpid():
                told.send(process)


def test_a_helper_ends_with_the_process_of_its_job(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    job = context.Process(target=work_on, args=(tmp_path, theirs))
    job.start()
    helper = ours.recv()
    job.kill()
    job.join()
    wait_for(lambda: ended(helper))


def ended(process: int) -> bool:
    """Whether a process is gone, or dead and not yet buried by its new parent."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return True


def test_a_small_job_has_no_helpers(tmp_path: Path, two_cores: None) -> None:
    def start(count: int) -> Any:
        raise AssertionError("helpers for a second of work")

    own = answered_by(World(tmp_path).workspace, {"seconds": 0.01})
    numbered = [[b"%02d" % number] for number in range(50)]
    with batch_helpers.Crew(own, 100, start) as whoever:
        assert [lines for lines, _ in whoever.answered(numbered)] == numbered

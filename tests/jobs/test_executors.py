"""Workers whose server is gone, and servers whose workers are slow to go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from support import clean_environment, wait_for
from tailorbird import orphans
from tailorbird.config import Config
from tailorbird.jobs import executors


def outlive_the_server(folder: Path) -> None:
    """A job that goes on, for a moment, after the server's end."""
    (folder / "worker").write_text(str(os.getpid()))
    parent = multiprocessing.parent_process()
    assert parent is not None
    orphans.leave_if_orphan()
    (folder / "began").touch()
    while parent.is_alive():
        time.sleep(0.001)
    orphans.leave_if_orphan()
    (folder / "told").touch()


def serve(folder: Path) -> None:
    executors.start(Config(workers=1)).submit(outlive_the_server, folder)
    wait_for((folder / "began").exists)
    os._exit(0)


def test_a_worker_without_a_server_tells_nothing(tmp_path: Path) -> None:
    program = "import sys, pathlib, test_executors; test_executors.serve(pathlib.Path(sys.argv[1]))"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = clean_environment() | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment, timeout=300)
    worker = Path("/proc") / (tmp_path / "worker").read_text()
    wait_for(lambda: not worker.exists())
    assert (tmp_path / "began").exists()
    assert not (tmp_path / "told").exists()


def linger(folder: Path) -> None:
    """A job that cannot be seen to end: a process that it left holds what tells of its end."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    (folder / "child").write_text(str(child))
    (folder / "began").touch()
    time.sleep(600)


def stop(folder: Path) -> None:
    """What a server does in the end."""
    from tailorbird.cli import server  # not in workers, which import this module too

    server.LEAVE_SECONDS = executors.GONE_SECONDS = 0.5
    started = executors.start(Config(workers=2))
    future = started.submit(linger, folder)
    wait_for((folder / "began").exists)
    started.end(future)
    started.shutdown()
    server.leave()


def test_a_server_leaves_though_the_end_of_a_worker_is_not_seen(tmp_path: Path) -> None:
    program = "import sys, pathlib, test_executors; test_executors.stop(pathlib.Path(sys.argv[1]))"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = clean_environment() | {"PYTHONPATH": paths}
    try:
        ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, timeout=120)
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert ran.returncode == 0


def leave(code: int) -> None:
    """A job that ends as a program does, which is no Exception."""
    raise SystemExit(code)


def test_whatever_ends_a_call_is_told_and_its_process_serves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started = executors.start(Config(workers=1))
    try:
        assert isinstance(started.submit(leave, 1).exception(timeout=120), SystemExit)
        assert isinstance(started.submit(os._exit, 1).exception(timeout=120), BrokenExecutor)
        with monkeypatch.context() as short:
            short.setattr(executors, "_worker", lambda: os.open("/nowhere", os.O_RDONLY))  # as without descriptors
            assert isinstance(started.submit(os.getpid).exception(timeout=120), OSError)
        assert started.submit(os.getpid).result(timeout=120) != os.getpid()
    finally:
        started.shutdown()


def wait_for_file(path: Path) -> None:
    """A call that goes on until the file is there."""
    path.with_suffix(".began").touch()
    while not path.exists():
        time.sleep(0.02)


def test_what_waits_for_a_process_in_the_end_begins_no_more(tmp_path: Path) -> None:
    started = executors.start(Config(workers=1))
    futures = [started.submit_short(wait_for_file, tmp_path / str(number)) for number in range(2)]
    wait_for(lambda: len(list(tmp_path.glob("*.began"))) == 2)
    late = [started.submit(wait_for_file, tmp_path / "late"), started.submit_short(wait_for_file, tmp_path / "later")]
    started.shutdown()
    for future in futures:
        with pytest.raises(BrokenExecutor):
            future.result(300)
    assert [future.done() and not future.cancelled() for future in late] == [False, False]
    assert not list(tmp_path.glob("late*"))

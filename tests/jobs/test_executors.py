"""Workers whose server is gone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

from support import clean_environment, wait_for
from tailorbird.config import Config
from tailorbird.jobs import executors


def outlive_the_server(folder: Path) -> None:
    """A job that goes on, for a moment, after the server's end."""
    (folder / "worker").write_text(str(os.getpid()))
    server = multiprocessing.parent_process()
    assert server is not None
    executors.leave_if_orphan()
    (folder / "began").touch()
    while server.is_alive():
        time.sleep(0.001)
    executors.leave_if_orphan()
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

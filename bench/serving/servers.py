"""The servers that are measured side by side, each a process of its own on the same core; the client has another."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
READY_SECONDS = 300.0
"""For a server to answer, on a busy machine too; peers train their models first."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    serving: int = 1
    """Processes that serve; more than one are children of `process`."""

    def pids(self) -> list[int]:
        """The process and those that serve for it."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if self.serving > 1 else []
        return [pid, *map(int, children)]

    def cpu_seconds(self) -> float:
        """Processor time of its processes and their ended children so far, all threads."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids()]
        return sum(int(field) for fields in stats for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that are resident, those shared with other processes left out."""
        return self._resident("Private_Dirty:")

    def mapped_memory(self) -> int:
        """Likewise, with its share of the files that are mapped: of programs, and of models."""
        return self._resident("Pss:")

    def _resident(self, kind: str) -> int:
        told = [line for pid in self.pids() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        found = [int(line.split()[1]) << 10 for line in told if line.startswith(kind)]
        if not found:
            raise RuntimeError("the system does not tell a process's memory")
        return sum(found)


@contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    variables: Mapping[str, str],
    cores: Sequence[int] = (SERVER_CORE,),
    serving: int = 1,
) -> Iterator[Server]:
    """A server that answers on a port of this machine; it ends with the `with`.

    Where a process has one core it has one thread for its sums: more would wait for each other there.
    """
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if len(cores) == serving else {}
    pinned = ["taskset", "-c", ",".join(map(str, cores)), sys.executable, *command]
    environment = clean_environment() | threads | dict(variables)
    with subprocess.Popen(pinned, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _await(process, port)
            yield Server(name, port, process, serving)
        finally:
            process.terminate()


@contextmanager
def application(name: str, module: str, variables: Mapping[str, str]) -> Iterator[Server]:
    """An ASGI application of this folder, on uvicorn as Tailorbird is."""
    port = free_port()
    command = ["-m", "uvicorn", f"{module}:app", "--port", str(port), "--log-level", "error", "--no-access-log"]
    with running(name, command, port, variables) as server:
        yield server


@contextmanager
def tailorbird(
    folder: Path,
    port: int,
    variables: Mapping[str, str],
    cores: Sequence[int] = (SERVER_CORE,),
    serving: int = 1,
) -> Iterator[Server]:
    """Tailorbird on a data folder, in one serving process or several."""
    command = ["-m", "tailorbird", "serve", "--port", str(port), "--data-dir", str(folder)]
    told = {"TAILORBIRD_LOG_LEVEL": "ERROR", "TAILORBIRD_PROCESSES": str(serving), **variables}
    with running("Tailorbird", command, port, told, cores, serving) as server:
        yield server


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Waits for any answer at all; the peers have none but for their one question."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError("the server did not start")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """The environment without settings of AWS or ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAILORBIRD_"))}

"""Load on a server: as fast as it answers (`wrk`), or so many requests a second, whether it keeps up or not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.servers import CLIENT_CORE, Server

CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("flat_out.lua")


@dataclass(frozen=True)
class Flood:
    """What a server did while it was asked without a pause."""

    rate: float
    """Answers a second."""
    cpu: float
    """Microseconds of the server's processor time for each answer."""
    p50: float
    """Milliseconds, as is the next."""
    p99: float


def flat_out(server: Server, requests: Sequence[bytes], seconds: float) -> Flood:
    """Asks over `CONNECTIONS` connections without a pause, with the requests in turn; seconds are whole ones to `wrk`.

    Raises RuntimeError where an answer was an error.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(request + b"\0" for request in requests))
        file.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{min(CONNECTIONS, len(requests))}",
            f"-d{max(1, round(seconds))}s",
            "-s",
            str(SCRIPT),
        ]
        began, used = time.monotonic(), server.cpu_seconds()
        done = subprocess.run(
            ["taskset", "-c", str(CLIENT_CORE), *command, f"http://127.0.0.1:{server.port}/"],
            env=os.environ | {"REQUESTS": file.name},
            capture_output=True,
            text=True,
            check=True,
        )
        used, took = server.cpu_seconds() - used, time.monotonic() - began
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    answers, micros, bad, broken, p50, p99 = (int(word) for word in line.split()[1:])
    if bad or broken or not answers:
        raise RuntimeError(
            f"{server.name}: {bad} of {answers} answers were errors, {broken} did not come ({took:.0f} s)"
        )
    return Flood(answers / micros * 1e6, used / answers * 1e6, p50 / 1000, p99 / 1000)


def each_once(server: Server, requests: Sequence[bytes]) -> Flood:
    """Asks over `CONNECTIONS` connections without a pause, each request once; raises RuntimeError as `flat_out`.

    The client is Python, and some hundred microseconds slower a request than `wrk`.
    """
    began, used = time.perf_counter(), server.cpu_seconds()
    with on_client_core():
        took = asyncio.run(_each_once(server.port, requests))
    seconds, cpu = time.perf_counter() - began, server.cpu_seconds() - used
    p50, p99 = np.percentile(took, [50, 99])
    return Flood(len(took) / seconds, cpu / len(took) * 1e6, float(p50), float(p99))


async def _each_once(port: int, requests: Sequence[bytes]) -> list[float]:
    left, took = iter(requests), list[float]()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            began = time.perf_counter()
            writer.write(request)
            answer = await _answer(reader)
            took.append(1000 * (time.perf_counter() - began))
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return took


def ask(port: int, request: bytes) -> bytes:
    """Returns the answer to one request, its head included, however long it takes."""
    return asyncio.run(_ask(port, request))


async def _ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await _answer(reader)
    writer.close()
    return answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def at_rate(
    server: Server, requests: Sequence[bytes], rate: float, seconds: float, check: Callable[[bytes], None]
) -> NDArray[np.float64]:
    """Returns milliseconds of each answer from when its request was due, so that a stall counts for all that wait.

    check: is given each answer with its head; raises RuntimeError for a wrong one.
    """
    with on_client_core():
        return asyncio.run(_at_rate(server.port, requests, rate, seconds, check))


def one_by_one(server: Server, requests: Sequence[bytes], check: Callable[[bytes], None]) -> NDArray[np.float64]:
    """Returns milliseconds of each answer, asked over one connection, the next when the last is there."""
    with on_client_core():
        return asyncio.run(_one_by_one(server.port, requests, check))


async def _one_by_one(port: int, requests: Sequence[bytes], check: Callable[[bytes], None]) -> NDArray[np.float64]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        answer = await _answer(reader)
        took.append(1000 * (time.perf_counter() - began))
        check(answer)
    writer.close()
    return np.array(took)


@contextmanager
def on_client_core() -> Iterator[None]:
    """Keeps this process, which asks, off the server's core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


async def _at_rate(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, check: Callable[[bytes], None]
) -> NDArray[np.float64]:
    due: asyncio.Queue[float] = asyncio.Queue()
    took: list[float] = []

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        at = first
        while (moment := await due.get()) > 0:
            writer.write(requests[at % len(requests)])
            at += CONNECTIONS
            answer = await _answer(reader)
            took.append(1000 * (time.perf_counter() - moment))
            check(answer)
        writer.close()

    connections = [asyncio.create_task(connection(first)) for first in range(CONNECTIONS)]
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        moment = began + number / rate
        if (pause := moment - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        due.put_nowait(moment)
    for _ in connections:
        due.put_nowait(-1.0)
    await asyncio.gather(*connections)
    return np.array(took)

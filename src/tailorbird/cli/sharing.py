"""One listening socket and several processes: the one with the fewest connections takes the next.

By itself the first process that wakes takes all that wait: of 8 connections one of two processes had all, of 32 28. Nor
may each have a socket of its own on the port (SO_REUSEPORT): a hash then decides, connections that wait for a process
that dies are lost, and another program of the same user could listen there too.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from typing import Any

import uvicorn

NOBODY = 2**31 - 1
"""Connections of a process that is not there."""
PATIENCE = 0.005
"""Seconds for the one with fewer to take a connection before another one does: longer than most of what is done in the
event loop. Not tuned."""
BREATH = 1.0
"""After the system had no room for another connection; as long as asyncio waits then."""


class Counts:
    """How many connections each process has; in memory that forked processes have in common."""

    def __init__(self, processes: int) -> None:
        self._each = memoryview(mmap.mmap(-1, 4 * processes)).cast("i")
        for number in range(processes):
            self.gone(number)

    def gone(self, number: int) -> None:
        """Takes note that a process is not there."""
        self._each[number] = NOBODY

    def is_least(self, number: int, count: int) -> bool:
        """Whether nobody has fewer connections than this process, which has `count`."""
        self._each[number] = count
        return count <= min(self._each)


class SharedServer(uvicorn.Server):
    """One of several processes that listen on the same socket."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, counts: Counts, number: int) -> None:
        super().__init__(config)
        self._listening = listening
        self._counts = counts
        self._number = number
        self._opening = set[asyncio.Task[Any]]()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but connections are taken here."""
        self._listening.setblocking(False)
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._counts.is_least(self._number, 0)
        self._resume()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; what waits to be taken is for the others."""
        self._counts.gone(self._number)
        self._pause()
        self._pausing.cancel()
        await super().shutdown(sockets=[self._listening])

    def _resume(self) -> None:
        self._loop.add_reader(self._listening.fileno(), self._look)

    def _pause(self, seconds: float = 0.0) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pausing = self._loop.call_later(seconds, self._insist)

    def _look(self) -> None:
        """Takes a connection that waits, or leaves it for a while to whoever has fewer."""
        if self._counts.is_least(self._number, len(self.server_state.connections) + len(self._opening)):
            self._take()
        else:
            self._pause(PATIENCE)

    def _insist(self) -> None:
        """Takes a connection that still waits."""
        self._resume()
        self._take()

    def _take(self) -> None:
        try:
            taken, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process has it, or the client has gone
        except OSError:
            self._pause(BREATH)
            return
        taken.setblocking(False)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, taken))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

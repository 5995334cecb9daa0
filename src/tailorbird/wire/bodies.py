"""Request bodies on their way in: small ones in memory, large ones in a file, all of them together bounded.

No body is in memory as a whole before its signature is verified; its hash is computed as it comes.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from tailorbird import errors

MEMORY = 1 << 20
"""Bytes of a body that are gathered before they go to a file: ten records of PutItems have 320,000 characters at most,
so that hardly anything but S3 writes files."""

Receive = Callable[[], Awaitable[dict[str, Any]]]

DRAINED = 16 << 20
"""Bytes of a refused body that are taken in and thrown away, since few clients hear an answer while they send: twice
the 8 MiB that boto3 sends as one body."""
DRAIN_SECONDS = 2.0
"""For how long that is done; whoever sends slower than DRAINED in that time may be cut off before he hears. Not tuned:
long enough for 16 MiB on a line of 70 Mbit/s."""


class Disconnected(Exception):
    """The client left before its request was whole: there is nothing to do and nobody to tell."""


class Incoming:
    """The rest of a request as it arrives."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.begun = False
        """Whether the client was told to send its body."""
        self.whole = False

    async def part(self) -> bytes:
        """The next bytes; raises Disconnected when the client left."""
        self.begun = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.whole = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part

    async def drain(self) -> None:
        """Throws away what the client sends, until it has sent all or very much, or for long enough."""
        if self.whole:
            return
        left = DRAINED
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.whole and left > 0:
                    left -= len(await self.part())


class Body:
    """One request's body; what it holds is given back by `with`."""

    def __init__(self, bodies: Bodies) -> None:
        self.size = 0
        """Bytes received."""
        self._bodies = bodies
        self._hash = hashlib.sha256()
        self._memory = bytearray()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Body:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bodies.held -= self.size
        if self._file is not None:
            self._file.close()

    async def receive(self, incoming: Incoming, limit: int, threads: Executor) -> None:
        """Takes the body in, up to `limit` bytes.

        Raises:
            Disconnected: the client left.
            RequestTooLargeException: the body is larger.
            ServiceUnavailable: there are too many bytes of bodies in the server.
            OSError: the disk is full.
        """
        while not incoming.whole:
            await self._take(incoming)
            if self.size > limit:
                raise too_large(limit)
            if len(self._memory) > MEMORY:
                await asyncio.get_running_loop().run_in_executor(threads, self._spill)

    async def begin(self, incoming: Incoming, size: int) -> None:
        """Takes in the body's beginning, `size` bytes (fewer than MEMORY) or somewhat more; raises as `receive`."""
        while not incoming.whole and self.size < size:
            await self._take(incoming)

    async def _take(self, incoming: Incoming) -> None:
        part = await incoming.part()
        self.size += len(part)
        self._bodies.held += len(part)
        self._bodies.check()
        self._memory += part

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._bodies.folder)  # noqa: SIM115 - closed by __exit__
        self._file.write(self._memory)
        self._hash.update(self._memory)
        self._memory.clear()

    def sha256(self) -> str:
        """The body's hash, in hex."""
        whole = self._hash.copy()
        whole.update(self._memory)
        return whole.hexdigest()

    def content(self) -> bytes:
        """All of it."""
        if self._file is None:
            return bytes(self._memory)
        self._file.seek(0)
        return self._file.read() + self._memory


class Bodies:
    """All bodies that a server holds at a time. Bodies come and go in the event loop, so that needs no lock."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        """`folder` is where large bodies lie, in files without names; None for the system's. `limit` is in bytes."""
        self.folder = folder
        self.limit = limit
        self.held = 0

    def check(self) -> None:
        """Raises ServiceUnavailable when more is held than there may be."""
        if self.held > self.limit:
            raise errors.ServiceUnavailable(
                f"The server is taking in more than {self.limit} bytes of requests at the moment. Try again."
            )


def too_large(limit: int) -> errors.RequestTooLargeException:
    """The error that a body over the limit gets."""
    return errors.RequestTooLargeException(f"The request body is over {limit} bytes.")

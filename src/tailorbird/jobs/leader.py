"""What only one of several serving processes does, the leader, and how the others ask it.

The leader runs the dispatcher and the AWS services beside us. It listens on a Unix socket in the data folder, which
its owner alone can open; who can read the folder has the access key too, so nothing more is proved. A question is the
name of a function and its arguments, an answer what that returned or the AwsError that it raised, as MessagePack.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import msgspec

from tailorbird import errors
from tailorbird.errors import AwsError, DamagedFile, InternalFailure, NoSpace, ServiceUnavailable

log = logging.getLogger(__name__)

SOCKET = "leader.sock"
"""In the data folder."""
LONGEST_NAME = 100
"""Bytes of a socket's path; Linux takes 107, macOS 103."""
BACKLOG = 128
"""Questions that wait to be taken up: each other process asks 32 at a time at most (`THREADS` in wire/endpoint.py)."""
AWAY_SECONDS = 3.0
"""In which a leader that died is there again: it takes 0.5 s, on a busy machine several times as long."""
LOOK_SECONDS = 0.05
"""Between two looks at whether it is."""

Function = Callable[..., Any]


@contextmanager
def answering(folder: Path, functions: Mapping[str, Function]) -> Iterator[None]:
    """Answers the questions of other processes inside the `with`; several at a time."""
    path = folder / SOCKET
    path.unlink(missing_ok=True)  # of a leader that was killed
    with _short(folder) as place:
        listener = Listener(f"{place}/{SOCKET}", "AF_UNIX", BACKLOG)
    path.chmod(0o600)
    threading.Thread(target=_accept, args=(listener, functions), daemon=True, name="leader").start()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # it removes the file by the name that it was given, which may be gone
            listener.close()


def _accept(listener: Listener, functions: Mapping[str, Function]) -> None:
    while True:
        try:
            asking = listener.accept()
        except OSError:
            return  # it is closed
        threading.Thread(target=_answer, args=(asking, functions), daemon=True, name="asked").start()


def _answer(asking: Connection, functions: Mapping[str, Function]) -> None:
    """Answers one question; who asked may be gone by then."""
    with asking, suppress(EOFError, OSError):
        name, arguments = msgspec.msgpack.decode(asking.recv_bytes(), type=tuple[str, list[Any]])
        try:
            answer: tuple[str, Any] = "", functions[name](*arguments)
        except AwsError as error:
            answer = type(error).__name__, _arguments(error)
        except Exception:
            log.exception("internal error", extra={"asked": name})
            answer = InternalFailure.__name__, ["The server met an internal error; its log says more."]
        asking.send_bytes(msgspec.msgpack.encode(answer))


def _arguments(error: AwsError) -> list[Any]:
    """What an error of its class is made from, as for a worker process; paths as texts."""
    reduced = error.__reduce__()
    assert isinstance(reduced, tuple), "an exception is no name of a module's"
    return [str(each) if isinstance(each, Path) else each for each in reduced[1]]


def _error(name: str, arguments: list[Any]) -> AwsError:
    kind: type[AwsError] = getattr(errors, name)
    if issubclass(kind, DamagedFile | NoSpace):
        return kind(Path(arguments[0]), *arguments[1:])
    return kind(*arguments)


class Leader:
    """The leader as the other processes see it; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hindrances(self) -> list[str]:
        """Why jobs, S3, IAM and the keys of users cannot be used; empty for no reason."""
        try:
            found: list[str] = self.ask("hindrances", patience=0.0)
        except ServiceUnavailable as error:
            return [error.message]
        return found

    def damages(self) -> list[str]:
        """What is damaged of theirs, in words for everybody."""
        try:
            found: list[str] = self.ask("damages", patience=0.0)
        except ServiceUnavailable:
            return []  # which `hindrances` tells
        return found

    def ask(self, name: str, *arguments: Any, patience: float = AWAY_SECONDS) -> Any:
        """What a function of the leader answers, as MessagePack has it; raises the AwsError that it raised.

        Raises ServiceUnavailable where the leader is away, and does not come back within `patience`, in seconds.
        """
        question = msgspec.msgpack.encode((name, arguments))
        try:
            with self._connected(patience) as connection:
                connection.send_bytes(question)
                told, answer = msgspec.msgpack.decode(connection.recv_bytes(), type=tuple[str, Any])
        except (EOFError, OSError) as error:
            raise ServiceUnavailable(
                "The process that has the jobs, S3 and IAM ended and is being started again: try again."
            ) from error
        if told:
            raise _error(told, answer)
        return answer

    def _connected(self, patience: float) -> Connection:
        latest = time.monotonic() + patience
        while True:
            try:
                with _short(self._folder) as place:
                    return Client(f"{place}/{SOCKET}", "AF_UNIX")
            except OSError:
                if time.monotonic() > latest:
                    raise
                time.sleep(LOOK_SECONDS)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the folder that is short enough for a socket's path, good inside the `with`."""
    if len(os.fsencode(folder)) + 1 + len(SOCKET) <= LONGEST_NAME or sys.platform != "linux":
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)

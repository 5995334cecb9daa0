"""Processes that help a batch job with its lines, on cores that its own process leaves idle.

A job begins alone. When the rest of its lines takes longer than helpers take to start, they start, and get lines as
soon as they are ready; the job's own process goes on answering, and has all answers in the order of the lines. Helpers
end with it, whatever ends it, and read only. The lines of one that dies are answered by the job's own process.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

from tailorbird import logs, orphans
from tailorbird.config import Config
from tailorbird.recipes.pairs import cores
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

WORTH_SECONDS = 2.0
"""What is left of a job that is worth a helper, which takes one second to two to start."""
MOST_HELPERS = 7
"""Each takes as much memory as the job's own process; not tuned."""
IN_FLIGHT = 2
"""Blocks of lines that a helper has at a time: one that it answers, and the next."""
MOST_AHEAD = 32
"""Blocks that are answered before an earlier one is; some megabytes, and far more than one block takes longer than
another."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[list[bytes]], T]
Making = Callable[[Workspace, Document], Work[T]]
"""What makes the work of a job out of its document, in whatever process; it has a name, by which it gets there."""


class Crew(Generic[T]):
    """Whoever answers the lines of a job; to be left by `with`."""

    def __init__(self, own: Work[T], size: int, helpers: Callable[[int], Executor] | None) -> None:
        """own: answers some lines in this process. size: bytes of all lines. helpers: starts so many, where it may."""
        self._own = own
        self._left = size
        self._start = helpers
        self._seconds = self._read = 0.0
        """What this process took, for how many bytes."""
        self._pool: Executor | None = None
        self._room = 0
        """Blocks that helpers may have."""
        self._ready: Future[Any] | None = None
        """Is done when the helpers have started."""
        self._given: list[Future[T]] = []
        """What helpers have."""

    def __enter__(self) -> Crew[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def answered(self, blocks: Iterable[list[bytes]]) -> Iterator[tuple[list[bytes], T]]:
        """Yields blocks of lines, in their order, with what became of them."""
        waiting: deque[tuple[list[bytes], Future[T]]] = deque()
        for lines in blocks:
            waiting.append((lines, self._answer(lines)))
            while waiting and (waiting[0][1].done() or len(waiting) > MOST_AHEAD):
                yield self._answers(*waiting.popleft())
        while waiting:
            yield self._answers(*waiting.popleft())

    def _answer(self, lines: list[bytes]) -> Future[T]:
        """Has helpers answer the lines if they have room, else does it."""
        size = sum(map(len, lines))
        self._left -= size
        self._given = [future for future in self._given if not future.done()]
        if self._pool is not None and self._ready is not None and self._ready.done() and len(self._given) < self._room:
            try:
                future = self._pool.submit(_work, lines)
            except BrokenExecutor as error:
                self._lose(error)
            else:
                self._given.append(future)
                return future
        began = time.monotonic()
        answered: Future[T] = Future()
        answered.set_result(self._own(lines))
        self._seconds += time.monotonic() - began
        self._read += size
        self._consider()
        return answered

    def _consider(self) -> None:
        """Starts helpers where what is left is worth them."""
        if self._start is None or self._pool is not None:
            return
        rest = self._left * self._seconds / max(1.0, self._read)
        count = min(cores() - 1, MOST_HELPERS, int(rest / WORTH_SECONDS))
        if count > 0:
            self._pool, self._room = self._start(count), IN_FLIGHT * count
            self._ready = self._pool.submit(os.getpid)

    def _answers(self, lines: list[bytes], answered: Future[T]) -> tuple[list[bytes], T]:
        try:
            return lines, answered.result()
        except BrokenExecutor as error:
            self._lose(error)
            return lines, self._own(lines)

    def _lose(self, error: BrokenExecutor) -> None:
        """Goes on without helpers, one of which died."""
        if self._start is not None:
            log.warning("a helper of a batch job died; the job goes on without", extra={"reason": str(error)})
        self._start = None
        self._dismiss()

    def _dismiss(self) -> None:
        """Lets the helpers end when they have answered what they are at."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def helpers(workspace: Workspace, document: Document, making: Making[Any], count: int) -> Executor:
    """So many helpers of a job, which is told by its document."""
    return ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_open,
        initargs=(workspace.config, workspace.region, document, making),
    )


_work_of_this: list[Work[Any]] = []
"""In a helper: what it does."""


def _open(config: Config, region: str, document: Document, making: Making[Any]) -> None:
    orphans.leave_with_parent()
    logs.start(config)
    _work_of_this.append(making(open_workspace(config).at(region), document))


def _work(lines: list[bytes]) -> Any:
    return _work_of_this[0](lines)

"""Several processes that do the same, forked by one that does nothing else: it starts again which dies, and ends all.

They have in common what was imported before the fork. So that this is safe, the parent has no thread of ours, and
uses no library that would start one of its own; those that run there wait for work that it never gives (the allocator
of polars and what removes its spilled files; OpenBLAS stops its threads at a fork by itself).
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
"""Seconds until a process that died is started again; each further time twice as long. Not tuned: a start takes 0.2 s
of a core."""
LONGEST_PAUSE = 30.0
"""Long enough that a process which cannot start costs nothing, short enough that what was mended is taken up: not
tuned."""
STEADY_SECONDS = 60.0
"""After which a process that dies has done nothing wrong at its start; not tuned."""
END_SECONDS = 30.0
"""For a process that was told to end: twice the 10 s that requests under way have (`LEAVE_SECONDS` in server.py), and
the 5 s of workers (`GONE_SECONDS` in jobs/executors.py)."""
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

Work = Callable[[int, Callable[[], object]], None]
"""What a process does until SIGTERM: (its number from 0, what it calls once it is ready)."""


class NoStart(Exception):
    """A process ended before all were ready for the first time."""


@dataclass
class _Child:
    pid: int = 0
    """0 while it is not there."""
    started: float = 0.0
    """By the monotonic clock."""
    pause: float = 0.0
    due: float = 0.0
    """When it is to be started, by the same clock."""
    is_ready: bool = False


class Supervisor:
    """The parent of `count` processes; number 0, which others may rely upon, starts first and ends last."""

    def __init__(self, count: int, work: Work, gone: Callable[[int], None] = lambda number: None) -> None:
        """gone: is called with the number of a process that has ended."""
        self._work = work
        self._gone = gone
        self._children = [_Child() for _ in range(count)]
        self._ready, self._tell_ready = os.pipe()
        self._alive, self._living = os.pipe()
        """Closed with the parent, which ends what reads from it."""
        self._news, self._tell_news = os.pipe()
        for end in (self._ready, self._news, self._tell_news):
            os.set_blocking(end, False)
        self._ending = False

    def run(self, ready: Callable[[], None]) -> None:
        """Returns after SIGTERM or SIGINT, when all have ended; `ready` is called once, when all are ready.

        Raises NoStart, when the others have ended.
        """
        gc.collect()
        gc.freeze()  # a collection would write to what the processes have in common
        with self._signals():
            try:
                self._start_due()
                self._watch(lambda: all(child.is_ready for child in self._children), first=True)
                if not self._ending:
                    ready()
                    self._watch(lambda: False)
            finally:
                self._end()

    def _watch(self, done: Callable[[], bool], *, first: bool = False) -> None:
        """Starts again which dies, until that is done or all are to end. first: whether none may die."""
        while not (self._ending or done()):
            waiting = [child.due for child in self._children if not child.pid]
            self._wait(max(0.0, min(waiting) - time.monotonic()) if waiting else None)
            for number in self._ended():
                if first and not self._ending:
                    raise NoStart(f"Serving process {number} ended at its start; the log says why.")
            if not self._ending:
                self._start_due()

    # --- Starting -------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for number, child in enumerate(self._children):
            if not child.pid and child.due <= time.monotonic():
                self._start(number, child)

    def _start(self, number: int, child: _Child) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        pid = os.fork()
        if pid == 0:
            self._be(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        child.pid, child.started, child.is_ready = pid, time.monotonic(), False

    def _be(self, number: int) -> None:
        """Is the child; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _HANDLED:
                signal.signal(each, signal.SIG_DFL)
            os.close(self._living)
            threading.Thread(target=_leave_with, args=(self._alive,), daemon=True, name="parent-watch").start()
            # A terminal's Ctrl-C goes to all processes at once; the parent ends them in order.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGCHLD))
            self._work(number, partial(os.write, self._tell_ready, number.to_bytes(2)))
            status = 0
        except BaseException:  # whatever it is, the parent's own code must not go on here
            log.exception("a serving process failed", extra={"number": number})
        finally:
            # What is to be kept is on disk; the threads of a slow request or of a killed worker are waited for no more.
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    # --- Watching -------------------------------------------------------------------------------------------

    def _wait(self, seconds: float | None) -> None:
        """Until a signal comes, or a process is ready; takes note of both."""
        found, _, _ = select.select([self._news, self._ready], [], [], seconds)
        if self._news in found:
            told = os.read(self._news, 1024)
            self._ending = self._ending or signal.SIGTERM in told or signal.SIGINT in told
        if self._ready in found:
            told = os.read(self._ready, 1024)
            for start in range(0, len(told), 2):
                self._children[int.from_bytes(told[start : start + 2])].is_ready = True

    def _ended(self) -> list[int]:
        """Numbers of those that ended since the last look; each is due to start again after a pause."""
        found = []
        for number, child in enumerate(self._children):
            if child.pid and (ended := os.waitpid(child.pid, os.WNOHANG)) != (0, 0):
                now = time.monotonic()
                steady = now - child.started >= STEADY_SECONDS or not child.pause
                child.pause = FIRST_PAUSE if steady else min(LONGEST_PAUSE, child.pause * 2)
                told = {"number": number, "pid": child.pid, "status": os.waitstatus_to_exitcode(ended[1])}
                child.pid, child.due, child.is_ready = 0, now + child.pause, False
                self._gone(number)
                if not self._ending:
                    log.error("a serving process ended; it is started again", extra=told | {"pause": child.pause})
                found.append(number)
        return found

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Has signals wake `_wait` and do nothing else."""
        before = {each: signal.signal(each, lambda *_: None) for each in _HANDLED}
        wakened = signal.set_wakeup_fd(self._tell_news, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakened)
            for each, handler in before.items():
                signal.signal(each, handler)

    # --- Ending ---------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Ends all, number 0 when the others are gone: what they have under way may need it."""
        self._ending = True
        self._end_these(self._children[1:])
        self._end_these(self._children[:1])

    def _end_these(self, children: list[_Child]) -> None:
        for signal_, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, None)):
            for child in children:
                if child.pid:
                    os.kill(child.pid, signal_)
            latest = None if seconds is None else time.monotonic() + seconds
            while any(child.pid for child in children):
                self._ended()
                left = None if latest is None else latest - time.monotonic()
                if left is not None and left <= 0:
                    break
                if any(child.pid for child in children):
                    self._wait(left)


def _leave_with(alive: int) -> None:
    """Ends this process once its parent is gone, however that ended: nobody would end it then."""
    os.read(alive, 1)
    os._exit(1)

"""Workers by name; jobs reach them as a function's name, the configuration and an ARN."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from queue import LifoQueue
from typing import Any

from tailorbird import orphans
from tailorbird.config import Config

NICENESS = 10
"""Of workers: beside a busy server they get a tenth of its share of a core; when it is idle, all of it."""
GONE_SECONDS = 5.0
"""For killed workers: so long, what one of them has locked in a database may stay locked."""


class Workers(Executor):
    """An executor whose calls can be ended from outside."""

    def submit_short(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """As `submit`, of a call that need not wait for those of `submit`."""
        return self.submit(fn, *args)

    def end(self, future: Future[Any]) -> None:
        """Ends the process that makes the call of a future; nothing where no process of this executor makes it."""


class Inline(Workers):
    """Runs each call at once, in the caller's thread: for tests and for finding faults."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Returns a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def workers(config: Config) -> int:
    """How many trainings run at a time."""
    return config.workers or os.cpu_count() or 1


class Processes(Workers):
    """Fresh processes, each in a pool of its own: the end of one is felt by its own job only.

    There is one more than calls of `submit` are made at a time, so that short calls wait for short ones only.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")
        self._short_threads = ThreadPoolExecutor(count + 1, thread_name_prefix="short-worker")
        self._workers = [_worker() for _ in range(count + 1)]
        self._idle: LifoQueue[int] = LifoQueue()
        """The last that became idle goes first, so that a process begins only where all others are busy."""
        for number in range(count + 1):
            self._idle.put(number)
        self._broken: set[int] = set()
        """Pools whose process died; the next call makes another, or is told why it cannot be made."""
        self._busy: dict[Future[Any], int] = {}
        self._ended = threading.Event()
        """Set when no call may begin any more."""
        self._changing = threading.Lock()
        """Held while `_busy` is changed or relied upon."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Has the call made by the process that is free first; BrokenExecutor tells that it died meanwhile."""
        future: Future[Any] = Future()
        self._threads.submit(self._call, future, fn, args, kwargs)
        return future

    def submit_short(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """See `Workers`."""
        future: Future[Any] = Future()
        self._short_threads.submit(self._call, future, fn, args, {})
        return future

    def _call(self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        number = self._idle.get()
        if self._ended.is_set():
            self._idle.put(number)  # others wait as well
            future.cancel()
            return
        with self._changing:
            self._busy[future] = number
        outcome, error = None, None
        try:
            if number in self._broken:
                self._workers[number] = _worker()
                self._broken.discard(number)
            outcome = self._workers[number].submit(fn, *args, **kwargs).result()
        except BaseException as met:  # whatever it is, somebody waits for the future, and others for the process
            error = met
        # From here on `end` finds no process for this future, so that it cannot meet the next call's.
        with self._changing:
            del self._busy[future]
        if isinstance(error, BrokenExecutor):
            self._workers[number].shutdown(wait=False)
            self._broken.add(number)
        self._idle.put(number)
        if error is None:
            future.set_result(outcome)
        else:
            future.set_exception(error)

    def end(self, future: Future[Any]) -> None:
        """See `Workers`; the future then has the exception BrokenExecutor."""
        with self._changing:
            if future in self._busy:
                _kill(self._workers[self._busy[future]])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends all processes, whatever they do; with `wait` gives them `GONE_SECONDS` to be gone.

        They do nothing any more, but on a busy machine a process of low priority that gives back its memory takes
        minutes. Nor are the threads waited for that wait for them; Python does so at its end.
        """
        self._ended.set()
        for threads in (self._threads, self._short_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        killed = [process for worker in self._workers for process in _kill(worker)]
        for worker in self._workers:
            worker.shutdown(wait=False, cancel_futures=True)
        latest = time.monotonic() + GONE_SECONDS
        for process in killed if wait else ():
            process.join(max(0.0, latest - time.monotonic()))


def _kill(worker: ProcessPoolExecutor) -> list[BaseProcess]:
    """Ends the process of a pool, by the handle of the pool that started it, and gives it back."""
    processes: list[BaseProcess] = list((worker._processes or {}).values())
    for process in processes:
        process.kill()
    return processes


def _worker() -> ProcessPoolExecutor:
    """A pool of one process, which ends when the server does, however that ends."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_prepare)


def _prepare() -> None:
    """Lets the server go first, and leaves with it.

    Threads of OpenMP that wait for each other sleep rather than spin, which would take the cores from the server.
    """
    os.nice(NICENESS)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    orphans.leave_with_parent()


_EXECUTORS: dict[str, Callable[[Config], Workers]] = {
    "inline": lambda _: Inline(),
    "processes": lambda config: Processes(workers(config)),
}


def start(config: Config) -> Workers:
    """The executor that the configuration names; raises ValueError for an unknown name."""
    if config.executor not in _EXECUTORS:
        raise ValueError(f"executor={config.executor!r} is not one of {', '.join(_EXECUTORS)}")
    return _EXECUTORS[config.executor](config)

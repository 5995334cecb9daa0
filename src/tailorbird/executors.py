"""A concurrent.futures.Executor by name; jobs reach it as a function's name, the configuration and an ARN."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

from tailorbird.config import Config


class Inline(Executor):
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
    """How many jobs run at a time."""
    return config.workers or os.cpu_count() or 1


def processes(config: Config) -> Executor:
    """A pool of fresh processes; they end when the server does, however it ends."""
    return ProcessPoolExecutor(
        workers(config),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_with_parent,
        initargs=(os.getpid(),),
    )


def _leave_with_parent(parent: int) -> None:
    """Ends this process once the server is gone: an orphan would hold its job's lease for nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def leave_if_orphan() -> None:
    """Ends this process if it is a worker whose server is gone: what its job met since then says nothing of the job."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


_EXECUTORS: dict[str, Callable[[Config], Executor]] = {"inline": lambda _: Inline(), "processes": processes}


def start(config: Config) -> Executor:
    """The executor that the configuration names; raises ValueError for an unknown name."""
    if config.executor not in _EXECUTORS:
        raise ValueError(f"executor={config.executor!r} is not one of {', '.join(_EXECUTORS)}")
    return _EXECUTORS[config.executor](config)

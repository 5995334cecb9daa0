"""Processes that another one started, by multiprocessing, and that are to do nothing once that is gone."""

from __future__ import annotations

import multiprocessing
import os
import threading


def leave_with_parent() -> None:
    """Ends this process as soon as its parent has ended, however that was: it would hold a lease for nobody."""
    threading.Thread(target=_leave, daemon=True, name="parent-watch").start()


def _leave() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only who was started by another process has a parent"
    parent.join()
    os._exit(1)


def leave_if_orphan() -> None:
    """Ends this process if its parent is gone: what its job met since then says nothing of the job."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)

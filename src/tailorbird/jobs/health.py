"""Whether this server works (`alive`), and whether it should get requests now (`ready`), with reasons where not."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from tailorbird.api.resources import dataset
from tailorbird.errors import DamagedFile, DatabaseUnavailable
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.numbers import counted
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

DISPATCHER_SECONDS = 60.0
"""Without a look at waiting jobs, after which something is wrong; one look takes milliseconds, deletions a second."""
FRESH_SECONDS = 1.0
"""For which an answer of `ready` holds: anybody may ask, and looking costs some reads."""

EXAMINED_SECONDS = 10.0
"""Between two looks for damage, which read the whole catalogue and all manifests of tables: Kubernetes' probes come as
often by default."""


class Neighbours(Protocol):
    """What else a process needs: the AWS services beside it, or the process that has them."""

    def hindrances(self) -> list[str]:
        """Why it cannot be used; costs nothing."""
        ...

    def damages(self) -> list[str]:
        """What is damaged while the rest works, in words for everybody."""
        ...


class Health:
    """What probes and load balancers ask of one process; safe to use from many threads."""

    def __init__(self, workspace: Workspace, dispatcher: Dispatcher | None, beside: Neighbours | None = None) -> None:
        """dispatcher: None where another process runs it. beside: what else this process needs; None for nothing."""
        self._workspace = workspace
        self._dispatcher = dispatcher
        self._beside = beside
        self._looking = threading.Lock()
        self._looked = float("-inf")
        self._reasons: list[str] = []
        self._examined = float("-inf")
        self._unreadable: list[str] = []
        self._damaged: set[Path] = set()

    def alive(self) -> list[str]:
        """Why this process should be started again; empty for no reason. Costs nothing."""
        works = self._dispatcher is None or self._dispatcher.runs
        return [] if works else ["the dispatcher has ended: no job is begun any more"]

    def ready(self) -> list[str]:
        """Why requests should go elsewhere for now; empty for no reason."""
        with self._looking:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                before, self._reasons = self._reasons, [*self.alive(), *self._hindrances()]
                self._looked = time.monotonic()
                if self._reasons != before:
                    log.warning("readiness changed", extra={"reasons": self._reasons})
            reasons = self._reasons
        return reasons if self._beside is None else [*reasons, *self._beside.hindrances()]

    def hindrances(self) -> list[str]:
        """Why this process does not do what others ask of it; empty for no reason. Costs nothing."""
        return [*self.alive(), *self._silence(), *([] if self._beside is None else self._beside.hindrances())]

    def damages(self) -> list[str]:
        """What does not work though the rest does, as of the last `ready`; anybody may ask, so no file is named."""
        found = self._damaged | self._workspace.faults.damaged()
        told = [f"{counted(len(found), 'file is', 'files are')} damaged: see the log and `tailorbird check`"]
        return [*(told if found else []), *([] if self._beside is None else self._beside.damages())]

    def _examination(self) -> list[str]:
        """Why nothing works though its stores can be opened; takes note of what else is damaged."""
        if time.monotonic() - self._examined > EXAMINED_SECONDS:
            self._damaged = set()
            self._unreadable = _unreadable({"documents": self._examine})
            self._examined = time.monotonic()
        return self._unreadable

    def _examine(self) -> None:
        self._workspace.catalogue.look()
        dataset.damages(self._workspace, self._note_damage)

    def _note_damage(self, error: DamagedFile) -> None:
        self._damaged.add(error.path)
        self._workspace.faults.met(error)

    def _hindrances(self) -> list[str]:
        workspace = self._workspace
        reads: dict[str, Callable[[], object]] = {
            "recent events": lambda: workspace.live.of_subject("", ""),
            "answers given": lambda: workspace.recommendation_log.find([""]),
            "metrics": lambda: workspace.metric_counters.reached("", 0),
        }
        return [*self._examination(), *_unreadable(reads), *self._space(), *self._silence()]

    def _space(self) -> list[str]:
        folder, reserve = self._workspace.config.data_dir, self._workspace.config.disk_reserve
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))  # a block of most file systems
            free = shutil.disk_usage(folder).free
        except OSError as error:
            log.warning("the data folder cannot be written", extra={"reason": error.strerror})
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return ["there is no space left in the data folder" if full else "the data folder cannot be written"]
        if free < reserve:
            return [f"there is no space left in the data folder: {free >> 20} MiB are free, {reserve >> 20} are kept"]
        return []

    def _silence(self) -> list[str]:
        if self._dispatcher is None:
            return []
        seconds = time.monotonic() - self._dispatcher.turned
        return [] if seconds < DISPATCHER_SECONDS else [f"the dispatcher has not turned for {seconds:.0f} seconds"]


def _unreadable(reads: Mapping[str, Callable[[], object]]) -> list[str]:
    return [f"the store of {name} cannot be read" for name, read in reads.items() if not _works(name, read)]


def _works(name: str, read: Callable[[], object]) -> bool:
    try:
        read()
    except (sa.exc.SQLAlchemyError, DamagedFile, DatabaseUnavailable, OSError) as error:
        log.warning("a store cannot be read", extra={"store": name, "reason": str(error)})
        return False
    return True

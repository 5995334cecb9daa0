"""A worker's claim on a document: it ends by itself unless renewed, and whoever holds it says what became of the job.

A worker claims a document by compare-and-set on its status and holds a lease that it renews; a lease that ran out
means that the worker is gone, and the job is started again. A job may thus run twice, and even twice at a time: each
one writes so that this does no harm, and what becomes visible does so while its run holds the claim (`Lease.fenced`).
"""

from __future__ import annotations

import dataclasses
import logging
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import sqlalchemy as sa

from tailorbird.api import due, transitions
from tailorbird.api.lifecycle import STOPPED, STOPPING, UNFINISHED, Resource
from tailorbird.errors import AwsError
from tailorbird.faults import Faults
from tailorbird.recipes.recipe import Epoch
from tailorbird.storage.catalogue import Document
from tailorbird.storage.fence import Fence
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 60.0
"""Between two log lines about one step of a job, for whoever reads along; a new step is told at once."""
LOOK_SECONDS = 0.5
"""Between two looks at whether the job has told of progress, which clients see as soon."""
RENEWALS = 3
"""In the time of a lease, so that one may fail or come late on a busy machine without a second worker."""


class LeaseLost(Exception):
    """Another worker took the job over, or its document is gone; this one stops without a trace."""


def claimable(resource: Resource, document: Document, lease_seconds: float, now: float) -> bool:
    """Whether the job waits for a worker: never begun, or its worker fell silent."""
    status, stages = document["status"], resource.stages
    if status == stages.in_progress:
        return due.is_due(document["_leaseUntil"], lease_seconds, now)
    return bool(status == stages.pending)


def claim(workspace: Workspace, resource: Resource, arn: str, owner: str) -> Document | None:
    def change(document: Document) -> Document | None:
        now = workspace.clock()
        if not claimable(resource, document, workspace.config.lease_seconds, now):
            return None
        return document | {
            "status": resource.stages.in_progress,
            "lastUpdatedDateTime": now,
            "_owner": owner,
            "_started": now,
            "_attempts": document.get("_attempts", 0) + 1,
            "_leaseUntil": now + workspace.config.lease_seconds,
        }

    return workspace.catalogue.update(arn, change)


def released(document: Document) -> Document | None:
    """The document of a job whose worker was ended on purpose: free at once, and no failed attempt."""
    if document["status"] not in UNFINISHED or "_attempts" not in document:
        return None
    return document | {"_leaseUntil": 0.0, "_attempts": document["_attempts"] - 1}


def finish(workspace: Workspace, resource: Resource, arn: str, owner: str, outcome: Document) -> None:
    def change(document: Document) -> Document | None:
        if document.get("_owner") != owner or document["status"] != resource.stages.in_progress:
            return None
        return document | {"lastUpdatedDateTime": workspace.clock()} | outcome

    workspace.catalogue.update(arn, change)


def finish_stop(workspace: Workspace, arn: str, owner: str) -> None:
    """Ends a stop before its time has run out, since its worker has noticed."""

    def change(document: Document) -> Document | None:
        if document.get("_owner") != owner or document["status"] != STOPPING:
            return None
        now = workspace.clock()
        return document | {"status": STOPPED, "lastUpdatedDateTime": now} | transitions.NONE_LEFT

    workspace.catalogue.update(arn, change)


def _figures(told: str | Epoch) -> Document:
    """What a network tells of its training; a loss that is no number any more has no place in JSON."""
    if isinstance(told, str):
        return {}
    numbers = {"loss": told.loss, "validation": told.validation}
    known = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
    return {"epoch": int(told.number), "epochs": int(told.of), **known}


def _left(latest: Document, now: float) -> Document:
    """What a line of the log says of the time that is left; an estimate that has run out is none any more."""
    if "ends" not in latest:
        return {}
    seconds = math.ceil(latest["ends"] - now)
    return {"secondsLeft": seconds} if seconds > 0 else {"longerThanEstimated": True}


def _step(latest: Document) -> str:
    """What a job is at, without how far it is: counts and losses change all the time."""
    return re.sub(r"[\d.,]+", "", latest["text"])


class Lease:
    """Renews a claim in the background, publishes progress, and notices when the claim is lost.

    What fails at that, such as a full disk, is told once and tried again as often as the claim is renewed otherwise.
    """

    def __init__(self, workspace: Workspace, resource: Resource, arn: str, owner: str) -> None:
        self._workspace = workspace
        self._in_progress = resource.stages.in_progress
        self._arn = arn
        self._owner = owner
        self._began = self._renewed_at = self._told = time.monotonic()
        self._shown: Document = {}
        self._step = ""
        self._faults = Faults(longest=workspace.config.lease_seconds / RENEWALS)
        self.latest: Document = {"share": 0.0, "text": "starting"}
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="lease")

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises LeaseLost in place of what went wrong because another run is at the job, which clears away."""
        self._ended.set()
        self._thread.join()
        if isinstance(error, Exception) and not isinstance(error, LeaseLost) and self._is_lost():
            raise LeaseLost(self._arn) from error

    def _is_lost(self) -> bool:
        try:
            document = self._workspace.catalogue.get(self._arn)
        except (sa.exc.SQLAlchemyError, AwsError):
            return False  # what went wrong is the news
        return document is None or self._renewed(document) is None

    def progress(self, share: float, told: str | Epoch) -> None:
        """Says how far the job is; raises LeaseLost when it should stop.

        Numbers of numpy, which recipes count with, have no place in JSON and are made Python's.
        """
        if self._lost.is_set():
            raise LeaseLost(self._arn)
        share = float(share)
        took = time.monotonic() - self._began
        ends = {"ends": self._workspace.clock() + took * (1 - share) / share} if share > 0 else {}
        self.latest = {"share": round(share, 4), "text": str(told), **ends, **_figures(told)}

    def fenced(self, workspace: Workspace) -> Workspace:
        """The workspace, whose models and tables show what is written only while the claim is held."""
        fence = Fence(self._owner, self._held)
        artifacts, tables = workspace.artifacts.fenced(fence), workspace.tables.fenced(fence)
        return dataclasses.replace(workspace, artifacts=artifacts, tables=tables)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keeps others from taking the claim inside; raises LeaseLost where one has."""
        with self._workspace.catalogue.transaction():
            document = self._workspace.catalogue.get(self._arn)
            if document is None or self._renewed(document) is None:
                self._lost.set()
                raise LeaseLost(self._arn)
            yield

    def _loop(self) -> None:
        while not self._lost.is_set() and not self._ended.wait(LOOK_SECONDS):
            self._faults.attempt(f"lease of {self._arn}", self._look)

    def _look(self) -> None:
        """Tells of news, and renews the claim where there are some, or it is time."""
        latest, due_at = self.latest, self._renewed_at + self._workspace.config.lease_seconds / RENEWALS
        if latest is self._shown and time.monotonic() <= due_at:
            return
        if _step(latest) != self._step or time.monotonic() - self._told > PROGRESS_SECONDS:
            self._step, self._told = _step(latest), time.monotonic()
            log.info("job progress", extra={"arn": self._arn, **latest, **_left(latest, self._workspace.clock())})
        if self._workspace.catalogue.update(self._arn, self._renewed) is None:
            self._lost.set()
        self._shown, self._renewed_at = latest, time.monotonic()

    def _renewed(self, document: Document) -> Document | None:
        if document.get("_owner") != self._owner or document["status"] != self._in_progress:
            return None
        until = self._workspace.clock() + self._workspace.config.lease_seconds
        return document | {"_leaseUntil": until, "_progress": self.latest}

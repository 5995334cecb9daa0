"""Jobs: which documents wait for work, and how a worker does it.

The document is the job record. A worker claims it by compare-and-set on its status and holds a lease that it
renews; a lease that ran out means that the worker is gone, and the job is started again. A job may thus run
twice: each one writes so that this does no harm.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from typing import Any

from tailorbird import executors, logs
from tailorbird.api import attributions, lifecycle, schedule, transitions, updates
from tailorbird.api.lifecycle import STOPPED, STOPPING, UNFINISHED, JobFailed, Resource
from tailorbird.api.resources import RESOURCES, dataset
from tailorbird.config import Config
from tailorbird.data import compaction
from tailorbird.errors import DamagedFile, NoSpace
from tailorbird.recipes.recipe import Epoch
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace, open_workspace

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
SCHEDULE_SECONDS = 1.0
"""Between two looks at what time alone brings about."""
NOTICE_SECONDS = 2.5
"""In which the worker of a stopped job may end by itself."""
COMPACTION_SECONDS = 2.0
"""Between two looks at how many events wait in the live store."""
COUNT_SECONDS = 5.0
"""Between two looks at whether events came that metrics count."""
PROGRESS_SECONDS = 60.0
"""Between two log lines about one step of a job; a new step is told at once."""
TIDY_SECONDS = 3600.0
"""Between two removals of what has grown too old."""
SHOWN_KEPT = 14 * 86400.0
"""Seconds for which an answer can be named by events (spec recipes-and-runtime 8, 17)."""


class LeaseLost(Exception):
    """Another worker took the job over, or its document is gone; this one stops without a trace."""


class Dispatcher:
    """Hands waiting jobs to the executor and ends deletions; one thread in each serving process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._executor: Executor = executors.start(workspace.config)
        self._running: dict[str, Future[Any]] = {}
        self._periodic: tuple[tuple[float, Callable[[], None]], ...] = (
            (SCHEDULE_SECONDS, lambda: schedule.tick(workspace)),
            (SCHEDULE_SECONDS, self._update),
            (COMPACTION_SECONDS, self._compact),
            (COUNT_SECONDS, self._count),
            (TIDY_SECONDS, lambda: tidy(workspace)),
        )
        self._due = [0.0] * len(self._periodic)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self.turned = time.monotonic()
        """When the newest look at waiting jobs began, by the monotonic clock."""

    @property
    def runs(self) -> bool:
        """Whether its thread lives."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread; jobs that an earlier server left behind are taken up too."""
        for _ in range(executors.workers(self._workspace.config)):
            self._executor.submit(_warm)
        self._thread.start()

    def stop(self) -> None:
        """Stops handing out work and ends the workers; the next server begins their jobs anew at once."""
        self._stopping.set()
        self._thread.join()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for arn in self._running:
            self._workspace.catalogue.update(arn, _released)

    def _loop(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            self.turned = time.monotonic()
            try:
                self.step()
            except Exception:
                log.exception("the dispatcher met an error and goes on")

    def step(self) -> None:
        """One look at all documents that are on their way somewhere."""
        lifecycle.sweep(self._workspace, RESOURCES)
        transitions.advance(self._workspace)
        for number, (seconds, task) in enumerate(self._periodic):
            if time.monotonic() >= self._due[number]:
                self._due[number] = time.monotonic() + seconds
                task()
        for arn, future in list(self._running.items()):
            if future.done():
                del self._running[arn]
                if isinstance(error := future.exception(), BrokenExecutor):
                    log.error("a worker process died", extra={"arn": arn})
                elif error is not None:
                    log.error("a worker met an error; its work is done again", exc_info=error, extra={"arn": arn})
        now = self._workspace.clock()
        ahead: set[tuple[str, str]] = set()
        for arn, kind, document in self._workspace.catalogue.with_status(UNFINISHED):
            queue = (kind, document.get(RESOURCES[kind].queue, arn))
            if queue not in ahead and arn not in self._running and claimable(RESOURCES[kind], document, now):
                self._running[arn] = self._executor.submit(run, self._workspace.config, kind, arn)
            ahead.add(queue)
            if document["status"] == STOPPING and now - document["lastUpdatedDateTime"] > NOTICE_SECONDS:
                self._end(arn, document)

    def _update(self) -> None:
        """Has deployed models updated between trainings."""
        for arn in updates.due(self._workspace):
            self._running[arn] = self._executor.submit(update, self._workspace.config, arn)

    def _end(self, arn: str, document: Document) -> None:
        """Ends the worker of a stopped job that has not noticed by itself: it may be in one long step."""
        if arn in self._running and not self._running[arn].done():
            log.warning("ending the worker of a stopped job", extra={"arn": arn})
            os.kill(document["_process"], signal.SIGKILL)
            _finish_stop(self._workspace, arn, document["_owner"])

    def _compact(self) -> None:
        """Has datasets compacted whose recorded events are many."""
        for arn, count in self._workspace.live.waiting().items():
            if count >= self._workspace.config.compaction_events and arn not in self._running:
                self._running[arn] = self._executor.submit(compact, self._workspace.config, arn)

    def _count(self) -> None:
        """Has the metrics of attributions counted and published."""
        if attributions.KIND not in self._running and attributions.due(self._workspace):
            self._running[attributions.KIND] = self._executor.submit(count, self._workspace.config)


def tidy(workspace: Workspace) -> None:
    """Removes what has grown too old to be asked for."""
    workspace.shown.drop_before(workspace.clock() - SHOWN_KEPT)
    workspace.tallies.drop_before(workspace.clock() - attributions.KEPT)


def _warm() -> None:
    """Nothing: a worker that has been asked for it has started and imported this module."""


def claimable(resource: Resource, document: Document, now: float) -> bool:
    """Whether the job waits for a worker: never begun, or its worker fell silent."""
    status, stages = document["status"], resource.stages
    return bool(status == stages.pending or (status == stages.in_progress and document["_leaseUntil"] < now))


@contextmanager
def _opened(config: Config) -> Iterator[Workspace]:
    """The workspace in a worker, whatever process the executor chose, for one piece of work."""
    logs.start(config)
    workspace = open_workspace(config)
    try:
        yield workspace
    finally:
        workspace.close()


def compact(config: Config, arn: str) -> None:
    """Moves a dataset's recorded events into its table, in a worker."""
    with _opened(config) as workspace:
        document = workspace.catalogue.get(arn, dataset.RESOURCE.name)
        if document is not None:
            compaction.move(workspace, dataset.opened(workspace.at_arn(arn), document))
            log.info("compacted", extra={"arn": arn})


def update(config: Config, arn: str) -> None:
    """Brings a deployed model up to date, in a worker."""
    with _opened(config) as workspace:
        document = workspace.catalogue.get(arn)
        if document is not None:
            updates.update(workspace.at_arn(arn), document)
            log.info("updated", extra={"arn": arn})


def count(config: Config) -> None:
    """Counts and publishes the metrics of all attributions, in a worker."""
    with _opened(config) as workspace:
        attributions.work(workspace)


def run(config: Config, kind: str, arn: str) -> None:
    """Does the job of one document, in a worker."""
    with _opened(config) as workspace:
        work(workspace.at_arn(arn), RESOURCES[kind], arn)


def work(workspace: Workspace, resource: Resource, arn: str) -> None:
    """Claims a document, runs its job and writes the outcome into it."""
    owner = secrets.token_hex(8)
    stages = resource.stages
    document = _claim(workspace, resource, arn, owner)
    if document is None:
        return
    if document["_attempts"] > workspace.config.job_attempts:
        reason = f"The job was started {workspace.config.job_attempts} times and its worker died each time."
        _finish(workspace, resource, arn, owner, {"status": stages.failed, "failureReason": reason})
        return
    lease = _Lease(workspace, resource, arn, owner)
    log.info("job started", extra={"arn": arn, "attempt": document["_attempts"]})
    try:
        with lease:
            assert resource.job is not None
            members = resource.job(workspace, document, lease.progress)
        outcome = {"status": stages.done, "_progress": lease.latest | {"share": 1.0, "text": "done"}, **members}
    except LeaseLost:
        log.warning("job given up: it was stopped, or its lease is lost", extra={"arn": arn})
        _finish_stop(workspace, arn, owner)
        return
    except JobFailed as failure:
        # The built-in S3 goes with the server: a worker that is left alone meets closed connections.
        executors.leave_if_orphan()
        outcome = {"status": stages.failed, "failureReason": str(failure), **failure.members}
    except (DamagedFile, NoSpace) as error:
        log.error("job failed", extra={"arn": arn, "reason": str(error)})
        outcome = {"status": stages.failed, "failureReason": error.message}
    except Exception as error:
        executors.leave_if_orphan()
        log.exception("job failed by a defect", extra={"arn": arn})
        outcome = {
            "status": stages.failed,
            "failureReason": f"Internal error ({type(error).__name__}); the server's log has the details.",
        }
    _finish(workspace, resource, arn, owner, outcome)
    log.info(
        "job ended",
        extra={"arn": arn, **{k: v for k, v in outcome.items() if k in ("status", "failureReason")}},
    )


def _claim(workspace: Workspace, resource: Resource, arn: str, owner: str) -> Document | None:
    def change(document: Document) -> Document | None:
        now = workspace.clock()
        if not claimable(resource, document, now):
            return None
        return document | {
            "status": resource.stages.in_progress,
            "lastUpdatedDateTime": now,
            "_owner": owner,
            "_process": os.getpid(),
            "_started": now,
            "_attempts": document.get("_attempts", 0) + 1,
            "_leaseUntil": now + workspace.config.lease_seconds,
        }

    return workspace.catalogue.update(arn, change)


def _released(document: Document) -> Document | None:
    """The document of a job whose worker was ended on purpose: free at once, and no failed attempt."""
    if document["status"] not in UNFINISHED or "_attempts" not in document:
        return None
    return document | {"_leaseUntil": 0.0, "_attempts": document["_attempts"] - 1}


def _finish(workspace: Workspace, resource: Resource, arn: str, owner: str, outcome: Document) -> None:
    def change(document: Document) -> Document | None:
        if document.get("_owner") != owner or document["status"] != resource.stages.in_progress:
            return None
        return document | {"lastUpdatedDateTime": workspace.clock()} | outcome

    workspace.catalogue.update(arn, change)


def _finish_stop(workspace: Workspace, arn: str, owner: str) -> None:
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
    known = {name: value for name, value in numbers.items() if value is not None and math.isfinite(value)}
    return {"epoch": told.number, "epochs": told.of, **known}


def _step(latest: Document) -> str:
    """What a job is at, without how far it is: counts and losses change all the time."""
    return re.sub(r"[\d.,]+", "", latest["text"])


class _Lease:
    """Renews a claim in the background, publishes progress, and notices when the claim is lost."""

    def __init__(self, workspace: Workspace, resource: Resource, arn: str, owner: str) -> None:
        self._workspace = workspace
        self._in_progress = resource.stages.in_progress
        self._arn = arn
        self._owner = owner
        self._began = workspace.clock()
        self.latest: Document = {"share": 0.0, "text": "starting"}
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="lease")

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self, share: float, told: str | Epoch) -> None:
        """Says how far the job is; raises LeaseLost when it should stop."""
        if self._lost.is_set():
            raise LeaseLost(self._arn)
        now = self._workspace.clock()
        ends = {"ends": now + (now - self._began) * (1 - share) / share} if share > 0 else {}
        self.latest = {"share": round(share, 4), "text": str(told), **ends, **_figures(told)}

    def _loop(self) -> None:
        renewed = told = time.monotonic()
        shown: object = None
        step = ""
        while not self._ended.wait(0.5):
            due = time.monotonic() - renewed > self._workspace.config.lease_seconds / 3
            if not due and shown is self.latest:
                continue
            shown = latest = self.latest
            if _step(latest) != step or time.monotonic() - told > PROGRESS_SECONDS:
                step, told = _step(latest), time.monotonic()
                left = {"secondsLeft": round(latest["ends"] - self._workspace.clock())} if "ends" in latest else {}
                log.info("job progress", extra={"arn": self._arn, **latest, **left})
            if self._workspace.catalogue.update(self._arn, self._renewed) is None:
                self._lost.set()
                return
            renewed = time.monotonic()

    def _renewed(self, document: Document) -> Document | None:
        if document.get("_owner") != self._owner or document["status"] != self._in_progress:
            return None
        until = self._workspace.clock() + self._workspace.config.lease_seconds
        return document | {"_leaseUntil": until, "_progress": self.latest}

"""Jobs: which documents wait for work, and how a worker does it.

The document is the job record. A worker claims it by compare-and-set on its status and holds a lease that it
renews; a lease that ran out means that the worker is gone, and the job is started again. A job may thus run
twice: each one writes so that this does no harm.
"""

from __future__ import annotations

import logging
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from tailorbird.api import attributions, due, lifecycle, transitions, updates
from tailorbird.api.lifecycle import STOPPED, STOPPING, UNFINISHED, JobFailed, Resource
from tailorbird.api.resources import RESOURCES, dataset
from tailorbird.config import Config
from tailorbird.data import compaction
from tailorbird.errors import DamagedFile, NoSpace
from tailorbird.jobs import executors, logs, schedule
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
    """Hands waiting jobs to the executor and ends deletions; one thread in each serving process.

    What fails, for one document or altogether, keeps nothing else from being done (`Workspace.faults`).
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._faults = workspace.faults
        self._executor = executors.start(workspace.config)
        self._running: dict[str, Future[Any]] = {}
        self._steps = due.Steps(workspace.clock)
        self._tasks: tuple[tuple[str, float, Callable[[], object]], ...] = (
            ("clock", 0.0, self._steps.look),
            ("deletions", 0.0, lambda: lifecycle.sweep(workspace, RESOURCES)),
            ("transitions", 0.0, lambda: transitions.advance(workspace)),
            ("schedule", SCHEDULE_SECONDS, lambda: schedule.tick(workspace)),
            ("updates", SCHEDULE_SECONDS, self._update),
            ("compactions", COMPACTION_SECONDS, self._compact),
            ("metrics", COUNT_SECONDS, self._count),
            ("tidying", TIDY_SECONDS, lambda: tidy(workspace)),
            ("outcomes", 0.0, self._collect),
            ("jobs", 0.0, self._hand_out),
        )
        """What is done at each step, or every so many seconds, by name."""
        self._due = [0.0] * len(self._tasks)
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
            self._faults.attempt(f"release of {arn}", partial(self._workspace.catalogue.update, arn, _released))

    def _loop(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            self.turned = time.monotonic()
            self.step()

    def step(self) -> None:
        """One look at all documents that are on their way somewhere."""
        for number, (name, seconds, task) in enumerate(self._tasks):
            if time.monotonic() >= self._due[number]:
                self._due[number] = time.monotonic() + seconds
                self._faults.attempt(name, task)

    def _begin(self, name: str, function: Callable[..., None], *arguments: str) -> None:
        """Has a worker do something, unless it is at it, or failed and must wait."""
        if name not in self._running and not self._faults.waits(f"work on {name}"):
            self._running[name] = self._executor.submit(function, self._workspace.config, *arguments)

    def _collect(self) -> None:
        """Takes note of what workers have ended, and how; what they could not do is begun again."""
        for name, future in list(self._running.items()):
            if future.done():
                del self._running[name]
                if (error := future.exception()) is not None:
                    self._faults.failed(f"work on {name}", error)
                else:
                    self._faults.worked(f"work on {name}")

    def _hand_out(self) -> None:
        """Has jobs begun, and those ended that do not notice that they were stopped."""
        catalogue, seconds = self._workspace.catalogue, self._workspace.config.lease_seconds
        now, ahead = self._workspace.clock(), set[tuple[str, str]]()
        for arn, kind, document in catalogue.with_status(UNFINISHED, self._faults.failed):
            queue = (kind, document.get(RESOURCES[kind].queue, arn))
            if queue not in ahead and claimable(RESOURCES[kind], document, seconds, now):
                self._begin(arn, run, kind, arn)
            ahead.add(queue)
            stopped = document["status"] == STOPPING
            if stopped and due.is_due(document["lastUpdatedDateTime"] + NOTICE_SECONDS, NOTICE_SECONDS, now):
                self._end(arn, document)

    def _update(self) -> None:
        """Has deployed models updated between trainings."""
        for arn in updates.due(self._workspace):
            self._begin(arn, update, arn)

    def _end(self, arn: str, document: Document) -> None:
        """Ends the worker of a stopped job that has not noticed by itself: it may be in one long step."""
        if arn in self._running and not self._running[arn].done():
            log.warning("ending the worker of a stopped job", extra={"arn": arn})
            self._executor.end(self._running[arn])
            _finish_stop(self._workspace, arn, document["_owner"])

    def _compact(self) -> None:
        """Has datasets compacted whose recorded events are many."""
        for arn, count in dataset.waiting(self._workspace).items():
            if count >= self._workspace.config.compaction_events:
                self._begin(arn, compact, arn)

    def _count(self) -> None:
        """Has the metrics of attributions counted, and published."""
        for arn in attributions.due(self._workspace):
            self._begin(arn, count, arn)
        if attributions.unpublished(self._workspace):
            self._begin("publication of metrics", publish)


def tidy(workspace: Workspace) -> None:
    """Removes what has grown too old to be asked for, and rows of datasets that are gone."""
    workspace.recommendation_log.drop_before(workspace.clock() - SHOWN_KEPT)
    workspace.metric_counters.drop_before(workspace.clock() - attributions.KEPT)
    dataset.drop_orphans(workspace)


def _warm() -> None:
    """Nothing: a worker that has been asked for it has started and imported this module."""


def claimable(resource: Resource, document: Document, lease_seconds: float, now: float) -> bool:
    """Whether the job waits for a worker: never begun, or its worker fell silent."""
    status, stages = document["status"], resource.stages
    if status == stages.in_progress:
        return due.is_due(document["_leaseUntil"], lease_seconds, now)
    return bool(status == stages.pending)


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


def count(config: Config, arn: str) -> None:
    """Counts the metrics of an attribution, in a worker."""
    with _opened(config) as workspace:
        document = workspace.catalogue.get(arn, attributions.KIND)
        if document is not None:
            attributions.count(workspace.at_arn(arn), document)


def publish(config: Config) -> None:
    """Publishes the metrics that are complete, in a worker."""
    with _opened(config) as workspace:
        attributions.publish(workspace)


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
        self._began = time.monotonic()
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
        took = time.monotonic() - self._began
        ends = {"ends": self._workspace.clock() + took * (1 - share) / share} if share > 0 else {}
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

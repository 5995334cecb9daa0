"""Which documents wait for work, and what else comes of itself; the document is the job record (see `lease`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Any

from tailorbird.api import attributions, due, lifecycle, transitions, updates
from tailorbird.api.lifecycle import DELETING, STOPPING, UNFINISHED
from tailorbird.api.resources import RESOURCES, dataset
from tailorbird.jobs import executors, lease, schedule, worker
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""Between two steps: one with nothing to do takes 0.8 ms, so that all are 1 % of a core, and a job waits for half of
it."""
SCHEDULE_SECONDS = 1.0
"""Between two looks at what time alone brings about: of 100 solutions they take some 4 ms; AWS promises hours."""
NOTICE_SECONDS = 2.5
"""In which the worker of a stopped job may end by itself: it looks every 2 s, a third of the default of
`lease_seconds`."""
COMPACTION_SECONDS = 2.0
"""Between two looks at how many events wait in the live store: one takes 0.15 ms, and meanwhile come 8,000 at most, at
the 4,000 a second that two cores take."""
COUNT_SECONDS = 5.0
"""Between two looks at whether events came that metrics count: CloudWatch shows a quarter of an hour at a time."""
TIDY_SECONDS = 3600.0
"""Between two removals of what has grown too old, by days; not tuned."""
SHOWN_KEPT = attributions.CONSIDERED
"""Seconds for which an answer can be named by events (spec recipes-and-runtime 8, 17): as long as events count."""


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
            ("documents", 0.0, self._look),
            ("deletions", 0.0, self._if_moving(lambda: lifecycle.sweep(workspace, RESOURCES))),
            ("transitions", 0.0, self._if_moving(lambda: transitions.advance(workspace))),
            ("schedule", SCHEDULE_SECONDS, lambda: schedule.tick(workspace)),
            ("updates", SCHEDULE_SECONDS, self._update),
            ("compactions", COMPACTION_SECONDS, self._compact),
            ("metrics", COUNT_SECONDS, self._count),
            ("tidying", TIDY_SECONDS, lambda: tidy(workspace)),
            ("outcomes", 0.0, self._collect),
            ("jobs", 0.0, self._if_moving(self._hand_out)),
        )
        """What is done at each step, or every so many seconds, by name."""
        self._due = [0.0] * len(self._tasks)
        self._moving = True
        """Whether a document may be on its way somewhere: to look at them all took an idle server 2.4 % of a core."""
        self._looked: Hashable = None
        """The version of the catalogue of which `_moving` is told."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self.turned = time.monotonic()
        """When the newest look at waiting jobs began, by the monotonic clock."""

    @property
    def runs(self) -> bool:
        """Whether its thread lives."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread; jobs that an earlier server left behind are taken up too.

        One worker is started ahead of its first job; each takes a second of a core and 130 MB.
        """
        self._executor.submit(worker.warm)
        self._thread.start()

    def stop(self) -> None:
        """Stops handing out work and ends the workers; the next server begins their jobs anew at once."""
        self._stopping.set()
        self._thread.join()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for arn in self._running:
            self._faults.attempt(f"release of {arn}", partial(self._workspace.catalogue.update, arn, lease.released))

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

    def _if_moving(self, task: Callable[[], None]) -> Callable[[], None]:
        """The task, which is left out as long as no document is on its way."""

        def done() -> None:
            if self._moving:
                task()

        return done

    def _look(self) -> None:
        """Takes note of whether any document is on its way somewhere, which stays so until one comes or changes."""
        version = self._workspace.catalogue.version()
        if version != self._looked:
            self._moving = True  # also if that cannot be told: the tasks say what is damaged
            self._moving = self._workspace.catalogue.any_moving((*UNFINISHED, *DELETING))
            self._looked = version

    def _begin(self, name: str, function: Callable[..., None], *arguments: str, trains: bool = False) -> None:
        """Has a worker do something, unless it is at it, or failed and must wait; trainings are passed by all else."""
        if name not in self._running and not self._faults.waits(f"work on {name}"):
            submit = self._executor.submit if trains else self._executor.submit_short
            self._running[name] = submit(function, self._workspace.config, *arguments)

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
            if queue not in ahead and lease.claimable(RESOURCES[kind], document, seconds, now):
                self._begin(arn, worker.run, kind, arn, trains=kind in dataset.TRAININGS)
            ahead.add(queue)
            stopped = document["status"] == STOPPING
            if stopped and due.is_due(document["lastUpdatedDateTime"] + NOTICE_SECONDS, NOTICE_SECONDS, now):
                self._end(arn, document)

    def _update(self) -> None:
        """Has deployed models updated between trainings."""
        for arn in updates.due(self._workspace):
            self._begin(arn, worker.update, arn)

    def _end(self, arn: str, document: Document) -> None:
        """Ends the worker of a stopped job that has not noticed by itself: it may be in one long step.

        Its end was asked for, so that nobody waits for its outcome, which would be a fault.
        """
        if arn in self._running and not self._running[arn].done():
            log.info("ending the worker of a stopped job", extra={"arn": arn})
            self._executor.end(self._running.pop(arn))
            lease.finish_stop(self._workspace, arn, document["_owner"])

    def _compact(self) -> None:
        """Has datasets compacted whose recorded events are many."""
        for arn, count in dataset.waiting(self._workspace).items():
            if count >= self._workspace.config.compaction_events:
                self._begin(arn, worker.compact, arn)

    def _count(self) -> None:
        """Has the metrics of attributions counted, and published."""
        for arn in attributions.due(self._workspace):
            self._begin(arn, worker.count, arn)
        if attributions.unpublished(self._workspace):
            self._begin("publication of metrics", worker.publish)


def tidy(workspace: Workspace) -> None:
    """Removes what has grown too old to be asked for, and rows of datasets that are gone."""
    workspace.recommendation_log.drop_before(workspace.clock() - SHOWN_KEPT)
    workspace.metric_counters.drop_before(workspace.clock() - attributions.KEPT)
    dataset.drop_orphans(workspace)

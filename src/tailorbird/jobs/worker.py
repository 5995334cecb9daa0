"""What is done in a worker, whatever process the executor chose: only the configuration, names and ARNs get there."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tailorbird import logs, orphans
from tailorbird.api import attributions, lookup, updates
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import RESOURCES
from tailorbird.config import Config
from tailorbird.data import compaction
from tailorbird.errors import DamagedFile, DatabaseUnavailable, NoSpace
from tailorbird.jobs import lease
from tailorbird.jobs.lease import Lease, LeaseLost
from tailorbird.numbers import counted
from tailorbird.workspace import Workspace, open_workspace

log = logging.getLogger(__name__)


def warm() -> None:
    """Nothing: a worker that has been asked for it has started and imported this module."""


@contextmanager
def _workspace(config: Config) -> Iterator[Workspace]:
    """The workspace in a worker, whatever process the executor chose, for one piece of work."""
    logs.start(config)
    workspace = open_workspace(config)
    try:
        yield workspace
    finally:
        workspace.close()


def compact(config: Config, arn: str) -> None:
    """Moves a dataset's recorded events into its table, in a worker."""
    with _workspace(config) as workspace:
        document = workspace.catalogue.get(arn, "Dataset")
        if document is not None:
            compaction.move(workspace, lookup.dataset(workspace.at_arn(arn), document))
            log.info("compacted", extra={"arn": arn})


def update(config: Config, arn: str) -> None:
    """Brings a deployed model up to date, in a worker."""
    with _workspace(config) as workspace:
        document = workspace.catalogue.get(arn)
        if document is not None:
            updates.update(workspace.at_arn(arn), document)
            log.info("updated", extra={"arn": arn})


def count(config: Config, arn: str) -> None:
    """Counts the metrics of an attribution, in a worker."""
    with _workspace(config) as workspace:
        document = workspace.catalogue.get(arn, attributions.KIND)
        if document is not None:
            attributions.count(workspace.at_arn(arn), document)


def publish(config: Config) -> None:
    """Publishes the metrics that are complete, in a worker."""
    with _workspace(config) as workspace:
        attributions.publish(workspace)


def run(config: Config, kind: str, arn: str) -> None:
    """Does the job of one document, in a worker."""
    with _workspace(config) as workspace:
        work(workspace.at_arn(arn), RESOURCES[kind], arn)


def work(workspace: Workspace, resource: Resource, arn: str) -> None:
    """Claims a document, runs its job and writes the outcome into it; raises DatabaseUnavailable."""
    owner = secrets.token_hex(8)
    stages = resource.stages
    document = lease.claim(workspace, resource, arn, owner)
    if document is None:
        return
    if document["_attempts"] > workspace.config.job_attempts:
        reason = f"The job was started {counted(workspace.config.job_attempts, 'time')} and its worker died each time."
        lease.finish(workspace, resource, arn, owner, {"status": stages.failed, "failureReason": reason})
        return
    held = Lease(workspace, resource, arn, owner)
    log.info("job started", extra={"arn": arn, "attempt": document["_attempts"]})
    try:
        with held:
            assert resource.job is not None
            members = resource.job(held.fenced(workspace), document, held.progress)
        outcome = {"status": stages.done, "_progress": held.latest | {"share": 1.0, "text": "done"}, **members}
    except LeaseLost:
        log.warning("job given up: it was stopped, or its lease is lost", extra={"arn": arn})
        lease.finish_stop(workspace, arn, owner)
        return
    except DatabaseUnavailable as error:
        # Nothing is wrong with the job: it is begun again once its lease has ended.
        log.warning("job given up: the database is away", extra={"arn": arn, "reason": error.reason})
        raise
    except JobFailed as failure:
        # The built-in S3 goes with the server: a worker that is left alone meets closed connections.
        orphans.leave_if_orphan()
        outcome = {"status": stages.failed, "failureReason": str(failure), **failure.members}
    except (DamagedFile, NoSpace) as error:
        log.error("job failed", extra={"arn": arn, "reason": str(error)})
        outcome = {"status": stages.failed, "failureReason": error.message}
    except Exception as error:
        orphans.leave_if_orphan()
        log.exception("job failed by a defect", extra={"arn": arn})
        outcome = {
            "status": stages.failed,
            "failureReason": f"Internal error ({type(error).__name__}); the server's log has the details.",
        }
    lease.finish(workspace, resource, arn, owner, outcome)
    log.info(
        "job ended",
        extra={"arn": arn, **{k: v for k, v in outcome.items() if k in ("status", "failureReason")}},
    )

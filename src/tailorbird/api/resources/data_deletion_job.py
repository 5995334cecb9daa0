"""Data deletion jobs: users named in CSV files vanish from all datasets of a group (spec control-plane 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import polars as pl

from tailorbird.api import lifecycle, lookup
from tailorbird.api.lifecycle import JobFailed, Resource
from tailorbird.api.resources import dataset
from tailorbird.data.datasets import SESSION, Dataset
from tailorbird.data.schema import Field, Schema
from tailorbird.ingest import csv_files, named_users
from tailorbird.numbers import counted
from tailorbird.storage.catalogue import Document
from tailorbird.storage.objects import ObjectError
from tailorbird.workspace import Workspace

RACING = ("DatasetImportJob", *dataset.TRAININGS)
"""Jobs of the dataset group that a deletion must not meet: they would bring back, or learn from, what goes."""

_USERS = Schema("Users", (Field("USER_ID", "string", nullable=False, categorical=False, textual=False),))

SHARED = (
    "{sessions} of the deleted users {name} other users too, so that events without a user were deleted which may be "
    "others': send a sessionId of its own for each visit."
)
"""What a report says of sessions that several users have in common, as where a server sends the same one for all."""


def erase(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Counts the users' rows, then removes them, of each dataset from the live store and after that from the table.

    In this order: a compaction that took such a row up before is discarded when the table is written anew, and
    a later one finds none. Models forget the users when they are trained again. A job that names users in another
    spelling than the data's is COMPLETED, and its failureReason says so: a promise is not kept.
    """
    arn, group = document["dataDeletionJobArn"], document["datasetGroupArn"]
    if racing := lifecycle.unfinished(workspace, RACING, datasetGroupArn=group):
        raise JobFailed(racing)
    users = _users(workspace, document, progress)
    targets = list(_datasets(workspace, group))
    sessions = _sessions(workspace, targets, users)
    if "_counted" not in document:
        # Kept before anything goes, so that a second run does not count what is left.
        seen: Document = {
            "_counted": sum(_count(workspace, each, users, sessions) for each in targets),
            "_report": _report(workspace, targets, users, sessions),
        }
        workspace.catalogue.update(arn, lambda old: seen | old)
        document = seen | document
    for done, each in enumerate(targets):
        progress(0.5 + 0.25 * done / len(targets), f"deleting what was done without a user in {each.arn}")
        workspace.live.erase(each.place, sessions, anonymous=True)
        workspace.tables.remove(each.place, f"{arn} sessions", partial(_anonymous, each, sessions))
    # Only now, since a second run finds the sessions by what their users did.
    for done, each in enumerate(targets):
        progress(0.75 + 0.25 * done / len(targets), f"deleting from {each.arn}")
        workspace.live.erase(each.place, users, anonymous=False)
        workspace.tables.remove(each.place, arn, partial(_named, each, users))
    told = document.get("_report", {})
    return {"numDeleted": document["_counted"]} | ({"failureReason": told["cause"]} if "cause" in told else {})


def _report(
    workspace: Workspace, targets: Sequence[Dataset], users: Sequence[str], sessions: Sequence[str]
) -> Document:
    """What to say of the named users, before any is deleted."""
    known = [pl.Series(dtype=pl.String)]
    for each in targets:
        column = _user(each).name
        known.append(pl.Series([event.subject for event in workspace.live.all(each.place)], dtype=pl.String).unique())
        known.append(workspace.tables.view(each.place, [column]).rows[column].cast(pl.String).unique())
    told = named_users.report(_USERS.fields[0], users, pl.concat([each.rename("") for each in known]).unique())
    theirs = {*users}
    named = {pair for each in targets for pair in workspace.live.names(each.place, sessions)}
    if shared := {session for session, user in named if user not in theirs}:
        some = SHARED.format(sessions=counted(len(shared), "session"), name="names" if len(shared) == 1 else "name")
        told["warnings"] = [*told["warnings"], some]
    return told


def _users(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> list[str]:
    """The ids in the files; under a folder, those in its subfolders too."""
    ids: list[pl.Series] = []
    location = dataset.location(document)
    try:
        files = workspace.objects.files(location)
        sources = [
            csv_files.Source(file.name, file.size, partial(workspace.objects.open, file.uri))
            for file in files
            if not location.endswith("/") or file.name.lower().endswith((".csv", ".csv.gz"))
        ]
        report = csv_files.read(
            sources,
            _USERS,
            lambda frame: ids.append(frame["USER_ID"]),
            lambda share, text: progress(share / 2, text),
            [file.name for file in files],
        )
    except ObjectError as error:
        raise JobFailed(f"Invalid Data location. {error}") from error
    except csv_files.ImportFailed as error:
        raise JobFailed(f"Failed to read the users to delete. {error}") from error
    if report.problems:
        first = report.problems[0]
        raise JobFailed(
            f"{report.rows_dropped} of {counted(report.rows_read, 'row names', 'rows name')} "
            f"no user, so nothing was deleted: {first.reason} "
            f"(first at line {first.line} of {first.file}). Correct the file and create another job."
        )
    return pl.concat(ids).unique().sort().to_list()


def _datasets(workspace: Workspace, group: str) -> Iterator[Dataset]:
    """The group's datasets that know users."""
    for kind in ("USERS", "INTERACTIONS", "ACTION_INTERACTIONS"):
        found = lookup.dataset_of(workspace, group, kind)
        if found is not None:
            yield found


def _sessions(workspace: Workspace, targets: Sequence[Dataset], users: Sequence[str]) -> list[str]:
    """Sessions of the users, whose events without a user are theirs as well, in whichever dataset they were named."""
    return sorted({session for each in targets for session in workspace.live.sessions(each.place, users)})


def _user(target: Dataset) -> Field:
    field = target.schema.field("USER_ID")
    assert field is not None, "only datasets with users are looked at"
    return field


def _named(target: Dataset, users: Sequence[str], _: Sequence[str]) -> pl.Expr:
    """The condition for a row of a part to name one of the users."""
    return pl.col(_user(target).name).is_in(pl.Series(users, dtype=pl.String).implode())


def _anonymous(target: Dataset, sessions: Sequence[str], columns: Sequence[str]) -> pl.Expr:
    """The condition for a row of a part with these columns to be of one of the sessions, and of no user."""
    if SESSION not in columns:
        return pl.lit(False)
    user = pl.col(_user(target).name)
    return (user == pl.col(SESSION)) & user.is_in(pl.Series(sessions, dtype=pl.String).implode())


def _theirs(target: Dataset, users: Sequence[str], sessions: Sequence[str], columns: Sequence[str]) -> pl.Expr:
    """The condition for a row of a part with these columns to be about the users."""
    return _named(target, users, columns) | _anonymous(target, sessions, columns)


def _count(workspace: Workspace, target: Dataset, users: Sequence[str], sessions: Sequence[str]) -> int:
    """How many rows the users have in the live store and in the table."""
    live = workspace.live
    recorded = live.count(target.place, users, anonymous=False) + live.count(target.place, sessions, anonymous=True)
    return recorded + workspace.tables.count(target.place, partial(_theirs, target, users, sessions))


RESOURCE = Resource(
    "DataDeletionJob",
    arn="{jobName}",
    deletable=False,
    parents=("DatasetGroup",),
    newest_first=True,
    job=erase,
    stages=lifecycle.DELETION_STAGES,
    queue="datasetGroupArn",
)


@lifecycle.atomic
def create_data_deletion_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Raises ResourceInUse while an import or a training of the group is under way; another deletion is waited for."""
    dataset.location(request)
    lifecycle.find(workspace, "DatasetGroup", request["datasetGroupArn"])
    lifecycle.refuse_while(workspace, RACING, datasetGroupArn=request["datasetGroupArn"])
    return lifecycle.create(workspace, RESOURCE, request)


OPERATIONS = {"create_data_deletion_job": create_data_deletion_job}

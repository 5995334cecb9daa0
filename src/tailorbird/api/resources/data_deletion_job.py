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

_Found = Sequence[tuple[Dataset, Sequence[str], Sequence[str]]]
"""Each dataset, with the users and sessions that go."""


def erase(workspace: Workspace, document: Document, progress: Callable[[float, str], None]) -> Document:
    """Counts the users' rows, then removes them from the live store and after that from the tables.

    In this order: a compaction that took such a row up before is discarded when the table is written anew, and
    a later one finds none. Models forget the users when they are trained again. A job that names users in another
    spelling than the data's is COMPLETED, and its failureReason says so: a promise is not kept.
    """
    arn, group = document["dataDeletionJobArn"], document["datasetGroupArn"]
    if racing := lifecycle.unfinished(workspace, RACING, datasetGroupArn=group):
        raise JobFailed(racing)
    users = _users(workspace, document, progress)
    found = [(each, users, _sessions(workspace, each, users)) for each in _datasets(workspace, group)]
    if "_counted" not in document:
        # Kept before anything goes, so that a second run does not count what is left.
        seen: Document = {
            "_counted": sum(_count(workspace, *each) for each in found),
            "_report": _report(workspace, found, users),
        }
        workspace.catalogue.update(arn, lambda old: seen | old)
        document = seen | document
    for done, (each, _, sessions) in enumerate(found):
        progress(0.5 + 0.5 * done / len(found), f"deleting from {each.arn}")
        workspace.live.erase(each.place, users, anonymous=False)
        workspace.live.erase(each.place, sessions, anonymous=True)
        workspace.tables.remove(each.place, arn, partial(_theirs, each, users, sessions))
    told = document.get("_report", {})
    return {"numDeleted": document["_counted"]} | ({"failureReason": told["cause"]} if "cause" in told else {})


def _report(workspace: Workspace, found: _Found, users: Sequence[str]) -> Document:
    """What to say of the named users, before any is deleted."""
    known = [pl.Series(dtype=pl.String)]
    for each, _, _ in found:
        column = _user(each).name
        known.append(pl.Series([event.subject for event in workspace.live.all(each.place)], dtype=pl.String).unique())
        known.append(workspace.tables.view(each.place, [column]).rows[column].cast(pl.String).unique())
    return named_users.report(_USERS.fields[0], users, pl.concat([each.rename("") for each in known]).unique())


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


def _sessions(workspace: Workspace, target: Dataset, users: Sequence[str]) -> list[str]:
    """Sessions of the users, whose events without a user are theirs as well."""
    return sorted(workspace.live.sessions(target.place, users))


def _user(target: Dataset) -> Field:
    field = target.schema.field("USER_ID")
    assert field is not None, "only datasets with users are looked at"
    return field


def _theirs(target: Dataset, users: Sequence[str], sessions: Sequence[str], columns: Sequence[str]) -> pl.Expr:
    """The condition for a row of a part with these columns to be about the users."""
    user = pl.col(_user(target).name)
    theirs = user.is_in(pl.Series(users, dtype=pl.String).implode())
    if SESSION not in columns:
        return theirs
    anonymous = (user == pl.col(SESSION)) & user.is_in(pl.Series(sessions, dtype=pl.String).implode())
    return theirs | anonymous


def _count(workspace: Workspace, target: Dataset, users: Sequence[str], sessions: Sequence[str]) -> int:
    """How many rows the users have in the live store and in the table."""
    live = workspace.live
    recorded = live.count(target.place, users, anonymous=False) + live.count(target.place, sessions, anonymous=True)
    return recorded + workspace.tables.count(target.place, partial(_theirs, target, users, sessions))


RESOURCE = Resource(
    "DataDeletionJob",
    arn="{jobName}",
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

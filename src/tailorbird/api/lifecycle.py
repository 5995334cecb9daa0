"""The life of a resource: one JSON document, from its creation to its removal.

The document has the resource's Describe shape, plus members that only we see (they begin with `_`, or are
ARNs and tags that another answer needs). Its `status` is also the queue of jobs: see `jobs/dispatcher.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Protocol, TypeVar, cast

from tailorbird import aws_texts
from tailorbird.api import quotas
from tailorbird.api.due import is_due
from tailorbird.errors import (
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceInUseException,
    ResourceNotFoundException,
    TooManyTagsException,
)
from tailorbird.recipes.recipe import Progress
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

PENDING = "CREATE PENDING"
IN_PROGRESS = "CREATE IN_PROGRESS"
ACTIVE = "ACTIVE"
FAILED = "CREATE FAILED"
STOPPING = "CREATE STOPPING"
STOPPED = "CREATE STOPPED"
INACTIVE = "INACTIVE"
DELETE_PENDING = "DELETE PENDING"
DELETE_IN_PROGRESS = "DELETE IN_PROGRESS"
DELETING = (DELETE_PENDING, DELETE_IN_PROGRESS)
SETTLED = ("", ACTIVE, FAILED, STOPPED, INACTIVE)


@dataclass(frozen=True)
class Stages:
    """The words for the four stages of a resource with a job."""

    pending: str = PENDING
    in_progress: str = IN_PROGRESS
    done: str = ACTIVE
    failed: str = FAILED


DELETION_STAGES = Stages("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED")
"""Data deletion jobs alone have words of their own (spec control-plane 2.2)."""
UNFINISHED = (PENDING, IN_PROGRESS, STOPPING, DELETION_STAGES.pending, DELETION_STAGES.in_progress)
"""Statuses of a resource whose job waits for a worker or has one."""
NOT_COUNTED = (FAILED, *DELETING)
"""Statuses of a resource that takes no room in a quota."""

PATHS = {"SolutionVersion": "solution", "RecommenderTraining": "recommender"}
"""What follows the account in the ARNs of a kind, where it is not the kind's own words."""
KIN = {
    "Solution": (("SolutionVersion", "It is a version of {solutionArn}: give that."),),
    "SolutionVersion": (
        (
            "Solution",
            "It is a solution: give one of its versions, which ListSolutionVersions shows; a campaign takes the newest "
            "as {solutionArn}/$LATEST.",
        ),
    ),
}
"""(kind, hint): whose ARNs are easily given for those of a kind, and what to do then, over members of that document."""
TAGS_PER_RESOURCE = 50
"""Spec control-plane 7."""

F = TypeVar("F", bound=Callable[..., Any])


def atomic(function: F) -> F:
    """Has what the function finds in the catalogue hold still until it has acted upon it (`Catalogue.transaction`)."""

    @wraps(function)
    def run(workspace: Workspace, *args: Any, **kwargs: Any) -> Any:
        with workspace.catalogue.transaction():
            return function(workspace, *args, **kwargs)

    return cast(F, run)


class Job(Protocol):
    """The work behind a resource. Running it twice must do no harm; it returns members for the document."""

    def __call__(self, workspace: Workspace, document: Document, progress: Progress) -> Document: ...


class JobFailed(Exception):
    """Ends a job with a reason that the user can act on; it becomes `failureReason`."""

    def __init__(self, reason: str, **members: Any) -> None:
        super().__init__(reason)
        self.members = members
        """What else the document keeps of the failed job."""


@dataclass(frozen=True)
class Resource:
    """One type of resource."""

    name: str
    """As AWS spells it: DatasetGroup."""
    arn: str
    """What follows the type in its ARN, over members of the document: {name}."""
    listed_as: str = ""
    """The key of the answer to List; only where it is not the plural of `member`."""
    parents: tuple[str, ...] = ()
    """Kinds of the resources that a request names, and that must be there and active at creation."""
    dependents: tuple[tuple[str, str], ...] = ()
    """(kind, member): deletion is refused while a document of that kind names this resource there."""
    owned: tuple[tuple[str, str], ...] = ()
    """(kind, member): documents that go along when this resource goes."""
    internal: bool = False
    """Whether clients never see it: it has no operations."""
    deletable: bool = True
    """Whether there is a Delete; jobs and solution versions have none of their own (spec control-plane 3)."""
    taggable: bool = True
    has_status: bool = True
    newest_first: bool = False
    """Whether List begins with the newest."""
    job: Job | None = None
    stages: Stages = Stages()
    queue: str = ""
    """A member: jobs with the same value there run one after the other, in the order of their creation."""
    dispose: Callable[[Workspace, Document], None] | None = None
    """Removes what the resource keeps outside its document, when it goes."""

    @property
    def member(self) -> str:
        """The key of the answer to Describe: datasetGroup."""
        return self.name[0].lower() + self.name[1:]

    @property
    def arn_member(self) -> str:
        """The member that holds its own ARN: datasetGroupArn."""
        return arn_member(self.name)

    @property
    def plural(self) -> str:
        """The key of the answer to List: datasetGroups."""
        return self.listed_as or f"{self.member}s"


def hex_id() -> str:
    """Eight random hexadecimal digits, as in the ARNs of solution versions and event trackers."""
    return secrets.token_hex(4)


@atomic
def create(workspace: Workspace, resource: Resource, request: Document, **more: Any) -> Document:
    """Stores a new document made of the request's members and `more`, and returns it.

    Its status is CREATE PENDING where the resource has a job, else ACTIVE. Raises ResourceNotFound and
    ResourceInUse for its parents, ResourceAlreadyExists before LimitExceeded, TooManyTags.
    """
    for parent in resource.parents:
        active(workspace, parent, request[arn_member(parent)])
    now = workspace.clock()
    document = {**request, "creationDateTime": now, "lastUpdatedDateTime": now, **more}
    document["tags"] = checked_tags(request.get("tags", []), {})
    arn = _start(workspace, resource.name) + resource.arn.format_map(document)
    document[resource.arn_member] = arn
    if resource.has_status:
        document["status"] = resource.stages.pending if resource.job else ACTIVE
    if workspace.catalogue.get(arn) is not None:
        raise ResourceAlreadyExistsException(
            f"Another resource with Amazon Resource Name (ARN) {arn} already exists. Choose another name."
        )
    quotas.check(workspace, resource.name, document, waiting=UNFINISHED, not_counted=NOT_COUNTED)
    workspace.catalogue.insert(resource.name, arn, document)
    return document


def find(workspace: Workspace, kind: str, arn: str) -> Document:
    """The document of a kind's resource; raises InvalidInput for an ARN of another kind, ResourceNotFound."""
    document = workspace.catalogue.get(arn, kind) if arn.startswith(workspace.arn_prefix) else None
    if document is not None:
        return document
    if arn.split(":")[-1].partition("/")[0] != _path(kind):
        raise InvalidInputException(
            f"{arn} is not the ARN of a {words(kind)}; it should begin {_start(workspace, kind)}"
        )
    for other, hint in KIN.get(kind, ()):
        if (known := workspace.catalogue.get(arn, other)) is not None:
            told = f"{arn} is not the ARN of a {words(kind)}. {hint.format_map(known)}"
            raise ResourceNotFoundException(told)
    raise not_found(kind, arn)


def _path(kind: str) -> str:
    """What follows the account in the ARNs of a kind: dataset-group."""
    return PATHS.get(kind) or words(kind).replace(" ", "-")


def _start(workspace: Workspace, kind: str) -> str:
    """What the ARNs of a kind begin with in the region."""
    return f"{workspace.arn_prefix}{_path(kind)}/"


def not_found(kind: str, arn: str) -> ResourceNotFoundException:
    """The error for an ARN that nothing has."""
    missing = aws_texts.GROUP_MISSING if kind == "DatasetGroup" else aws_texts.RESOURCE_MISSING
    return ResourceNotFoundException(missing.format(arn=arn))


def active(workspace: Workspace, kind: str, arn: str) -> Document:
    """What `find` finds, provided it is ready to be used by another resource; else InvalidInput or ResourceInUse."""
    document = find(workspace, kind, arn)
    status = document.get("status", ACTIVE)
    if status == FAILED:
        raise InvalidInputException(f"{arn} has status {status} ({document.get('failureReason')}): create another.")
    if status != ACTIVE:
        raise ResourceInUseException(f"{arn} has status {status}; wait until it is ACTIVE.")
    return document


def related(workspace: Workspace, kind: str, **members: str) -> list[Document]:
    """Documents of a kind with these members, oldest first, without those in deletion."""
    found = workspace.catalogue.select(kind, members, prefix=workspace.arn_prefix)
    return [document for _, document in found if document.get("status") not in DELETING]


def unfinished(workspace: Workspace, kinds: Sequence[str], **members: str) -> str:
    """Which resource of these kinds with these members is on its way, as words for a message; empty for none."""
    for kind in kinds:
        for document in related(workspace, kind, **members):
            if document["status"] in UNFINISHED:
                return f"The {words(kind)} {own_arn(kind, document)} is {document['status']}; wait until it has ended."
    return ""


def refuse_while(workspace: Workspace, kinds: Sequence[str], **members: str) -> None:
    """Raises ResourceInUse while a resource of these kinds with these members is on its way."""
    if found := unfinished(workspace, kinds, **members):
        raise ResourceInUseException(found)


@atomic
def delete(workspace: Workspace, resource: Resource, arn: str) -> None:
    """Begins a deletion; `sweep` ends it. A resource without a status is gone at once."""
    _check_deletable(workspace, resource, arn)
    if not resource.has_status:
        workspace.catalogue.delete(arn)
        return
    for kind, member in resource.owned:
        for other in related(workspace, kind, **{member: arn}):
            mark_deleted(workspace, own_arn(kind, other))
    mark_deleted(workspace, arn)


def _check_deletable(workspace: Workspace, resource: Resource, arn: str) -> None:
    """Raises ResourceInUse while the resource is on its way somewhere, or others need it (spec control-plane 2.3)."""
    document = find(workspace, resource.name, arn)
    if resource.has_status and document["status"] not in SETTLED:
        raise ResourceInUseException(f"{arn} has status {document['status']}; wait until that has ended.")
    if document.get("_changes"):
        raise ResourceInUseException(f"An update of {arn} is under way; wait until it has ended.")
    for kind, member in resource.dependents:
        for other in related(workspace, kind, **{member: arn}):
            raise ResourceInUseException(f"{arn} is in use by {words(kind)} {own_arn(kind, other)}; delete that first.")
    for kind, member in resource.owned:
        for other in related(workspace, kind, **{member: arn}):
            if other["status"] in UNFINISHED:
                raise ResourceInUseException(f"{own_arn(kind, other)} is {other['status']}; wait until it has ended.")


def mark_deleted(workspace: Workspace, arn: str) -> None:
    """Begins the deletion of a document without asking whether anything needs it."""
    now = workspace.clock()
    until = now + workspace.config.deletion_seconds
    change = {"status": DELETE_PENDING, "failureReason": None, "lastUpdatedDateTime": now, "_deletedAt": until}
    workspace.catalogue.update(arn, lambda document: document | change)


def sweep(workspace: Workspace, resources: Mapping[str, Resource]) -> None:
    """Moves every deletion on: first DELETE PENDING, then DELETE IN_PROGRESS, then gone.

    Clean-up code in the wild must see the status before the resource vanishes (spec clients, Asynchrony). One that
    cannot be cleaned up is tried again later, and what its document names stays as long: the group, say.
    """
    found = workspace.catalogue.with_status(DELETING, workspace.faults.failed)
    # What was deleted first goes first, of the same moment the younger, so that nobody sees a group gone and its parts
    # still there.
    found.reverse()
    held: set[str] = set()
    for arn, kind, document in sorted(found, key=lambda each: float(each[2].get("_deletedAt", 0.0))):
        step = partial(_sweep, workspace, resources, arn, kind, document)
        if arn not in held and not workspace.faults.attempt(f"deletion of {arn}", step):
            held.update(value for value in document.values() if isinstance(value, str))


def _sweep(workspace: Workspace, resources: Mapping[str, Resource], arn: str, kind: str, document: Document) -> None:
    """Takes the next step of one deletion, if its time has come."""
    now, seconds = workspace.clock(), workspace.config.deletion_seconds
    until = document["_deletedAt"]
    if is_due(until, seconds, now):
        dispose = resources[kind].dispose
        if dispose is not None:
            dispose(workspace, document)
        _remove(workspace, arn, document)
    elif document["status"] == DELETE_PENDING and now > until - seconds / 2:
        moved = {"status": DELETE_IN_PROGRESS, "lastUpdatedDateTime": now}
        workspace.catalogue.update(arn, lambda old: old | moved if old == document else None)


@atomic
def _remove(workspace: Workspace, arn: str, document: Document) -> None:
    """Removes the document unless it is another by now: a server beside this one may have been faster."""
    if workspace.catalogue.get(arn) == document:
        workspace.catalogue.delete(arn)


def arn_member(kind: str) -> str:
    """The member of a kind's documents that holds their ARN: datasetGroupArn."""
    return f"{kind[0].lower()}{kind[1:]}Arn"


def own_arn(kind: str, document: Document) -> str:
    """The ARN in a document of this kind."""
    return str(document[arn_member(kind)])


def words(kind: str) -> str:
    """DatasetImportJob as a user reads it: dataset import job."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()


def checked_tags(tags: list[dict[str, str]], before: Mapping[str, str]) -> dict[str, str]:
    """`before` with the tags of a request added; raises InvalidInput and TooManyTags (spec control-plane 7)."""
    added = {tag["tagKey"]: tag["tagValue"] for tag in tags}
    for key in added:
        if key.lower().startswith("aws:"):
            raise InvalidInputException(f"Tag key {key!r} begins with the reserved prefix aws:.")
    merged = {**before, **added}
    if len(merged) > TAGS_PER_RESOURCE:
        raise TooManyTagsException(f"A resource can have {TAGS_PER_RESOURCE} tags; this would make {len(merged)}.")
    return merged

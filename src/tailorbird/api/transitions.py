"""Changes that a resource goes through by itself, because clients poll for their statuses (spec control-plane 2.2).

The document carries its own future: `_changes` is a list of (epoch seconds, members), and `_due` the time of the
first. The dispatcher gives the document those members when their time has come, so a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from tailorbird.api.due import beyond, is_due
from tailorbird.api.lifecycle import ACTIVE, IN_PROGRESS, PENDING
from tailorbird.errors import ResourceInUseException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace

STOP_SECONDS = 4.0
"""How long a stopped training may show CREATE STOPPING: more than `NOTICE_SECONDS`, when the dispatcher ends its
worker."""
NONE_LEFT: Document = {"_changes": [], "_due": None}
"""Members of a document that has no future of its own."""


def timed_changes(start: float, seconds: float, *changes: Document) -> Document:
    """Members that make a document take the changes one after the other, the last `seconds` after `start`."""
    stages = [(start + seconds * number / len(changes), change) for number, change in enumerate(changes, 1)]
    return {"_changes": stages, "_due": stages[0][0]}


def begin(workspace: Workspace, arn: str, told: Document, *changes: Document, allowed: Collection[str]) -> Document:
    """Gives the document the members `told` at once and plans the changes, the last after `update_seconds`.

    Returns the document. Raises ResourceInUse unless its status is among `allowed` and nothing else is planned.
    """
    now = workspace.clock()
    future = timed_changes(now, workspace.config.update_seconds, *changes)

    def change(document: Document) -> Document:
        if document["status"] not in allowed:
            raise ResourceInUseException(
                f"{arn} has status {document['status']}; this is possible only while it is {' or '.join(allowed)}."
            )
        if document.get("_changes"):
            raise ResourceInUseException(f"An update of {arn} is under way; wait until it has ended.")
        return document | {"lastUpdatedDateTime": now} | told | future

    changed = workspace.catalogue.update(arn, change)
    if changed is None:
        raise ResourceInUseException(f"{arn} was deleted meanwhile.")
    return changed


def begin_update(
    workspace: Workspace,
    arn: str,
    member: str,
    update: Document,
    then: Document,
    allowed: Collection[str] = (ACTIVE,),
    **meanwhile: object,
) -> None:
    """Starts an update: `member` (latestCampaignUpdate, say) tells of it at once, `then` takes effect at its end.

    meanwhile: members that the document gets at once.
    """
    start, seconds = workspace.clock(), workspace.config.update_seconds

    def at(status: str, when: float) -> Document:
        return {member: {**update, "status": status, "creationDateTime": start, "lastUpdatedDateTime": when}}

    half, end = start + seconds / 2, start + seconds
    begin(
        workspace, arn, at(PENDING, start) | meanwhile, at(IN_PROGRESS, half), at(ACTIVE, end) | then, allowed=allowed
    )


def advance(workspace: Workspace) -> None:
    """Carries out what is due in all regions."""
    now, longest = workspace.clock(), max(STOP_SECONDS, workspace.config.update_seconds)
    for arn in workspace.catalogue.due(now, beyond(longest, now)):
        workspace.faults.attempt(
            f"changes of {arn}", partial(workspace.catalogue.update, arn, partial(_advanced, now, longest))
        )


def _advanced(now: float, longest: float, document: Document) -> Document | None:
    """The document after its next change, if that is due; changes are planned for `longest` seconds ahead at most."""
    waiting: list[tuple[float, Document]] = document.get("_changes", [])
    if not waiting or not is_due(waiting[0][0], longest, now):
        return None
    (_, change), *rest = waiting
    future = {"_changes": rest, "_due": rest[0][0]} if rest else NONE_LEFT
    return document | {"lastUpdatedDateTime": now} | change | future

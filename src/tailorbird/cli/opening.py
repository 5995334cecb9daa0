"""The start on a data folder: what is looked at once, while nobody else has the folder, before anything is served."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Set
from contextlib import closing

from tailorbird.api import attributions
from tailorbird.config import Config
from tailorbird.storage import access_keys, metric_counters, recommendation_log
from tailorbird.storage.database import Database
from tailorbird.workspace import Workspace, keep_logs, open_workspace

log = logging.getLogger(__name__)


class StartRefused(Exception):
    """The server cannot start; the message says why and what to do."""


def server_workspace(config: Config, *, renew: bool = False) -> Workspace:
    """The workspace of a server; `renew`: see `open_workspace`.

    Raises:
        DamagedFile: a part of it is damaged, or lost.
        StartRefused: the resources in it are all another account's.
    """
    keep_logs(config)
    if not config.database_url:
        _set_aside(recommendation_log.database(config.shown_url))
        _set_aside(metric_counters.database(config.tallies_url))
    workspace = open_workspace(config, renew=renew)
    owners = workspace.catalogue.owners()
    if reason := account_unseen(config, owners):
        workspace.close()
        raise StartRefused(reason)
    if reason := region_unseen(config, owners):
        log.warning(reason)
    if not config.database_url:
        access_keys.seal(config.data_dir)
    _skip_numbers(workspace)
    return workspace


def account_unseen(config: Config, owners: Set[tuple[str, str]]) -> str:
    """Why no client would see any of the resources that there are, of these regions and accounts; empty if some do."""
    accounts = sorted({account for _, account in owners})
    if not accounts or config.account_id in accounts:
        return ""
    return (
        f"All resources in {config.data_dir} belong to the account {' or '.join(accounts)}, and clients of "
        f"{config.account_id} would see none of them, nor could they send events. Set TAILORBIRD_ACCOUNT_ID="
        f"{accounts[0]}, or name another folder with --data-dir for a new installation."
    )


def region_unseen(config: Config, owners: Set[tuple[str, str]]) -> str:
    """What a client sees that takes the region of `tailorbird env`, if only others have resources; else empty.

    Clients may use several regions beside each other, so that this is no fault.
    """
    regions = sorted({region for region, account in owners if account == config.account_id})
    if not regions or config.region in regions:
        return ""
    return (
        f"The region {config.region}, which `tailorbird env` hands to clients, has no resources; those that there are "
        f"lie in {' and '.join(regions)}. To see them, set TAILORBIRD_REGION={regions[0]}, or the region of the client."
    )


def _set_aside(database: Database) -> None:
    """Renames a damaged database that can be done without, so that a new one is made in its place."""
    if not database.file.exists():
        return
    try:
        with closing(sqlite3.connect(database.file)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f'SELECT * FROM "{name}" LIMIT 1').fetchall()  # noqa: S608 - named by itself
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return  # whoever opens it tells
        aside = database.file.with_name(f"{database.file.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        for ending in ("", "-wal", "-shm"):
            path = database.file.with_name(database.file.name + ending)
            if path.exists():
                path.rename(aside.with_name(aside.name + ending))
        told = {"path": aside, "reason": f"{database.file} is damaged ({error})", "held": database.holds}
        log.error("a damaged database is set aside, and a new one made", extra=told)


def _skip_numbers(workspace: Workspace) -> None:
    """Has events that come go on above every number that was ever given.

    A live store that was restored from a backup, or made anew, would give some of them again, and events with numbers
    that have moved, were counted or were learned from count as seen.
    """
    failed = workspace.faults.met
    begun = workspace.catalogue.select(attributions.KIND, failed=workspace.faults.failed)
    noted = {
        "tables": workspace.tables.newest(failed),
        "metrics": workspace.metric_counters.furthest(),
        "attributions": max((each["_from"] for _, each in begun), default=0),
        "models": workspace.artifacts.newest_event(failed),
    }
    upto = max(noted.values())
    newest = workspace.live.skip(upto)
    if newest is not None:
        told = {"newest": newest, "continued_above": upto, "noted": noted}
        log.error("the live store is older than what was made of it: events of the time between are lost", extra=told)

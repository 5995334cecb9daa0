"""What one installation owns: its configuration, its stores, its keys and its clock."""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tailorbird.cache import Cache
from tailorbird.config import Config
from tailorbird.errors import DamagedFile
from tailorbird.faults import Faults
from tailorbird.storage import catalogue, checksums, durable, live, metric_counters, recommendation_log, wal
from tailorbird.storage.artifacts import Artifacts
from tailorbird.storage.catalogue import Catalogue
from tailorbird.storage.database import Database
from tailorbird.storage.live import Live
from tailorbird.storage.metric_counters import MetricCounters
from tailorbird.storage.objects import Objects
from tailorbird.storage.recommendation_log import RecommendationLog
from tailorbird.storage.tables import Tables

log = logging.getLogger(__name__)

KEY_FILE = "access_key.json"
"""In the data folder; a folder without one holds no installation."""
NEW_KEY = (
    "Restore it from a backup. Without one, `tailorbird serve --renew` makes a new key, which all clients need "
    "(`tailorbird env`)."
)
"""The remedy for a key that is lost."""


class AccessKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An access key of the installation, with which clients sign."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        """Leaves the secret out, so that no log can hold it."""
        return f"AccessKey({self.access_key_id!r}, ...)"


@dataclass(frozen=True)
class Workspace:
    """Passed to every operation and job; `region` is that of the caller or of the job's resource."""

    config: Config
    region: str
    access_key: AccessKey
    catalogue: Catalogue
    live: Live
    recommendation_log: RecommendationLog
    metric_counters: MetricCounters
    tables: Tables
    artifacts: Artifacts
    objects: Objects
    cache: Cache
    clock: Callable[[], float] = time.time
    faults: Faults = field(default_factory=Faults)

    def at(self, region: str) -> Workspace:
        """The same installation seen from a region."""
        return self if region == self.region else dataclasses.replace(self, region=region)

    def at_arn(self, arn: str) -> Workspace:
        """The same installation seen from the region of a resource."""
        return self.at(region_of(arn))

    @property
    def arn_prefix(self) -> str:
        """What the ARNs of the region's resources begin with."""
        return f"arn:aws:personalize:{self.region}:{self.config.account_id}:"

    def close(self) -> None:
        """Closes the stores."""
        self.catalogue.close()
        self.live.close()
        self.recommendation_log.close()
        self.metric_counters.close()


def region_of(arn: str) -> str:
    """The region that an ARN names."""
    return arn.split(":")[3]


def databases(config: Config) -> tuple[Database, Database, Database, Database]:
    """Catalogue, live store, recommendation log and metric counters."""
    return (
        catalogue.database(config.catalogue_url),
        live.database(config.live_url),
        recommendation_log.database(config.shown_url),
        metric_counters.database(config.tallies_url),
    )


def keep_logs(config: Config) -> None:
    """Logs which databases have lost commits, and keeps their logs; before anything opens them."""
    for each in databases(config):
        wal.keep(each)


def losses(config: Config) -> Iterator[DamagedFile]:
    """What the installation in config.data_dir had and has no more, the oldest last.

    Key, catalogue, live store and the rest are made in this order at the first start, so that what is missing where a
    later one is there got lost. The recommendation log and the metric counters can be done without.
    """
    folder = config.data_dir
    documents, events, *rest = databases(config)
    later = any(store.sqlite and store.file.exists() for store in rest)
    later = later or any(path for name in ("tables", "artifacts") for path in (folder / name).glob("*"))
    for store in (events, documents):
        if later and (loss := store.loss()):
            yield loss
        later = later or (store.sqlite and store.file.exists())
    if later and not (folder / KEY_FILE).exists():
        yield _lost_key(folder)


def open_workspace(config: Config, clock: Callable[[], float] = time.time, *, renew: bool = False) -> Workspace:
    """Opens the installation in config.data_dir, making it on first use.

    Raises DamagedFile where a part of it is damaged, or lost; with `renew`, what is lost is made anew.
    """
    folder = config.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    keep_logs(config)
    for loss in losses(config):
        if not renew:
            raise loss
        log.error("made anew: what it held is lost", extra={"path": loss.path, "reason": loss.reason})
    if not (folder / KEY_FILE).exists():
        _make_key(folder)
    key = access_key(folder)
    return Workspace(
        config=config,
        region=config.region,
        access_key=key,
        catalogue=Catalogue(config.catalogue_url),
        live=Live(config.live_url),
        recommendation_log=RecommendationLog(config.shown_url),
        metric_counters=MetricCounters(config.tallies_url),
        tables=Tables(folder / "tables"),
        artifacts=Artifacts(folder / "artifacts"),
        objects=Objects(
            config.s3_endpoint or None,
            config.s3_access_key or key.access_key_id,
            config.s3_secret_key or key.secret_access_key,
            config.region,
            config.file_roots,
        ),
        cache=Cache(config.models_kept),
        clock=clock,
    )


def access_key(folder: Path) -> AccessKey:
    """The access key of the installation that is there; raises DamagedFile, also where it is gone."""
    path = folder / KEY_FILE
    try:
        return msgspec.json.decode(checksums.unsealed(path.read_bytes()), type=AccessKey)
    except FileNotFoundError as error:
        raise _lost_key(folder) from error
    except (OSError, ValueError) as error:
        raise DamagedFile(path, f"cannot be read ({error})", f"Move it away. {NEW_KEY}", "all clients") from error


def _lost_key(folder: Path) -> DamagedFile:
    return DamagedFile(folder / KEY_FILE, "is missing", NEW_KEY, "all clients")


def _make_key(folder: Path) -> None:
    """Makes an access key, unless another process makes one meanwhile."""
    letters = string.ascii_uppercase + "234567"
    made = AccessKey("AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30))
    with _key_file(folder, made) as fresh, suppress(FileExistsError):
        os.link(fresh, folder / KEY_FILE)  # unlike a rename, never replaces a key


def seal_key(folder: Path) -> None:
    """Gives the key of an older version, which wrote no checksum, one; raises DamagedFile."""
    key = access_key(folder)
    if not checksums.is_sealed((folder / KEY_FILE).read_bytes()):
        with _key_file(folder, key) as fresh:
            fresh.rename(folder / KEY_FILE)
            durable.sync(folder)


@contextmanager
def _key_file(folder: Path, key: AccessKey) -> Iterator[Path]:
    """A file with a key, which only its owner can read, on disk; removed in the end where it still has that name."""
    fresh = folder / f".access_key.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(checksums.sealed(msgspec.json.encode(key)))
            file.flush()
            os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)

"""What one installation owns: its configuration, its stores, its keys and its clock."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from tailorbird.cache import Cache
from tailorbird.config import Config
from tailorbird.errors import DamagedFile
from tailorbird.faults import Faults
from tailorbird.storage import access_keys, catalogue, formats, live, metric_counters, recommendation_log, wal
from tailorbird.storage.access_keys import KEY_FILE
from tailorbird.storage.access_keys import AccessKey as AccessKey
from tailorbird.storage.artifacts import Artifacts
from tailorbird.storage.catalogue import Catalogue
from tailorbird.storage.database import Database
from tailorbird.storage.live import Live
from tailorbird.storage.metric_counters import MetricCounters
from tailorbird.storage.objects import Objects
from tailorbird.storage.recommendation_log import RecommendationLog
from tailorbird.storage.tables import Tables

log = logging.getLogger(__name__)

CATALOGUE_FILE = "catalogue.db"
"""In the data folder; what tells an installation whose key is lost."""


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
    if later and not config.database_url and not (folder / KEY_FILE).exists():
        yield access_keys.lost(folder)


def open_workspace(config: Config, clock: Callable[[], float] | None = None, *, renew: bool = False) -> Workspace:
    """Opens the installation in config.data_dir, making it on first use.

    clock: epoch seconds; without one, that of the machine, or of the database that machines share.
    Raises DamagedFile where a part of it is damaged, or lost; with `renew`, what is lost is made anew. Raises
    NewerFormat where a newer version has written it.
    """
    folder = config.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    formats.bring_folder(folder)
    keep_logs(config)
    for loss in losses(config):
        if not renew:
            raise loss
        log.error("made anew: what it held is lost", extra={"path": loss.path, "reason": loss.reason})
    if not config.database_url:
        access_keys.make(folder)
        access_keys.read(folder)  # raises where it is damaged, before anything is opened
    documents = Catalogue(config.catalogue_url)
    key = _key(config, documents, renew=renew)
    return Workspace(
        config=config,
        region=config.region,
        access_key=key,
        catalogue=documents,
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
        clock=clock or documents.clock(),
    )


def access_key(config: Config) -> AccessKey:
    """The access key of the installation that is there; raises DamagedFile, also where it is gone."""
    if not config.database_url:
        return access_keys.read(config.data_dir)
    with closing(Catalogue(config.catalogue_url)) as documents:
        return _key(config, documents, renew=False)


def _key(config: Config, documents: Catalogue, *, renew: bool) -> AccessKey:
    """The key where it is kept; a database that has none takes the folder's, or a new one if it is new itself."""
    folder = config.data_dir
    if not config.database_url:
        return access_keys.read(folder)
    if kept := documents.access_key():
        return kept
    if (folder / KEY_FILE).exists():
        return documents.keep_key(access_keys.read(folder))
    if documents.owners() and not renew:
        raise DamagedFile(
            catalogue.database(config.catalogue_url).file, "has no access key", access_keys.NEW_KEY, "all clients"
        )
    return documents.keep_key(access_keys.fresh())


def is_there(config: Config) -> bool:
    """Whether there is an installation, though its key may be lost."""
    found = any((config.data_dir / name).exists() for name in (KEY_FILE, CATALOGUE_FILE))
    return found or (bool(config.database_url) and catalogue.is_there(config.catalogue_url))

"""Artifacts: the files of trained models. Each is written whole, once, by a training, opened by serving processes, and
never changed.

    <region>/<solution>/<hex id>/                  of a solution version
    <region>/_recommender/<name>/<hex id>/         of one training of a recommender
        recipe.json                                the manifest
        metrics.json                               what its exam told beyond AWS's metrics
        model/                                     the recipe's files
        history/                                   what the users did last, at training
        checksums.json                             of all of these
        pools/<number>-<token>/                    what may be explored as of one update; with checksums of its own

The store knows where these files are and that they are whole; what they say is for those who give and get them. So it
needs no recipe: `tailorbird check` reads models whose recipe is gone, and another store may take the folder's place.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, durable
from tailorbird.storage.fence import FREE, Fence

MANIFEST = "recipe.json"
METRICS = "metrics.json"
MODEL = "model"
HISTORY = "history"
POOLS = "pools"
REMEDY = "Train it anew, or restore the folder from a backup."
"""For a damaged model."""
POOL_REMEDY = "Remove its folder, so that the one before counts until the next update, or restore it from a backup."
"""For a damaged pool."""
POOLS_KEPT = 2
"""Newest pools that are not removed: a process may be about to open the one before the newest."""
SETTLED = 2.0
"""Seconds after which a folder that changes has another time of change for sure: FAT, the coarsest, counts by two."""

Json = dict[str, Any]


@dataclass(frozen=True)
class ModelManifest:
    """What a model's files say of themselves."""

    recipe: str
    """Its name."""
    newest_event: int
    """Number of the newest live event that the training saw."""
    events: tuple[Json, ...] = ()
    """Which interactions the model learned from, as `data.event_rules` writes it; all where there is no rule."""
    updates_items: bool = False
    """Whether it takes up new and changed items while it serves."""
    checksums: bool = False
    """Whether checksums were written with the files, so that they are missed when they are gone."""


@dataclass(frozen=True)
class ExplorationPools:
    """The exploration pools beside a model's files; the newest counts from the next answer on, in every process."""

    folder: Path
    owner: str
    """Whose they are, as users know it."""
    written: bool
    """Whether they have checksums for sure."""

    @contextmanager
    def add(self) -> Iterator[Path]:
        """Gives a folder to write into, which is the newest pool at the end; older ones are removed.

        Raises FileNotFoundError where the model was removed meanwhile, NoSpace.
        """
        if not self.folder.parent.exists():
            raise FileNotFoundError(f"The model of {self.owner} is gone, and with it {self.folder.parent}.")
        number = int(_newest(self.folder).partition("-")[0] or -1) + 1
        with durable.publish(self.folder / f"{number:09}-{secrets.token_hex(4)}") as fresh:
            yield fresh
        # What a writer that died has left goes too.
        for old in sorted(self.folder.iterdir(), key=lambda path: path.name.lstrip("."))[:-POOLS_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> str:
        """The name of the newest pool; empty where there is none.

        It costs one look at when the folder changed: 2 microseconds, where a listing of two pools takes 30.
        A listing is remembered only if the folder had been still for a while: within one tick of the file system's
        clock, a change may come after it that does not show.
        """
        try:
            changed = os.stat(self.folder).st_ctime_ns  # unlike the time of modification, no restored backup sets it
        except FileNotFoundError:
            return ""
        still = time.time_ns() - changed > SETTLED * 1e9
        return _newest_of_still(self.folder, changed) if still else _newest(self.folder)

    @contextmanager
    def open(self, name: str) -> Iterator[Path]:
        """The folder of a pool, its files checked, for a `with` that reads them; raises DamagedFile."""
        with checksums.reading(self.folder / name, POOL_REMEDY, self.owner, written=self.written):
            yield self.folder / name

    def damages(self) -> Iterator[DamagedFile]:
        """Every damage of a pool; reads all of them."""
        for name in sorted(_names(self.folder)):
            yield from checksums.damages(self.folder / name, POOL_REMEDY, self.owner, written=self.written)


@dataclass(frozen=True)
class Artifact:
    """One model's files, to be read or, while it is published, to be written."""

    folder: Path
    owner: str
    """Whose model it is, as users know it."""
    manifest: ModelManifest

    @property
    def model(self) -> Path:
        """The folder of what the recipe keeps."""
        return self.folder / MODEL

    @property
    def history(self) -> Path:
        """The folder of what users did last."""
        return self.folder / HISTORY

    @property
    def pools(self) -> ExplorationPools:
        """What may be explored."""
        return ExplorationPools(self.folder / POOLS, self.owner, self.manifest.checksums)


class Artifacts:
    """All models below one folder, by ARN: that of a solution version, or of a training of a recommender.

    All methods that read raise DamagedFile.
    """

    def __init__(self, folder: Path, fence: Fence = FREE) -> None:
        self._folder = folder
        self._fence = fence

    def fenced(self, fence: Fence) -> Artifacts:
        """The same store, which publishes only while the fence is held."""
        return Artifacts(self._folder, fence)

    @contextmanager
    def publish(self, arn: str, manifest: ModelManifest, metrics: Sequence[object]) -> Iterator[Artifact]:
        """Gives the folders to write a model into. At the end of the `with` it is there, on disk and whole.

        metrics: what the exam told, as JSON or dataclasses. Nothing stays where the `with` fails, or the fence is lost.
        Raises NoSpace, and what the fence raises.
        """
        with durable.publish(self._folder_of(arn), self._fence) as fresh:
            artifact = Artifact(fresh, owner(arn), replace(manifest, checksums=True))
            artifact.model.mkdir()
            artifact.history.mkdir()
            yield artifact
            (fresh / METRICS).write_bytes(msgspec.json.encode(metrics))
            (fresh / MANIFEST).write_bytes(msgspec.json.encode(artifact.manifest))

    @contextmanager
    def publish_again(self, arn: str, source: str) -> Iterator[Artifact]:
        """As `publish`, with the files of another model, which both have in common then; only pools are their own."""
        manifest = self.manifest(source)
        with durable.publish(self._folder_of(arn), self._fence) as fresh:
            without = shutil.ignore_patterns(POOLS)
            shutil.copytree(self._folder_of(source), fresh, copy_function=os.link, ignore=without, dirs_exist_ok=True)
            yield Artifact(fresh, owner(arn), manifest)

    @contextmanager
    def open(self, arn: str) -> Iterator[Artifact]:
        """A model's files, all checked, for a `with` that reads them; what that cannot make sense of is damaged too."""
        artifact = Artifact(self._folder_of(arn), owner(arn), self.manifest(arn))
        with checksums.reading(artifact.folder, REMEDY, artifact.owner, written=artifact.manifest.checksums):
            yield artifact

    def manifest(self, arn: str) -> ModelManifest:
        """What the model's files say of themselves."""
        return _manifest(self._folder_of(arn), owner(arn))

    def metrics(self, arn: str) -> list[Json]:
        """What the model's exam told beyond AWS's metrics."""
        folder, written = self._folder_of(arn), self.manifest(arn).checksums
        with checksums.reading(folder, REMEDY, owner(arn), METRICS, written=written):
            return msgspec.json.decode((folder / METRICS).read_bytes(), type=list[Json])

    def remove(self, arn: str) -> None:
        """Removes a model's files, or all models of a recommender; who has them open goes on reading.

        Raises OSError where that fails: what is deleted must not stay.
        """
        folder = self._folder_of(arn)
        for path in (*durable.drafts(folder), folder):
            while path.exists():
                with suppress(FileNotFoundError):  # somebody else removes them too
                    shutil.rmtree(path)

    def newest_event(self, failed: Callable[[DamagedFile], None]) -> int:
        """The greatest number of a live event that a model learned from; `failed` is told what cannot be read."""
        newest = 0
        for folder, whose in self._folders(()).items():
            try:
                newest = max(newest, _manifest(folder, whose).newest_event)
            except DamagedFile as error:
                failed(error)
        return newest

    def damages(self, arns: Iterable[str]) -> Iterator[DamagedFile]:
        """Every damage that can be told of the models that must be there, and of all others; reads all of them."""
        for folder, whose in self._folders(arns).items():
            if not (folder / MANIFEST).exists():
                yield DamagedFile(folder / MANIFEST, "is missing", REMEDY, whose)
            written = _written(folder, whose)
            yield from checksums.damages(folder, REMEDY, whose, written=written)
            yield from ExplorationPools(folder / POOLS, whose, written).damages()

    def unverified(self, arns: Iterable[str]) -> int:
        """How many models have no checksums, because an older version wrote them."""
        return sum(
            folder.exists() and not (_written(folder, whose) or checksums.verifiable(folder))
            for folder, whose in self._folders(arns).items()
        )

    def _folder_of(self, arn: str) -> Path:
        region, _, path = arn.split(":", 5)[3:]
        kind, _, name = path.partition("/")
        # No solution's name begins with an underscore.
        return self._folder / region / (name if kind == "solution" else f"_{kind}/{name}")

    def _folders(self, arns: Iterable[str]) -> dict[Path, str]:
        """The folders of these models and of all that are found, in order, and whose each is."""
        found = {path.parent: str(path.parent.relative_to(self._folder)) for path in self._folder.rglob(MANIFEST)}
        found |= {self._folder_of(arn): owner(arn) for arn in arns}
        # A name with a dot is that of a draft.
        return {folder: found[folder] for folder in sorted(found) if not folder.name.startswith(".")}


def owner(arn: str) -> str:
    """Whose model it is, as users know it: a recommender's has an ARN for each training, which no call takes."""
    return arn.rpartition("/")[0] if ":recommender/" in arn else arn


def _manifest(folder: Path, whose: str) -> ModelManifest:
    with checksums.reading(folder, REMEDY, whose, MANIFEST):
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=ModelManifest)


def _written(folder: Path, whose: str) -> bool:
    """Whether the model's files say that checksums were written with them."""
    try:
        return _manifest(folder, whose).checksums
    except DamagedFile:
        return False  # told by the check of its files


def _names(pools: Path) -> list[str]:
    try:
        return [name for name in os.listdir(pools) if name[0].isdigit()]
    except FileNotFoundError:
        return []


def _newest(pools: Path) -> str:
    return max(_names(pools), default="")


@lru_cache(maxsize=1024)  # models; a text of 20 letters each
def _newest_of_still(pools: Path, changed: int) -> str:
    """`changed` makes each change of the folder a new key of the cache."""
    return _newest(pools)

"""What makes parts a table: the manifest of a dataset's folder, the lock of its writers, what may be swept away.

A folder has a manifest before it has its first part, so that parts without one mean that it got lost.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, durable
from tailorbird.storage.checksums import Checksum

NAME = "manifest.json"
WRITING = "writing-"
"""What the folder of a writer at work begins with."""
LOST = "Restore it from a backup. Without one, delete the dataset, create it again and import its data."
"""The remedy for a manifest."""

_NAME_LENGTH = 120
"""Characters of a key in its folder's name; a name has 255 bytes at most, 17 of them the digest's."""

T = TypeVar("T")

_INCARNATION = re.compile(r"-[0-9a-f]+\Z")
"""At the end of a key: no type of dataset ends so."""


def key_of(arn: str, incarnation: str) -> str:
    """The key of a dataset's rows in all stores: those of another one of the same ARN lie elsewhere."""
    return f"{arn}-{incarnation}" if incarnation else arn


@dataclass(frozen=True)
class Folder:
    """Where a dataset's rows are, and whose they are."""

    path: Path
    key: str

    @cached_property
    def manifest(self) -> str:
        """The file's path; a text, since to join paths takes longer than to look whether the file changed."""
        return str(self.path / NAME)

    @property
    def owner(self) -> str:
        """Whose rows they are, as users know it: the ARN without what tells it from earlier ones."""
        return _INCARNATION.sub("", self.key)


@lru_cache(maxsize=4096)  # datasets; every answer looks at one or two
def folder_of(root: Path, key: str) -> Folder:
    """A dataset's folder below `root`; the digest keeps apart what shortening, or ignoring case, would merge."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Folder(root / f"{quote(key, safe='')[:_NAME_LENGTH].replace('.', '%2E')}-{digest}", key)


class Part(msgspec.Struct, frozen=True):
    """One part in the manifest."""

    file: str
    rows: int
    streamed: bool
    at: int = 0
    """Number of the newest single row when the part was committed: its place in the order of arrival."""
    checksum: Checksum | None = None
    """None where it was written before there were checksums."""


class TableManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parts make up the dataset, in commit order."""

    version: str = ""
    parts: tuple[Part, ...] = ()
    jobs: tuple[str, ...] = ()
    moved: int = 0
    """Single rows with numbers up to this one are in the streamed parts."""
    rewritten: str = ""
    """Changes when rows are removed from parts."""


def read(folder: Folder) -> TableManifest:
    """The manifest; an empty one where nothing was ever written. Raises DamagedFile where it is not whole."""
    while True:
        try:
            found = os.stat(folder.manifest)
            return _parsed(folder.manifest, (found.st_ino, found.st_mtime_ns, found.st_size))
        except FileNotFoundError as error:
            if not list(folder.path.glob("*.parquet")):
                return TableManifest()
            path = folder.path / NAME
            if not path.exists():  # else the first commit came between
                raise DamagedFile(path, "is missing, and there are parts beside it", LOST, folder.owner) from error
        except (OSError, ValueError) as error:
            raise checksums.unreadable(folder.path / NAME, error, LOST, folder.owner) from error


@lru_cache(maxsize=4096)  # as many
def _parsed(path: str, identity: tuple[int, ...]) -> TableManifest:
    """The content of a manifest; whoever changes it makes a new file, and so another `identity`."""
    return msgspec.json.decode(checksums.unsealed(Path(path).read_bytes()), type=TableManifest)


def swap(folder: Folder, manifest: TableManifest) -> None:
    """Replaces the manifest: after a crash there is the old one or the new one, with all its parts."""
    durable.sync(folder.path)
    durable.replace(folder.path / NAME, checksums.sealed(msgspec.json.encode(manifest)))


def consistently(folder: Folder, look: Callable[[TableManifest], T]) -> T:
    """Looks at what the manifest names; starts again where a commit replaced that meanwhile."""
    while True:
        manifest = read(folder)
        try:
            return look(manifest)
        except DamagedFile:
            if read(folder).version == manifest.version:
                raise


def sweep(folder: Folder) -> None:
    """Removes parts that no manifest names and folders of writers that are gone; needs the lock."""
    named = {part.file for part in read(folder).parts}
    for path in folder.path.glob("*.parquet"):
        if path.name not in named:
            path.unlink()
    for path in folder.path.glob(f"{WRITING}*"):
        try:
            alive = lock(path / "alive", wait=False)
        except BlockingIOError:
            continue
        shutil.rmtree(path)
        os.close(alive)


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Keeps other writers of the dataset, in any process, from changing its folder."""
    folder.path.mkdir(parents=True, exist_ok=True)
    held = lock(folder.path / "lock")
    try:
        yield
    finally:
        os.close(held)


def lock(path: Path, *, wait: bool = True) -> int:
    """An open file that is locked until it is closed, or its process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor

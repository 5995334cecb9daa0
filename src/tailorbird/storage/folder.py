"""The data folder as a whole: one server at a time, and nobody else's to read."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

LOCK_FILE = "serve.lock"
"""Locked while a server runs. It names the server: process id, then its URL once it listens."""
MASK = 0o077
"""What nobody but the owner may do with files of an installation: they say what users did, and hold the secret key."""
OWN = (
    "access_key.json",
    "endpoint",
    "format",
    LOCK_FILE,
    "*.db",
    "*.db-*",
    "*.db.damaged-*",
    "artifacts",
    "neighbours",
    "tables",
)
"""What an installation keeps in its folder; anything else there is not ours to change."""


class FolderInUse(Exception):
    """Another server runs on the folder; the message names it."""


class Lock:
    """The right to serve a folder, held until `release` or the end of the process, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderInUse."""
        path = folder / LOCK_FILE
        self._folder = os.open(folder, os.O_RDONLY)
        try:
            self._lock_folder()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except BlockingIOError:
            os.close(self._folder)
            raise _in_use(folder) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            os.close(self._folder)
            raise _in_use(folder) from None
        self.tell()

    def _lock_folder(self) -> None:
        """Locks the folder as well, since a file can be removed while it is locked, and another one be made."""
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:  # NFS locks nothing that cannot be opened for writing
            log.info("the lock of the data folder is its file alone", extra={"reason": error.strerror})

    def tell(self, url: str = "") -> None:
        """Says who holds the lock."""
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n{url}".encode(), 0)

    def release(self) -> None:
        """Lets another server have the folder; the file stays, since removing it would let two hold a lock."""
        os.close(self._descriptor)
        os.close(self._folder)


def _in_use(folder: Path) -> FolderInUse:
    path = folder / LOCK_FILE
    process, _, url = (path.read_text() if path.exists() else "").strip().partition("\n")
    return FolderInUse(
        f"Another server is running on {folder}: process {process or 'unknown'}"
        + (f" at {url}" if url else "")
        + ". Stop it, or serve another folder with --data-dir."
    )


def make_private(folder: Path) -> None:
    """Takes from group and others what they may do with the folder and with what the installation keeps in it."""
    changed = [path for path in [folder, *_own(folder)] if _tighten(path)]
    if changed:
        log.warning("made private what others could read", extra={"paths": len(changed), "first": changed[0]})


def _own(folder: Path) -> Iterator[Path]:
    for pattern in OWN:
        for path in folder.glob(pattern):
            yield path
            yield from path.rglob("*")


def _tighten(path: Path) -> bool:
    """Whether the path was open to others and is no more; links are left alone."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & MASK:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~MASK)
    except OSError as error:  # a file system without modes, or another owner: served as before
        log.warning("cannot be made private", extra={"path": path, "reason": error.strerror})
        return False
    return True

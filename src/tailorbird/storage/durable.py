"""Making files and names survive a power cut, and leaving nothing half-written where a disk is full."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tailorbird.errors import NoSpace
from tailorbird.storage import checksums
from tailorbird.storage.fence import FREE, Fence

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """For what writes below `folder`: raises NoSpace where there is no room, whoever finds that."""
    try:
        yield
    except Exception as error:
        if not full(error):
            raise
        raise NoSpace(folder) from error


def full(error: Exception) -> bool:
    """Whether a disk, or somebody's share of it, is full; Polars has no errno for that, only Rust's words."""
    return getattr(error, "errno", None) in _FULL or any(f"(os error {code})" in str(error) for code in _FULL)


def sync(path: Path) -> None:
    """Returns once a file's contents, or the names in a folder (created, renamed, removed), are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private(path: Path, mode: str, buffering: int = -1) -> IO[bytes]:
    """Opens a file that, if it is made now, only its owner can read; `mode` and `buffering` are those of `open`."""
    return open(path, mode, buffering, opener=lambda name, flags: os.open(name, flags, 0o600))


def replace(path: Path, content: bytes) -> None:
    """Gives a file new content: after a crash there is the old one or the new one, and no part of either."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with room(path.parent):
            draft.write_bytes(content)
            sync(draft)
            draft.rename(path)
            sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def publish(folder: Path, fence: Fence = FREE) -> Iterator[Path]:
    """Gives a fresh folder to write into, which takes the place of `folder` at the end, on disk and whole.

    Its files' checksums are beside them then. Nothing stays of it where that fails, or where the fence is not held.
    What other runs were writing in its place goes too: they are dead, or have lost the fence.
    """
    fresh = folder.with_name(f".{folder.name}.{fence.owner}.fresh" if fence.owner else f".{folder.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with room(folder.parent):
            _make(folder.parent)
            fresh.mkdir()
            yield fresh
            checksums.write(fresh)
            for path in [*fresh.rglob("*"), fresh]:
                sync(path)
        with fence.held():
            if folder.exists():  # left by a worker that died between here and its document
                folder.rename(folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.old"))
            fresh.rename(folder)
            sync(folder.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    for left in drafts(folder):
        shutil.rmtree(left, ignore_errors=True)


def drafts(folder: Path) -> list[Path]:
    """What `publish` has beside the folder, be it fresh or replaced; processes that died leave it there."""
    return list(folder.parent.glob(f".{glob.escape(folder.name)}.*"))


def _make(folder: Path) -> None:
    """Makes what is missing of a path, each name on disk before what it leads to."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)

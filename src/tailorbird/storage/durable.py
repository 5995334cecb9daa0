"""Making files and names survive a power cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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


@contextmanager
def publish(folder: Path) -> Iterator[Path]:
    """Gives a fresh folder to write into, which takes the place of `folder` at the end, on disk and whole."""
    fresh = folder.with_name(f".{folder.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    for path in [*fresh.rglob("*"), fresh]:
        sync(path)
    shutil.rmtree(folder, ignore_errors=True)  # left by a worker that died between here and its document
    fresh.rename(folder)
    sync(folder.parent)

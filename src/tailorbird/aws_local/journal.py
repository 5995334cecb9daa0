"""The changes that are replayed at the start: JSON lines, each durable before its change is answered.

Beside the journal stands the checksum of what of it was acknowledged, so that lines which were lost or changed are
told from a line that a crash left incomplete. Only the end may be behind: it is written after its line.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums
from tailorbird.storage.checksums import Checksum
from tailorbird.storage.durable import private, sync

log = logging.getLogger(__name__)

REMEDY = (
    "Restore it and journal.end beside it from one backup, then start again. To go on with what is left of it, remove "
    "journal.end, and the line if one is named."
)


def append(path: Path, entry: dict[str, Any]) -> None:
    """Adds one entry and returns once it is on the disk; an entry that cannot be written leaves no trace.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    created = not path.exists()
    line = json.dumps(entry).encode() + b"\n"
    # Not buffered: a buffer that could not be written out would be tried again by truncate and close.
    with private(path, "ab", buffering=0) as file:
        size = file.tell()
        end = _end(path)
        if end is None or end.size != size:
            end = checksums.of(path)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
            _write_end(path, Checksum(size + len(line), zlib.crc32(line, end.crc)))
        except OSError:
            file.truncate(size)
            raise
    if created:
        sync(path.parent)


def entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number, entry), oldest first; cuts off a last line that a crash left incomplete.

    Raises:
        DamagedFile: a line cannot be read, or it is not as it was written.
    """
    reason = damage(path)
    if reason:
        raise DamagedFile(path, reason, REMEDY, "the S3 and IAM beside us")
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        # Nobody was told that the incomplete line succeeded, and the next one must not be glued to it.
        log.warning("%s ended in an incomplete line of %d bytes, which is cut off", path, len(data) - len(whole))
        os.truncate(path, len(whole))
    end = Checksum(len(whole), zlib.crc32(whole))
    if end != _end(path):
        _write_end(path, end)
    for number, line in enumerate(whole.splitlines(), start=1):
        yield number, json.loads(line)


def damage(path: Path) -> str:
    """What is wrong with a journal, as it follows its path in a sentence; empty where nothing is. Changes nothing."""
    try:
        end = _end(path)
    except msgspec.DecodeError:
        return "cannot be compared with journal.end, which cannot be read"
    if not path.exists():
        return "is missing" if end is not None else ""
    data = path.read_bytes()
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            json.loads(line)
        except ValueError as error:
            return f"is not JSON in line {number} ({error})"
    if end is None:  # an older version wrote none
        return ""
    if len(data) < end.size:
        return f"has {len(data)} bytes, of {end.size} that were acknowledged"
    return "" if zlib.crc32(data[: end.size]) == end.crc else "is not as it was written: a line was changed"


def state(path: Path) -> object:
    """What differs once somebody has mended a journal, at the cost of a look at the folder."""
    return [(each.stat().st_mtime_ns, each.stat().st_size) if each.exists() else None for each in _files(path)]


def _files(path: Path) -> tuple[Path, Path]:
    return path, path.with_suffix(".end")


def _end(path: Path) -> Checksum | None:
    file = path.with_suffix(".end")
    return msgspec.json.decode(file.read_bytes(), type=Checksum) if file.exists() else None


def _write_end(path: Path, end: Checksum) -> None:
    # The new name need not survive a power cut: the end that it replaces is that of an earlier line.
    aside = path.with_suffix(".end.tmp")
    try:
        with private(aside, "wb") as file:
            file.write(msgspec.json.encode(end))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path.with_suffix(".end"))
    except OSError:
        aside.unlink(missing_ok=True)
        raise

"""Commits that are in SQLite's write-ahead log and that SQLite does not read: it stops at the first damaged frame.

It takes what follows for the end that a crash tore, and says nothing. A torn end and a damage differ: frames are
written in order, so that no whole frame with a commit mark of the same log follows a torn one. The index beside the log
(-shm), which outlives a process though not a power cut, says how long the log was.

Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log and https://www.sqlite.org/walformat.html.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import struct
import time
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tailorbird.errors import DamagedFile
from tailorbird.storage.database import Database
from tailorbird.storage.durable import sync

log = logging.getLogger(__name__)

VERSION = 3007000
"""Of the format (https://www.sqlite.org/walformat.html, as the numbers below)."""
_MAGIC = 0x377F0682
"""The last bit says that checksums are over big-endian words."""
_HEADER, _FRAME_HEADER = 32, 24
"""Bytes."""
_INDEX = struct.Struct("=I12xI12x8s8x")
"""The version, the number of frames and the log's salts; twice at the start of the index."""
_COPIED = struct.Struct("=I")
"""After them: how many of the frames are in the database already."""
REMEDY = (
    "Restore the database with its -wal file from a backup, or go on without those changes: a server that starts keeps "
    "the log aside, and what can still be read."
)


def damage(database: Database) -> DamagedFile | None:
    """The error where commits are lost. Reads the log alone; whoever opens the database may remove it.

    A log that is written meanwhile may look torn, so that a loss must be seen twice.
    """
    if not database.sqlite or not database.file.exists():
        return None
    first = _loss(database.file)
    if not first or first != _loss(database.file):
        return None
    return DamagedFile(_beside(database.file, "-wal"), first, REMEDY, database.holds)


def keep(database: Database) -> None:
    """Logs what is lost, if something is, and copies the log aside before SQLite writes over it; once a loss."""
    lost = damage(database)
    if lost is None:
        return
    told: dict[str, object] = {"path": lost.path}
    if lost.path.exists():
        aside = _beside(database.file, f".damaged-{time.strftime('%Y%m%dT%H%M%S')}-wal")
        shutil.copy2(lost.path, aside)
        sync(aside)
        sync(aside.parent)
        told["aside"] = aside
    log.error("changes that were on disk are lost: %s", lost, extra=told)
    try:
        with closing(sqlite3.connect(database.file)) as connection:
            # Else the frames of the loss would follow the next commits, and be found again.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        log.warning("the log cannot be emptied", extra={"path": lost.path, "reason": str(error)})


def _loss(file: Path) -> str:
    """What is lost, as it follows the log's path in a sentence; empty where nothing is."""
    index = _index(_beside(file, "-shm"))
    try:
        with _beside(file, "-wal").open("rb") as opened:
            header = opened.read(_HEADER)
            if len(header) < _HEADER:  # SQLite empties a log only after it has emptied the index
                return _gone("is empty", index)
            found = _read(opened, header, _page_size(file))
    except FileNotFoundError:
        return _gone("is missing", index)
    except OSError:
        return ""  # whoever opens the database tells
    if found.unread:
        return f"is damaged: {found.unread} commits that follow the damage are not read"
    if index is None or index.salts != found.salts or index.frames <= max(found.committed, index.copied):
        return ""
    return f"can be read up to page {found.committed} of {index.frames}: the newest commits are lost"


def _gone(how: str, index: _Index | None) -> str:
    """What is lost with a log of which nothing is left."""
    if index is None or index.frames <= index.copied:
        return ""
    return f"{how}, and with it {index.frames - index.copied} pages of the newest changes are gone"


@dataclass(frozen=True)
class _Log:
    salts: bytes
    """Of the frames that belong to it; older ones may follow."""
    committed: int
    """Frames that SQLite reads."""
    unread: int
    """Whole commits after the first damaged frame."""


@dataclass(frozen=True)
class _Index:
    salts: bytes
    frames: int
    copied: int


def _read(file: BinaryIO, header: bytes, page: int) -> _Log:
    """Reads the frames; `page` is the size of the database's pages, for a header that cannot be trusted."""
    magic, _, stated = struct.unpack(">III", header[:12])
    salts, order = header[16:24], ">" if magic & 1 else "<"
    checksum = struct.unpack(">II", header[24:])
    if magic | 1 == _MAGIC | 1 and _sum((0, 0), header[:24], order) == checksum:
        return _frames(file, stated, salts, order, checksum, damaged=False)
    if not page:
        return _Log(salts, 0, 0)
    found = []
    for either in "<>":
        file.seek(_HEADER)
        first = file.read(_FRAME_HEADER)
        file.seek(_HEADER)
        found.append(_frames(file, page, first[8:16], either, checksum, damaged=True))
    return max(found, key=lambda each: each.unread)


def _frames(file: BinaryIO, page: int, salts: bytes, order: str, before: tuple[int, ...], *, damaged: bool) -> _Log:
    """Each frame's checksum goes on from that of the frame before, so that frames after a damaged one can be told."""
    committed = unread = number = 0
    while len(frame := file.read(_FRAME_HEADER + page)) == _FRAME_HEADER + page:
        number += 1
        commits = frame[4:8] != bytes(4)
        checksum = struct.unpack(">II", frame[16:24])
        right = frame[8:16] == salts and _sum(before, frame[:8] + frame[24:], order) == checksum
        if damaged:
            unread += right and commits
        elif not right:
            damaged = True
        elif commits:
            committed = number
        before = checksum
    return _Log(salts, committed, unread)


def _sum(before: tuple[int, ...], data: bytes, order: str) -> tuple[int, int]:
    """SQLite's checksum: for each pair of words, a += first + b, then b += second + a, modulo 2**32.

    Written out, each word counts as often as the Fibonacci number of its distance from the end says.
    """
    words = np.frombuffer(data, f"{order}u4").astype(np.uint32)
    counts = _fibonacci(len(words) + 2)
    a = int((words * counts[len(words) - 1 :: -1]).sum(dtype=np.uint32))
    b = int((words * counts[len(words) : 0 : -1]).sum(dtype=np.uint32))
    last, end, beyond = (int(count) for count in counts[-3:])
    return (a + last * before[0] + end * before[1]) % 2**32, (b + end * before[0] + beyond * before[1]) % 2**32


@lru_cache(maxsize=4)  # one a size of pages, and that of the headers
def _fibonacci(count: int) -> NDArray[np.uint32]:
    """The first numbers, from 0 and 1 on, modulo 2**32."""
    found = [0, 1]
    while len(found) < count:
        found.append((found[-1] + found[-2]) % 2**32)
    return np.array(found[:count], np.uint32)


def _index(path: Path) -> _Index | None:
    """What the index says; None where there is none, it is being written, or nobody used it."""
    try:
        with path.open("rb") as file:
            first, second, rest = (file.read(size) for size in (_INDEX.size, _INDEX.size, _COPIED.size))
    except FileNotFoundError:
        return None
    if first != second or len(rest) < _COPIED.size:
        return None
    version, frames, salts = _INDEX.unpack(first)
    return _Index(salts, frames, *_COPIED.unpack(rest)) if version == VERSION else None


def _page_size(file: Path) -> int:
    """Of a database; 0 where it does not say."""
    with file.open("rb") as opened:
        head = opened.read(18)
    size = struct.unpack(">H", head[16:18])[0] if len(head) == 18 else 0
    size = 1 << 16 if size == 1 else size
    return int(size) if size >= 512 and size & (size - 1) == 0 else 0


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)

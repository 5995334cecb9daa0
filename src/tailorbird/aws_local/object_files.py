"""The objects of the emulated S3 as files: one file an object, a line of JSON about it and then its bytes.

The name of a file is a hash of bucket and key, since a key may hold what no file system takes (`..`, a
kilobyte of text, `a` beside `a/b`, `A` beside `a`). Written aside, synced and renamed: a file is whole or not
there. Kept are the current bytes, ETag, date, metadata, tags, storage class, encryption and checksum of an
object, not its access control list.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums
from tailorbird.storage.durable import private, sync

_DESCRIBED = frozenset(
    [
        "bucket",
        "key",
        "size",
        "etag",
        "modified",
        "metadata",
        "tags",
        "storageClass",
        "encryption",
        "checksum",
        "redirect",
    ]
)
"""What every description says; nothing else but the checksum of the bytes, which older ones do not have."""
_BYTES = "crc32"
"""Member of a description: the checksum of the bytes."""
REMEDY = "Restore it from a backup, or move it away and put the object again; then start again."


class StoredValue:
    """The bytes of an object, read from its file when asked for, and never where they are not as they were written.

    Takes the place of the temporary file (or the memory) in which moto would keep a second copy.
    """

    def __init__(self, path: Path, start: int, crc: int | None) -> None:
        self.path = path
        self.start = start
        self.crc = crc
        """Of the bytes; None in a file of an older version."""
        self._at = 0
        self._checked = False

    def seek(self, position: int) -> None:
        """Sets where the next `read` begins."""
        self._at = position

    def read(self, size: int = -1) -> bytes:
        """Returns up to `size` bytes, or all the rest; raises DamagedFile.

        The file is compared with its checksum whenever reading begins at its start, else once.
        """
        if not self._checked or (self._at == 0 and size < 0):
            reason = damage(self.path) if self.path.exists() else "is missing"
            if reason:
                raise damaged(self.path, reason)
            self._checked = True
        with self.path.open("rb") as file:
            file.seek(self.start + self._at)
            data = file.read(size)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Nothing is held open between reads."""


def damaged(path: Path, reason: str) -> DamagedFile:
    """The error that a damaged file of an object is."""
    return DamagedFile(path, reason, REMEDY, "an object of the built-in S3")


def save(folder: Path, bucket: Any, key: Any, tags: dict[str, str]) -> None:
    """Makes a moto object durable, unless its file says the same, and lets moto read from the file.

    Raises OSError where the disk does not take it; its file is then as before.
    """
    path = path_of(folder, bucket.name, key.name)
    if key.multipart is not None:
        # moto computes CRC-32 where CRC-32C or CRC-64/NVME was asked for and awscrt is missing. Clients that
        # check what they download would refuse the object; without a checksum they take it.
        key.checksum_algorithm = key.checksum_value = None
    stored = isinstance(key._value_buffer, StoredValue)
    crc = key._value_buffer.crc if stored else None
    if crc is None:
        crc = _crc(key._value_buffer)
    line = checksums.sealed(json.dumps(_describe(bucket, key, tags) | {_BYTES: crc}).encode()) + b"\n"
    if stored and _first_line(path) == line:
        return
    aside = path.with_suffix(".tmp")
    try:
        with private(aside, "wb") as file:
            file.write(line)
            key._value_buffer.seek(0)
            shutil.copyfileobj(key._value_buffer, file, checksums.AT_ONCE)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)  # on a full disk every half file counts
        raise
    sync(folder)
    key._value_buffer.close()
    key._value_buffer = StoredValue(path, len(line), crc)


def remove(folder: Path, bucket_name: str, key_name: str) -> bool:
    """Removes the file of an object; False where there was none. Durable only after `sync`."""
    path = path_of(folder, bucket_name, key_name)
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def load(folder: Path, tell: Callable[[DamagedFile], None]) -> Iterator[tuple[dict[str, Any], StoredValue]]:
    """Yields what `save` wrote: (the description of an object, its bytes); reads no bytes.

    `tell` is told of each damaged file. One whose description can be read is there all the same: its object is listed,
    and raises DamagedFile when it is read.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tmp":
            path.unlink()
            continue
        about = _about(path)
        if about is None or _length(path) != about["size"]:
            tell(damaged(path, damage(path)))
        if about is not None:
            yield about, _value(path, about)


def find(folder: Path, bucket_name: str, key_name: str) -> tuple[dict[str, Any], StoredValue] | None:
    """What `load` yields of one object; None where it has no file, or one whose description cannot be read."""
    path = path_of(folder, bucket_name, key_name)
    about = _about(path) if path.exists() else None
    return None if about is None else (about, _value(path, about))


def _about(path: Path) -> dict[str, Any] | None:
    """The description at the beginning of a file; None where that is none, or not as it was written.

    An older version's has no seal. No broken seal passes for that: it leaves a member more, or a wrong `_BYTES`.
    """
    try:
        about: dict[str, Any] = json.loads(checksums.unsealed(_first_line(path).rstrip(b"\n")))
        whole = about.keys() - {_BYTES} == _DESCRIBED and isinstance(about.get(_BYTES, 0), int)
        whole = whole and path == path_of(path.parent, about["bucket"], about["key"])
    except (ValueError, TypeError, AttributeError):
        return None
    return about if whole else None


def _length(path: Path) -> int:
    return path.stat().st_size - len(_first_line(path))


def _value(path: Path, about: dict[str, Any]) -> StoredValue:
    return StoredValue(path, len(_first_line(path)), about.get(_BYTES))


def _crc(value: Any) -> int:
    value.seek(0)
    crc = 0
    while data := value.read(checksums.AT_ONCE):
        crc = zlib.crc32(data, crc)
    return crc


def restore(key: Any, about: dict[str, Any], value: StoredValue) -> None:
    """Gives an empty moto object the bytes and properties that were saved."""
    key._value_buffer.close()
    key._value_buffer = value
    key.contentsize = about["size"]
    key.last_modified = datetime.fromisoformat(about["modified"])
    key.set_metadata(about["metadata"], replace=True)
    key.checksum_algorithm, key.checksum_value = about["checksum"]
    key.website_redirect_location = about["redirect"]


def _describe(bucket: Any, key: Any, tags: dict[str, str]) -> dict[str, Any]:
    return {
        "bucket": bucket.name,
        "key": key.name,
        "size": key.contentsize,
        "etag": key.etag.strip('"'),
        "modified": key.last_modified.isoformat(),
        "metadata": dict(key.metadata),
        "tags": tags,
        "storageClass": key.storage_class,
        "encryption": [key.encryption, key.kms_key_id, key.bucket_key_enabled],
        "checksum": [key.checksum_algorithm, key.checksum_value],
        "redirect": key.website_redirect_location,
    }


def path_of(folder: Path, bucket_name: str, key_name: str) -> Path:
    """The file of an object, whether or not there is one."""
    name = json.dumps([bucket_name, key_name]).encode()
    return folder / hashlib.sha256(name).hexdigest()


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def damage(path: Path) -> str:
    """What is wrong with a file that `save` wrote, as it follows its path in a sentence; empty where nothing is.

    Reads all of it. In a file of an older version, which has no checksum, the bytes of an object that was put together
    from parts, whose ETag is no MD5, are not told.
    """
    about = _about(path)
    if about is None:
        return "does not begin with the description of an object as it was written"
    digest, crc, found = hashlib.md5(usedforsecurity=False), 0, 0
    with path.open("rb") as file:
        file.readline()
        while data := file.read(checksums.AT_ONCE):
            if _BYTES in about:
                crc = zlib.crc32(data, crc)
            else:
                digest.update(data)
            found += len(data)
    if found != about["size"]:
        return f"has {found} bytes of an object of {about['size']}"
    if _BYTES in about:
        return "" if crc == about[_BYTES] else "does not hold the bytes that its checksum stands for"
    same = "-" in about["etag"] or digest.hexdigest() == about["etag"]
    return "" if same else "does not hold the bytes that its ETag stands for"

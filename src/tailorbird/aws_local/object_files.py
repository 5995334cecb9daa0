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
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tailorbird.errors import InternalFailure
from tailorbird.storage.durable import private, sync


class StoredValue:
    """The bytes of an object, read from its file when asked for.

    Takes the place of the temporary file (or the memory) in which moto would keep a second copy.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.start = start
        self._at = 0

    def seek(self, position: int) -> None:
        """Sets where the next `read` begins."""
        self._at = position

    def read(self, size: int = -1) -> bytes:
        """Returns up to `size` bytes, or all the rest."""
        with self.path.open("rb") as file:
            file.seek(self.start + self._at)
            data = file.read(size)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Nothing is held open between reads."""


def save(folder: Path, bucket: Any, key: Any, tags: dict[str, str]) -> None:
    """Makes a moto object durable, unless its file says the same, and lets moto read from the file.

    Raises OSError where the disk does not take it; its file is then as before.
    """
    path = _path(folder, bucket.name, key.name)
    if key.multipart is not None:
        # moto computes CRC-32 where CRC-32C or CRC-64/NVME was asked for and awscrt is missing. Clients that
        # check what they download would refuse the object; without a checksum they take it.
        key.checksum_algorithm = key.checksum_value = None
    line = json.dumps(_describe(bucket, key, tags)).encode() + b"\n"
    stored = isinstance(key._value_buffer, StoredValue)
    if stored and _first_line(path) == line:
        return
    aside = path.with_suffix(".tmp")
    try:
        with private(aside, "wb") as file:
            file.write(line)
            key._value_buffer.seek(0)
            shutil.copyfileobj(key._value_buffer, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)  # on a full disk every half file counts
        raise
    sync(folder)
    key._value_buffer.close()
    key._value_buffer = StoredValue(path, len(line))


def remove(folder: Path, bucket_name: str, key_name: str) -> bool:
    """Removes the file of an object; False where there was none. Durable only after `sync`."""
    path = _path(folder, bucket_name, key_name)
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def load(folder: Path) -> Iterator[tuple[dict[str, Any], StoredValue]]:
    """Yields what `save` wrote: (the description of an object, its bytes); reads no bytes.

    Raises:
        InternalFailure: a file is damaged.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tmp":
            path.unlink()
            continue
        yield _read(path)


def find(folder: Path, bucket_name: str, key_name: str) -> tuple[dict[str, Any], StoredValue] | None:
    """What `load` yields of one object; None where it has no file.

    Raises:
        InternalFailure: the file is damaged.
    """
    path = _path(folder, bucket_name, key_name)
    return _read(path) if path.exists() else None


def _read(path: Path) -> tuple[dict[str, Any], StoredValue]:
    line = _first_line(path)
    try:
        about = json.loads(line)
        whole = path.stat().st_size == len(line) + about["size"]
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise InternalFailure(f"{path} is damaged: move it out of the folder and start again.")
    return about, StoredValue(path, len(line))


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


def _path(folder: Path, bucket_name: str, key_name: str) -> Path:
    name = json.dumps([bucket_name, key_name]).encode()
    return folder / hashlib.sha256(name).hexdigest()


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def damage(path: Path) -> str:
    """What is wrong with a file that `save` wrote, as it follows its path in a sentence; empty where nothing is.

    Reads all of it. The bytes of an object that was put together from parts, whose ETag is no MD5, are not told.
    """
    with path.open("rb") as file:
        line = file.readline()
        try:
            about = json.loads(line)
            size, etag = about["size"], about["etag"]
        except (ValueError, TypeError, KeyError):
            return "does not begin with the description of an object"
        digest, found = hashlib.md5(usedforsecurity=False), 0
        while data := file.read(1 << 20):
            digest.update(data)
            found += len(data)
    if found != size:
        return f"has {found} bytes of an object of {size}"
    return "" if "-" in etag or digest.hexdigest() == etag else "does not hold the bytes that its ETag stands for"

"""The access key of an installation, with which clients sign: in its data folder, unless its database is a shared one.

There it is in the catalogue, so that all machines have the same.
"""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, durable

KEY_FILE = "access_key.json"
"""In the data folder; a folder without one holds no installation, unless a database is named."""
NEW_KEY = (
    "Restore it from a backup. Without one, `tailorbird serve --renew` makes a new key, which all clients need "
    "(`tailorbird env`)."
)
"""The remedy for a key that is lost."""


class AccessKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An access key of the installation, with which clients sign."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        """Leaves the secret out, so that no log can hold it."""
        return f"AccessKey({self.access_key_id!r}, ...)"


def read(folder: Path) -> AccessKey:
    """The access key of the installation that is there; raises DamagedFile, also where it is gone."""
    path = folder / KEY_FILE
    try:
        return msgspec.json.decode(checksums.unsealed(path.read_bytes()), type=AccessKey)
    except FileNotFoundError as error:
        raise lost(folder) from error
    except (OSError, ValueError) as error:
        raise DamagedFile(path, f"cannot be read ({error})", f"Move it away. {NEW_KEY}", "all clients") from error


def lost(folder: Path) -> DamagedFile:
    """The error for a key that is gone."""
    return DamagedFile(folder / KEY_FILE, "is missing", NEW_KEY, "all clients")


def fresh() -> AccessKey:
    """Another one."""
    letters = string.ascii_uppercase + "234567"
    return AccessKey("AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30))


def make(folder: Path) -> None:
    """Makes an access key, unless there is one, or another process makes one meanwhile."""
    if not (folder / KEY_FILE).exists():
        with _key_file(folder, fresh()) as made, suppress(FileExistsError):
            os.link(made, folder / KEY_FILE)  # unlike a rename, never replaces a key


def seal(folder: Path) -> None:
    """Gives the key of an older version, which wrote no checksum, one; raises DamagedFile."""
    key = read(folder)
    if not checksums.is_sealed((folder / KEY_FILE).read_bytes()):
        with _key_file(folder, key) as made:
            made.rename(folder / KEY_FILE)
            durable.sync(folder)


@contextmanager
def _key_file(folder: Path, key: AccessKey) -> Iterator[Path]:
    """A file with a key, which only its owner can read, on disk; removed in the end where it still has that name."""
    draft = folder / f".access_key.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(checksums.sealed(msgspec.json.encode(key)))
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)

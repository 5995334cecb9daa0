"""Checksums: they tell a file that is as it was written from one that a disk, a copy or a hand has changed.

CRC-32 of the standard library: it finds every change within 32 neighbouring bits, and misses one in four billion of
the others. One core reads 2.1 GiB a second with it, 0.9 with BLAKE2b (measured on the machine of quality.md); xxhash
is faster than disks are, and one more package. Nobody's intent is meant to be found: whoever can change a file of the
data folder can change its checksum as well.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tailorbird.errors import DamagedFile

NAME = "checksums.json"
"""In a folder that was written whole: the checksums of its files."""
AT_ONCE = 1 << 20
"""Bytes read at a time: 130 MB took 0.05 s of a core by 128 kB and by 1 MB, 0.11 s by 16 MB, which no cache holds."""
SEAL = "crc32"
"""The member that seals a JSON object."""
_SEAL = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\Z')


class Checksum(msgspec.Struct, frozen=True):
    """What a file's bytes come to."""

    size: int
    """Bytes."""
    crc: int


class _Folder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `NAME` says."""

    files: dict[str, Checksum]
    """By path relative to the folder."""


def of(path: Path) -> Checksum:
    """The checksum of a file as it is now; reads all of it."""
    size = crc = 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(AT_ONCE):
            size += len(data)
            crc = zlib.crc32(data, crc)
    return Checksum(size, crc)


def check(path: Path, written: Checksum, remedy: str, touched: str) -> None:
    """Raises DamagedFile where a file is gone or no longer what was written; the last two are for its message."""
    try:
        found = of(path)
    except OSError as error:
        raise unreadable(path, error, remedy, touched) from error
    if found.size != written.size:
        raise DamagedFile(path, f"has {found.size} bytes instead of {written.size}", remedy, touched)
    if found.crc != written.crc:
        raise DamagedFile(path, "does not hold the bytes that were written: its checksum is another", remedy, touched)


def unreadable(path: Path, error: Exception, remedy: str, touched: str) -> DamagedFile:
    """The error for a file, or a folder of files, that cannot be opened or made sense of."""
    if isinstance(error, FileNotFoundError):
        return DamagedFile(Path(error.filename or path), "is missing", remedy, touched)
    return DamagedFile(path, f"cannot be read ({error})", remedy, touched)


def sealed(content: bytes, beside: bytes = b"") -> bytes:
    """A JSON object with one more member at its end, the checksum of all before, and of what stands beside it.

    One without members has no seal.
    """
    if content == b"{}":
        return content
    return content[:-1] + b',"crc32":"%08x"}' % zlib.crc32(beside, zlib.crc32(content))


def is_sealed(data: bytes) -> bool:
    """Whether a JSON object has a seal, whatever it says."""
    return _SEAL.search(data) is not None


def unsealed(data: bytes, beside: bytes = b"") -> bytes:
    """What was sealed; raises ValueError where it has changed. What has no seal is given back as it is.

    So are older versions' files read. Decode with forbid_unknown_fields, so that no broken seal passes for none.
    """
    seal = _SEAL.search(data)
    if seal is None:
        return data
    content = data[: seal.start()] + b"}"
    if zlib.crc32(beside, zlib.crc32(content)) != int(seal[1], 16):
        raise ValueError("its checksum is another")
    return content


def write(folder: Path) -> None:
    """Writes `NAME` for the files in and below a folder; those of folders that have one themselves are left out.

    A folder that has it already keeps it.
    """
    if not verifiable(folder):
        found = {str(path.relative_to(folder)): of(path) for path in _files(folder)}
        (folder / NAME).write_bytes(sealed(msgspec.json.encode(_Folder(found))))


@contextmanager
def reading(
    folder: Path, remedy: str, touched: str, name: str | None = None, *, written: bool = False
) -> Iterator[None]:
    """Checks the files of a folder that was written whole, or the one of that name, before a `with` that reads them.

    written: whether the checksums themselves must be there.
    Raises DamagedFile where one has changed, and where the `with` itself cannot read them.
    """
    for each, checksum in _read(folder, remedy, touched, written).items():
        if name in (None, each):
            check(folder / each, checksum, remedy, touched)
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise unreadable(folder / (name or ""), error, remedy, touched) from error


def verifiable(folder: Path) -> bool:
    """Whether checksums tell what the folder's files were; an older version wrote none."""
    return (folder / NAME).exists()


def damages(folder: Path, remedy: str, touched: str, *, written: bool = False) -> Iterator[DamagedFile]:
    """Every damage that can be told of a folder that was written whole; reads all of it. `written`: see `reading`."""
    try:
        found = _read(folder, remedy, touched, written)
    except DamagedFile as error:
        yield error
        return
    for name, checksum in found.items():
        try:
            check(folder / name, checksum, remedy, touched)
        except DamagedFile as error:
            yield error


def _read(folder: Path, remedy: str, touched: str, written: bool) -> dict[str, Checksum]:
    """The checksums of a folder's files; none where it was written before there were any."""
    try:
        return msgspec.json.decode(unsealed((folder / NAME).read_bytes()), type=_Folder).files
    except FileNotFoundError as error:
        if written:
            raise unreadable(folder / NAME, error, remedy, touched) from error
        return {}
    except (OSError, ValueError) as error:
        raise unreadable(folder / NAME, error, remedy, touched) from error


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            yield path
        elif not verifiable(path):
            yield from _files(path)

"""The changes that are replayed at the start: JSON lines, each durable before its change is answered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tailorbird.errors import InternalFailure
from tailorbird.storage.durable import private, sync


def append(path: Path, entry: dict[str, Any]) -> None:
    """Adds one entry and returns once it is on the disk; an entry that cannot be written leaves no trace.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    created = not path.exists()
    rest = memoryview(json.dumps(entry).encode() + b"\n")
    # Not buffered: a buffer that could not be written out would be tried again by truncate and close.
    with private(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
    if created:
        sync(path.parent)


def entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number, entry), oldest first; cuts off a last line that a crash left incomplete.

    Raises:
        InternalFailure: a line in the middle cannot be read.
    """
    if not path.exists():
        return
    whole = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise InternalFailure(
                    f"{path} line {number} is not JSON: {error}. Remove the line and start again."
                ) from error
            whole += len(line)
    # Nobody was told that the incomplete line succeeded, and the next one must not be glued to it.
    os.truncate(path, whole)

"""What goes into the reading of CSV files and comes out of it: bytes that are counted, frames that are gathered."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import polars as pl

BATCH = 8
"""Blocks whose rows are handed over together: of more, the import of ten million rows gets no faster."""


class Batch:
    """Gathers frames for a sink, for which few large ones are less work than many small ones."""

    def __init__(self, sink: Callable[[pl.DataFrame], None]) -> None:
        self._sink = sink
        self._frames: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        if frame.height:
            self._frames.append(frame)
        if len(self._frames) == BATCH:
            self.end()

    def end(self) -> None:
        """Hands over what was gathered."""
        if self._frames:
            self._sink(pl.concat(self._frames))
        self._frames = []


class Metered:
    """A stream that counts the bytes read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data

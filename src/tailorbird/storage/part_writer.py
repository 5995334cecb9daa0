"""One part of a dataset's rows on its way into the table: written apart, then made visible in one step (`tables`)."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

import polars as pl

from tailorbird.storage import checksums, manifests
from tailorbird.storage.checksums import Checksum
from tailorbird.storage.durable import room, sync
from tailorbird.storage.fence import Fence
from tailorbird.storage.manifests import Folder, Part, TableManifest, locked

FULL = "FULL"
INCREMENTAL = "INCREMENTAL"
STREAMED = "STREAMED"
MODES = (FULL, INCREMENTAL, STREAMED)
"""FULL replaces all bulk parts, INCREMENTAL adds one, STREAMED adds one that FULL leaves (spec 5.1)."""

ROW_GROUP = 50_000
"""Rows that are read together. One user's rows of a sorted part of three million took 2 ms, by 500,000 rows 4 ms; by
5,000 they were as fast, and the file a quarter larger."""
ZSTD = 1
"""Level of compression: of ten million sorted rows the file is as small as at level 3, for a sixth less work."""
JOBS_REMEMBERED = 1000
"""Newest jobs whose repeated commit is recognised: one is repeated soon, when its worker has died. Their ARNs are all
that the manifest grows by; not tuned."""


class PartWriter:
    """A part that is being written. Leaving its `with` without a commit discards it."""

    def __init__(
        self, folder: Folder, job_id: str, sort_by: tuple[str, ...], begun: TableManifest, fence: Fence
    ) -> None:
        self._folder = folder
        self._fence = fence
        self._job_id = job_id
        self._sort_by = sort_by
        self._begun = begun
        self._token = secrets.token_hex(8)
        self._own = folder.path / f"{manifests.WRITING}{self._token}"
        self._own.mkdir()
        self._alive = manifests.lock(self._own / "alive")
        self._pieces: list[Path] = []
        self._frames: list[pl.DataFrame] = []
        """What is to be sorted, which takes all of it in memory."""
        self._rows = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Dropping the dataset takes the folder along.
        if self._own.exists():
            with locked(self._folder):
                shutil.rmtree(self._own)
        os.close(self._alive)

    def write(self, frame: pl.DataFrame) -> None:
        """Adds rows; all frames of a part have the same columns."""
        self._rows += len(frame)
        if self._sort_by:
            self._frames.append(frame)
            return
        piece = self._own / f"{len(self._pieces):08}.parquet"
        with room(self._folder.path.parent):
            frame.write_parquet(piece, compression="lz4", statistics=False)
        self._pieces.append(piece)

    @property
    def moved(self) -> int:
        """The number after which a streamed part takes single rows up."""
        return self._begun.moved

    def commit(self, mode: str, at: int = 0) -> None:
        """Makes the rows visible, durably and at once, in one of `MODES`.

        at: number of the newest single row at this moment; of a streamed part, its last. Does nothing when
        the same job committed before, so a job may run twice; nor for a streamed part when others moved
        rows, or removed some, since it was begun.
        """
        if mode not in MODES:
            raise ValueError(f"{mode!r} is no mode; use one of {', '.join(MODES)}")
        streamed = mode == STREAMED
        name = f"{self._token}.parquet"
        written = bool(self._pieces or self._frames)
        checksum = self._join(self._own / name) if written else None
        part = Part(name, self._rows, streamed, at, checksum)
        with locked(self._folder):
            old = manifests.read(self._folder)
            begun = self._begun
            late = streamed and (old.moved, old.rewritten) != (begun.moved, begun.rewritten)
            if late or self._job_id in old.jobs:
                return
            kept = tuple(each for each in old.parts if mode != FULL or each.streamed)
            if written:
                (self._own / name).rename(self._folder.path / name)
                kept += (part,)
            jobs = (*old.jobs, self._job_id)[-JOBS_REMEMBERED:]
            moved = at if streamed else old.moved
            try:
                with self._fence.held():
                    manifests.swap(self._folder, TableManifest(secrets.token_hex(8), kept, jobs, moved, old.rewritten))
            finally:
                manifests.sweep(self._folder)

    def _join(self, target: Path) -> Checksum:
        """Writes the pieces as one file, without holding more in memory than sorting them takes."""
        with room(self._folder.path.parent):
            if not self._sort_by:
                return written(pl.scan_parquet(self._pieces, glob=False), target)
            rows = pl.concat(self._frames, rechunk=True)
            self._frames.clear()
            rows = rows.sort(self._sort_by, maintain_order=True)
            rows.write_parquet(target, compression="zstd", compression_level=ZSTD, row_group_size=ROW_GROUP)
            return _synced(target)


def written(rows: pl.LazyFrame, target: Path) -> Checksum:
    """The checksum of a new file with these rows, which is on disk."""
    rows.sink_parquet(target, compression="zstd", compression_level=ZSTD, row_group_size=ROW_GROUP, engine="streaming")
    return _synced(target)


def _synced(target: Path) -> Checksum:
    sync(target)
    return checksums.of(target)

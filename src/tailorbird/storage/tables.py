"""A dataset's rows: immutable Parquet segments behind a manifest that is swapped in one step.

Rows that arrive one by one have numbers, which grow; `live.py` keeps the newest of them. The manifest says up
to which number they have moved here, so that whoever reads both stores counts each row once.

A dataset is a folder: `manifest.json`, `<token>.parquet` for each segment, `lock`, and a folder
`writing-...` for each writer that is at work. A writer holds a lock on a file in its folder as long as its
process lives, so what a crashed writer left can be told from what a running one still needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import msgspec
import polars as pl

from tailorbird.storage.durable import sync

FULL = "FULL"
INCREMENTAL = "INCREMENTAL"
STREAMED = "STREAMED"
MODES = (FULL, INCREMENTAL, STREAMED)
"""FULL replaces all bulk segments, INCREMENTAL adds one, STREAMED adds one that FULL leaves (spec 5.1)."""

ROW_GROUP = 50_000
"""Rows that are read together: few enough that one user's rows of a sorted segment take milliseconds."""
JOBS_REMEMBERED = 1000
"""Newest jobs whose repeated commit is recognised."""

_WRITING = "writing-"
_NAME_LENGTH = 120

T = TypeVar("T")


class _Part(msgspec.Struct, frozen=True):
    """One segment in the manifest."""

    file: str
    rows: int
    streamed: bool
    at: int = 0
    """Number of the newest single row when the segment was committed: its place in the order of arrival."""


class _Manifest(msgspec.Struct, frozen=True):
    """Which segments make up the dataset, in commit order."""

    version: str = ""
    parts: tuple[_Part, ...] = ()
    jobs: tuple[str, ...] = ()
    moved: int = 0
    """Single rows with numbers up to this one are in the streamed segments."""
    rewritten: str = ""
    """Changes when rows are removed from segments."""


@dataclass(frozen=True)
class View:
    """Rows as they were at one moment."""

    rows: pl.DataFrame
    moved: int
    """Single rows with numbers up to this one are among them, if streamed segments are."""


class Tables:
    """All datasets below one folder; a key is any string, such as a dataset's ARN."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, key: str, job_id: str, sort_by: Sequence[str] | None = None) -> Segment:
        """Starts a segment, to be used in a `with`; it is visible only once committed.

        With `sort_by` its rows are ordered by these columns, ties in the order they were written. Clears away
        what crashed writers left.
        """
        folder = self._of(key)
        with _locked(folder):
            _sweep(folder)
            return Segment(folder, job_id, tuple(sort_by or ()), _manifest(folder))

    def read(self, key: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows, oldest segment first; a column that an older segment lacks is null there.

        Without rows the frame is empty and has `columns` of type Null.
        """
        return self.view(key, columns).rows

    def view(
        self,
        key: str,
        columns: Sequence[str] | None = None,
        *,
        where: tuple[str, object] | None = None,
        streamed: bool | None = None,
        number: str | None = None,
    ) -> View:
        """As `read`, with the number up to which single rows have moved here.

        where: a column and the value it must have; fast for the first column of `sort_by`. streamed: only those
        segments that are streamed, or only those that are not. number: a column of this name is added to segments
        without one; it holds the segment's place in the order of arrival.
        """
        folder = self._of(key)

        def look(manifest: _Manifest) -> View:
            found = [
                _rows(folder, part, columns, where, number)
                for part in manifest.parts
                if streamed in (None, part.streamed)
            ]
            empty = pl.DataFrame(schema=dict.fromkeys(columns or (), pl.Null))
            return View(pl.concat(found, how="diagonal_relaxed") if found else empty, manifest.moved)

        return _consistently(folder, look)

    def moved(self, key: str) -> int:
        """Single rows with numbers up to this one are in the streamed segments."""
        return _manifest(self._of(key)).moved

    def imported(self, key: str) -> bool:
        """Whether there are rows of a bulk import."""
        return any(not part.streamed for part in _manifest(self._of(key)).parts)

    def count(self, key: str, chosen: Callable[[Sequence[str]], pl.Expr]) -> int:
        """How many rows meet a condition, which `chosen` makes from a segment's columns."""
        folder = self._of(key)

        def look(manifest: _Manifest) -> int:
            frames = (pl.scan_parquet(folder / part.file, glob=False) for part in manifest.parts)
            return sum(
                int(
                    frame.select(chosen(frame.collect_schema().names()).fill_null(False).sum())
                    .collect(engine="streaming")
                    .item()
                    or 0
                )
                for frame in frames
            )

        return _consistently(folder, look)

    def remove(self, key: str, job_id: str, gone: Callable[[Sequence[str]], pl.Expr]) -> None:
        """Writes all segments anew without some rows; does nothing when the same job did it before.

        gone: from a segment's columns to the condition for its rows to go. A streamed segment that was begun
        before and is committed later is discarded, since it may hold such rows.
        """
        folder = self._of(key)
        if not folder.exists():
            return
        with _locked(folder):
            old = _manifest(folder)
            if job_id in old.jobs:
                return
            parts = tuple(kept for part in old.parts if (kept := _without(folder, part, gone)))
            fresh = msgspec.structs.replace(
                old,
                version=secrets.token_hex(8),
                parts=parts,
                jobs=(*old.jobs, job_id)[-JOBS_REMEMBERED:],
                rewritten=job_id,
            )
            _swap(folder, fresh)
            _sweep(folder)

    def version(self, key: str) -> str:
        """A text that each commit changes; empty when nothing was committed."""
        return _manifest(self._of(key)).version

    def bulk_version(self, key: str) -> str:
        """As `version`, but streamed segments change nothing: each import and each removal of rows does."""
        manifest = _manifest(self._of(key))
        newest = [part.file for part in manifest.parts if not part.streamed][-1:]
        return " ".join([*newest, manifest.rewritten]).strip()

    def rows(self, key: str) -> int:
        """How many rows there are."""
        return sum(part.rows for part in _manifest(self._of(key)).parts)

    def drop(self, key: str) -> None:
        """Deletes the dataset's rows, also those that are being written."""
        folder = self._of(key)
        if folder.exists():
            gone = self._folder / f"dropped-{secrets.token_hex(8)}"
            folder.rename(gone)
            shutil.rmtree(gone)

    def _of(self, key: str) -> Path:
        """The dataset's folder; the digest keeps apart what shortening, or ignoring case, would merge."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self._folder / f"{quote(key, safe='')[:_NAME_LENGTH].replace('.', '%2E')}-{digest}"


class Segment:
    """A segment that is being written. Leaving its `with` without a commit discards it."""

    def __init__(self, folder: Path, job_id: str, sort_by: tuple[str, ...], begun: _Manifest) -> None:
        self._folder = folder
        self._job_id = job_id
        self._sort_by = sort_by
        self._begun = begun
        self._token = secrets.token_hex(8)
        self._own = folder / f"{_WRITING}{self._token}"
        self._own.mkdir()
        self._alive = _lock(self._own / "alive")
        self._pieces: list[Path] = []
        self._rows = 0

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Dropping the dataset takes the folder along.
        if self._own.exists():
            with _locked(self._folder):
                shutil.rmtree(self._own)
        os.close(self._alive)

    def write(self, frame: pl.DataFrame) -> None:
        """Adds rows; all frames of a segment have the same columns."""
        piece = self._own / f"{len(self._pieces):08}.parquet"
        frame.write_parquet(piece, compression="lz4", statistics=False)
        self._pieces.append(piece)
        self._rows += len(frame)

    @property
    def moved(self) -> int:
        """The number after which a streamed segment takes single rows up."""
        return self._begun.moved

    def commit(self, mode: str, at: int = 0) -> None:
        """Makes the rows visible, durably and at once, in one of `MODES`.

        at: number of the newest single row at this moment; of a streamed segment, its last. Does nothing when
        the same job committed before, so a job may run twice; nor for a streamed segment when others moved
        rows, or removed some, since it was begun.
        """
        if mode not in MODES:
            raise ValueError(f"{mode!r} is no mode; use one of {', '.join(MODES)}")
        streamed = mode == STREAMED
        part = _Part(f"{self._token}.parquet", self._rows, streamed, at)
        if self._pieces:
            self._join(self._own / part.file)
        with _locked(self._folder):
            old = _manifest(self._folder)
            begun = self._begun
            late = streamed and (old.moved, old.rewritten) != (begun.moved, begun.rewritten)
            if late or self._job_id in old.jobs:
                return
            kept = tuple(each for each in old.parts if mode != FULL or each.streamed)
            if self._pieces:
                (self._own / part.file).rename(self._folder / part.file)
                kept += (part,)
            jobs = (*old.jobs, self._job_id)[-JOBS_REMEMBERED:]
            moved = at if streamed else old.moved
            _swap(self._folder, _Manifest(secrets.token_hex(8), kept, jobs, moved, old.rewritten))
            _sweep(self._folder)

    def _join(self, target: Path) -> None:
        """Writes the pieces as one file, without holding more in memory than sorting them takes."""
        rows = pl.scan_parquet(self._pieces, glob=False)
        if self._sort_by:
            rows = rows.sort(self._sort_by, maintain_order=True)
        rows.sink_parquet(target, compression="zstd", row_group_size=ROW_GROUP, engine="streaming")
        sync(target)


def _without(folder: Path, part: _Part, gone: Callable[[Sequence[str]], pl.Expr]) -> _Part | None:
    """The segment without some rows: itself where there are none of them, None where nothing is left."""
    rows = pl.scan_parquet(folder / part.file, glob=False)
    kept = rows.filter(~gone(rows.collect_schema().names()).fill_null(False))
    count = int(kept.select(pl.len()).collect(engine="streaming").item())
    if count in (0, part.rows):
        return part if count else None
    fresh = msgspec.structs.replace(part, file=f"{secrets.token_hex(8)}.parquet", rows=count)
    kept.sink_parquet(folder / fresh.file, compression="zstd", row_group_size=ROW_GROUP, engine="streaming")
    sync(folder / fresh.file)
    return fresh


def _rows(
    folder: Path,
    part: _Part,
    columns: Sequence[str] | None,
    where: tuple[str, object] | None,
    number: str | None,
) -> pl.DataFrame:
    frame = pl.scan_parquet(folder / part.file, glob=False)
    present = frame.collect_schema()
    if number is not None and number not in present:
        frame = frame.with_columns(pl.lit(part.at, pl.Int64).alias(number))
        present[number] = pl.Int64()
    if where is not None:
        column, value = where
        frame = frame.filter(pl.col(column) == value if column in present else pl.lit(False))
    if columns is not None:
        frame = frame.select(pl.col(name) if name in present else pl.lit(None).alias(name) for name in columns)
    return frame.collect()


def _consistently(folder: Path, read: Callable[[_Manifest], T]) -> T:
    """Reads what the manifest names; starts again where a commit replaced that meanwhile."""
    while True:
        manifest = _manifest(folder)
        try:
            return read(manifest)
        except FileNotFoundError:
            if _manifest(folder).version == manifest.version:
                raise


def _manifest(folder: Path) -> _Manifest:
    try:
        return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return _Manifest()


def _swap(folder: Path, manifest: _Manifest) -> None:
    """Replaces the manifest: after a crash there is the old one or the new one, with all its segments."""
    sync(folder)
    draft = folder / "manifest.json.new"
    draft.write_bytes(msgspec.json.encode(manifest))
    sync(draft)
    draft.rename(folder / "manifest.json")
    sync(folder)


def _sweep(folder: Path) -> None:
    """Removes segments that no manifest names and folders of writers that are gone; needs the lock."""
    named = {part.file for part in _manifest(folder).parts}
    for path in folder.glob("*.parquet"):
        if path.name not in named:
            path.unlink()
    for path in folder.glob(f"{_WRITING}*"):
        try:
            alive = _lock(path / "alive", wait=False)
        except BlockingIOError:
            continue
        shutil.rmtree(path)
        os.close(alive)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other writers of the dataset, in any process, from changing its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder / "lock")
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path, *, wait: bool = True) -> int:
    """An open file that is locked until it is closed, or its process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor

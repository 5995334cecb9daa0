"""A dataset's rows: immutable Parquet parts behind a manifest that is swapped in one step.

Rows that arrive one by one have numbers, which grow; `live.py` keeps the newest of them. The manifest says up
to which number they have moved here, so that whoever reads both stores counts each row once.

A dataset is a folder: `manifest.json`, `<token>.parquet` for each part, `lock`, and a folder
`writing-...` for each writer that is at work. A writer holds a lock on a file in its folder as long as its
process lives, so what a crashed writer left can be told from what a running one still needs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

import msgspec
import polars as pl

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, manifests
from tailorbird.storage.checksums import Checksum
from tailorbird.storage.durable import room, sync
from tailorbird.storage.manifests import Folder, Part, TableManifest, consistently, folder_of, locked

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

_DROPPED = "dropped-"
_REMEDIES = {
    False: "Restore it from a backup, or import the data once more with importMode FULL.",
    True: "Restore it from a backup. Without one these events are lost: delete the dataset, create it again and import "
    "its data.",
}
"""For a part, by whether it is streamed."""


@dataclass(frozen=True)
class View:
    """Rows as they were at one moment."""

    rows: pl.DataFrame
    moved: int
    """Single rows with numbers up to this one are among them, if streamed parts are."""


class Tables:
    """All datasets below one folder; a key is any string, such as a dataset's ARN.

    A part is checked against its checksum when it is first read: once in a server, and once in every job. All
    methods raise DamagedFile, and those that write raise NoSpace.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: set[Path] = set()
        self._checking = threading.Lock()

    def begin(self, key: str, job_id: str, sort_by: Sequence[str] | None = None) -> PartWriter:
        """Starts a part, to be used in a `with`; it is visible only once committed.

        With `sort_by` its rows are ordered by these columns, ties in the order they were written. Clears away
        what crashed writers left.
        """
        folder = self._of(key)
        with room(self._folder), locked(folder):
            if not (folder.path / manifests.NAME).exists():
                manifests.swap(folder, manifests.read(folder))
            manifests.sweep(folder)
            return PartWriter(folder, job_id, tuple(sort_by or ()), manifests.read(folder))

    def read(self, key: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows, oldest part first; a column that an older part lacks is null there.

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
        parts that are streamed, or only those that are not. number: a column of this name is added to parts
        without one; it holds the part's place in the order of arrival.
        """
        folder = self._of(key)

        def look(manifest: TableManifest) -> View:
            found = [
                self._rows(folder, part, columns, where, number)
                for part in manifest.parts
                if streamed in (None, part.streamed)
            ]
            empty = pl.DataFrame(schema=dict.fromkeys(columns or (), pl.Null))
            return View(pl.concat(found, how="diagonal_relaxed") if found else empty, manifest.moved)

        return consistently(folder, look)

    def moved(self, key: str) -> int:
        """Single rows with numbers up to this one are in the streamed parts."""
        return manifests.read(self._of(key)).moved

    def imported(self, key: str) -> bool:
        """Whether there are rows of a bulk import."""
        return any(not part.streamed for part in manifests.read(self._of(key)).parts)

    def count(self, key: str, chosen: Callable[[Sequence[str]], pl.Expr]) -> int:
        """How many rows meet a condition, which `chosen` makes from a part's columns."""
        folder = self._of(key)

        def look(manifest: TableManifest) -> int:
            return sum(self._count(folder, part, chosen) for part in manifest.parts)

        return consistently(folder, look)

    def remove(self, key: str, job_id: str, gone: Callable[[Sequence[str]], pl.Expr]) -> None:
        """Writes all parts anew without some rows; does nothing when the same job did it before.

        gone: from a part's columns to the condition for its rows to go. A streamed part that was begun
        before and is committed later is discarded, since it may hold such rows.
        """
        folder = self._of(key)
        if not folder.path.exists():
            return
        with locked(folder):
            old = manifests.read(folder)
            if job_id in old.jobs:
                return
            try:
                parts = tuple(kept for part in old.parts if (kept := self._without(folder, part, gone)))
                fresh = msgspec.structs.replace(
                    old,
                    version=secrets.token_hex(8),
                    parts=parts,
                    jobs=(*old.jobs, job_id)[-JOBS_REMEMBERED:],
                    rewritten=job_id,
                )
                manifests.swap(folder, fresh)
            finally:
                manifests.sweep(folder)

    def version(self, key: str) -> str:
        """A text that each commit changes; empty when nothing was committed."""
        return manifests.read(self._of(key)).version

    def bulk_version(self, key: str) -> str:
        """As `version`, but streamed parts change nothing: each import and each removal of rows does."""
        manifest = manifests.read(self._of(key))
        newest = [part.file for part in manifest.parts if not part.streamed][-1:]
        return " ".join([*newest, manifest.rewritten]).strip()

    def rows(self, key: str) -> int:
        """How many rows there are."""
        return sum(part.rows for part in manifests.read(self._of(key)).parts)

    def newest(self, failed: Callable[[DamagedFile], None]) -> int:
        """The highest number of a single row that any dataset's manifest names; 0 where none does.

        failed: is told of each manifest that cannot be read, which is then left out.
        """
        newest = 0
        for path in self._folders():
            try:
                manifest = manifests.read(Folder(path, unquote(path.name)))
            except DamagedFile as error:
                failed(error)
            else:
                newest = max(newest, manifest.moved, *(part.at for part in manifest.parts))
        return newest

    def refuse_loss(self, key: str) -> None:
        """Raises DamagedFile where the folder of a dataset that must have rows is not there."""
        if not self._of(key).path.exists():
            raise DamagedFile(
                self._of(key).path, "is missing, though rows were imported", manifests.LOST, self._of(key).owner
            )

    def has(self, key: str) -> bool:
        """Whether anything was ever written for the dataset, and is still there."""
        return self._of(key).path.exists()

    def changed(self) -> int:
        """A number that is another one once a dataset got its first rows, or lost all; costs 2 microseconds."""
        try:
            return os.stat(self._folder).st_ctime_ns
        except FileNotFoundError:
            return 0

    def drop(self, key: str) -> None:
        """Deletes the dataset's rows, also those that are being written."""
        folder = self._of(key).path
        if folder.exists():
            gone = self._folder / f"{_DROPPED}{secrets.token_hex(8)}"
            folder.rename(gone)
            shutil.rmtree(gone)

    def damages(self, keys: Iterable[str], imported: Collection[str] = ()) -> Iterator[DamagedFile]:
        """Every damage that can be told of all files, all of which are read.

        keys: of the datasets that there are; rows of others are looked at too. imported: those that must have rows.
        """
        known = {self._of(key).path: key for key in keys}
        for key in imported:
            try:
                self.refuse_loss(key)
            except DamagedFile as error:
                yield error
        for path in self._folders():
            yield from self._damages(Folder(path, known.get(path, "an unknown dataset")))

    def _folders(self) -> list[Path]:
        """Those of all datasets."""
        return sorted(path for path in self._folder.glob("*") if not path.name.startswith(_DROPPED))

    def _damages(self, folder: Folder) -> Iterator[DamagedFile]:
        try:
            manifest = manifests.read(folder)
        except DamagedFile as error:
            yield error
            return
        for part in manifest.parts:
            try:
                with self._open_part(folder, part) as rows:
                    if part.checksum is None:
                        rows.collect(engine="streaming")
            except DamagedFile as error:
                # A commit may have replaced it meanwhile.
                if part in manifests.read(folder).parts:
                    yield error

    def unverified(self, keys: Iterable[str]) -> int:
        """How many parts of these datasets have no checksum, since an older version wrote them."""
        unverified = 0
        for key in keys:
            with suppress(DamagedFile):  # whose parts nobody can count
                unverified += sum(part.checksum is None for part in manifests.read(self._of(key)).parts)
        return unverified

    def _of(self, key: str) -> Folder:
        return folder_of(self._folder, key)

    @contextmanager
    def _open_part(self, folder: Folder, part: Part) -> Iterator[pl.LazyFrame]:
        """A part to read in a `with`, checked before."""
        path, remedy = folder.path / part.file, _REMEDIES[part.streamed]
        with self._checking:
            if part.checksum is not None and path not in self._checked:
                checksums.check(path, part.checksum, remedy, folder.owner)
                self._checked.add(path)
        try:
            yield pl.scan_parquet(path, glob=False)
        except OSError as error:
            raise checksums.unreadable(path, error, remedy, folder.owner) from error
        except (pl.exceptions.ComputeError, pl.exceptions.PanicException) as error:
            if part.checksum is None:
                raise checksums.unreadable(path, error, remedy, folder.owner) from error
            checksums.check(path, part.checksum, remedy, folder.owner)  # damaged since it was checked
            raise

    def _count(self, folder: Folder, part: Part, chosen: Callable[[Sequence[str]], pl.Expr]) -> int:
        with self._open_part(folder, part) as rows:
            met = chosen(rows.collect_schema().names()).fill_null(False).sum()
            return int(rows.select(met).collect(engine="streaming").item() or 0)

    def _without(self, folder: Folder, part: Part, gone: Callable[[Sequence[str]], pl.Expr]) -> Part | None:
        """The part without some rows: itself where there are none of them, None where nothing is left."""
        with self._open_part(folder, part) as rows:
            kept = rows.filter(~gone(rows.collect_schema().names()).fill_null(False))
            count = int(kept.select(pl.len()).collect(engine="streaming").item())
            if count in (0, part.rows):
                return part if count else None
            target = folder.path / f"{secrets.token_hex(8)}.parquet"
            with room(folder.path.parent):
                return msgspec.structs.replace(part, file=target.name, rows=count, checksum=_written(kept, target))

    def _rows(
        self,
        folder: Folder,
        part: Part,
        columns: Sequence[str] | None,
        where: tuple[str, object] | None,
        number: str | None,
    ) -> pl.DataFrame:
        with self._open_part(folder, part) as frame:
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


class PartWriter:
    """A part that is being written. Leaving its `with` without a commit discards it."""

    def __init__(self, folder: Folder, job_id: str, sort_by: tuple[str, ...], begun: TableManifest) -> None:
        self._folder = folder
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
                manifests.swap(self._folder, TableManifest(secrets.token_hex(8), kept, jobs, moved, old.rewritten))
            finally:
                manifests.sweep(self._folder)

    def _join(self, target: Path) -> Checksum:
        """Writes the pieces as one file, without holding more in memory than sorting them takes."""
        with room(self._folder.path.parent):
            if not self._sort_by:
                return _written(pl.scan_parquet(self._pieces, glob=False), target)
            rows = pl.concat(self._frames, rechunk=True)
            self._frames.clear()
            rows = rows.sort(self._sort_by, maintain_order=True)
            rows.write_parquet(target, compression="zstd", compression_level=ZSTD, row_group_size=ROW_GROUP)
            return _synced(target)


def _written(rows: pl.LazyFrame, target: Path) -> Checksum:
    """The checksum of a new file with these rows, which is on disk."""
    rows.sink_parquet(target, compression="zstd", compression_level=ZSTD, row_group_size=ROW_GROUP, engine="streaming")
    return _synced(target)


def _synced(target: Path) -> Checksum:
    sync(target)
    return checksums.of(target)

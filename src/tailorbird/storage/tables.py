"""A dataset's rows: immutable Parquet parts behind a manifest that is swapped in one step.

Rows that arrive one by one have numbers, which grow; `live.py` keeps the newest of them. The manifest says up
to which number they have moved here, so that whoever reads both stores counts each row once.

A dataset is a folder: `manifest.json`, `<token>.parquet` for each part, `lock`, and a folder
`writing-...` for each writer that is at work. A writer holds a lock on a file in its folder as long as its
process lives, so what a crashed writer left can be told from what a running one still needs.
"""

from __future__ import annotations

import copy
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import msgspec
import polars as pl

from tailorbird.errors import DamagedFile
from tailorbird.storage import checksums, manifests
from tailorbird.storage.durable import room
from tailorbird.storage.fence import FREE, Fence
from tailorbird.storage.manifests import Folder, Part, TableManifest, consistently, folder_of, locked
from tailorbird.storage.part_writer import JOBS_REMEMBERED, PartWriter, written

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
        self._fence = FREE
        self._checked: set[Path] = set()
        self._checking = threading.Lock()

    def fenced(self, fence: Fence) -> Tables:
        """The same store, which makes visible only while the fence is held."""
        same = copy.copy(self)
        same._fence = fence
        return same

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
            return PartWriter(folder, job_id, tuple(sort_by or ()), manifests.read(folder), self._fence)

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
                with self._fence.held():
                    manifests.swap(folder, fresh)
            finally:
                manifests.sweep(folder)

    def version(self, key: str) -> str:
        """A text that each commit changes; empty when nothing was committed."""
        return manifests.read(self._of(key)).version

    def bulk_version(self, key: str) -> str:
        """As `version`, but streamed parts change nothing: each import and each removal of rows does."""
        return self.bulk_version_and_moved(key)[0]

    def bulk_version_and_moved(self, key: str) -> tuple[str, int]:
        """`bulk_version` and `moved` of one moment, for one look at the manifest."""
        manifest = manifests.read(self._of(key))
        newest = next((part.file for part in reversed(manifest.parts) if not part.streamed), "")
        return f"{newest} {manifest.rewritten}".strip(), manifest.moved

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
                return msgspec.structs.replace(part, file=target.name, rows=count, checksum=written(kept, target))

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

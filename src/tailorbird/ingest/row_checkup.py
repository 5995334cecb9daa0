"""How many rows are there more than once: of a sample of the different rows, each row with all its repetitions."""

from __future__ import annotations

import polars as pl

from tailorbird.ingest.spellings import hashed

MOST_KEPT = 1 << 20
"""Hashes of rows that are kept, 16 bytes each: with fewer rows nothing is estimated, and of more the share is right to
about .001."""
_ALL = 1 << 64
"""Above every hash, which have 64 bits."""


class RowCheckup:
    """Keeps the rows whose hashes are small, which equal rows have alike, and whose they are."""

    def __init__(self) -> None:
        self._kept = pl.DataFrame(schema={"row": pl.UInt64, "user": pl.UInt64})
        self._bound = _ALL

    def add(self, frame: pl.DataFrame) -> None:
        """Takes note of some rows."""
        rows = pl.DataFrame({"row": frame.hash_rows(seed=0), "user": hashed(frame["USER_ID"])})
        self._kept = pl.concat([self._kept, self._small(rows)])
        while len(self._kept) > MOST_KEPT and self._kept["row"].n_unique() > 1:
            self._bound //= 2
            self._kept = self._small(self._kept)

    def _small(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("row") < self._bound) if self._bound < _ALL else rows

    def repeated(self) -> float:
        """Share of the rows that repeat an earlier one, 0 to 1; of more than `MOST_KEPT` rows an estimate."""
        return 1 - self._kept["row"].n_unique() / max(1, len(self._kept))

    def distinct(self) -> int:
        """How many different rows there are; of more than `MOST_KEPT` rows an estimate."""
        return round(self._kept["row"].n_unique() * (_ALL / self._bound))

    def lengths(self) -> pl.Series | None:
        """How many different rows each user has; None where there are too many rows to tell."""
        return self._kept.unique("row").group_by("user").len()["len"] if self._bound == _ALL else None

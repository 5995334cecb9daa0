"""How many rows are there more than once: of a sample of the different rows, each row with all its repetitions."""

from __future__ import annotations

import polars as pl

MOST_KEPT = 1 << 20
"""Hashes of rows that are kept, 8 bytes each: with fewer rows nothing is estimated."""


class RowCheckup:
    """Keeps the rows whose hashes are small, which equal rows have alike."""

    def __init__(self) -> None:
        self._kept = pl.Series("row", [], pl.UInt64)
        self._bound = 1 << 64

    def add(self, frame: pl.DataFrame) -> None:
        """Takes note of some rows."""
        self._kept = pl.concat([self._kept, self._small(frame.hash_rows(seed=0).alias("row"))])
        while len(self._kept) > MOST_KEPT and self._kept.min() != self._kept.max():
            self._bound //= 2
            self._kept = self._small(self._kept)

    def _small(self, hashes: pl.Series) -> pl.Series:
        return hashes.filter(hashes < self._bound) if self._bound < 1 << 64 else hashes

    def repeated(self) -> float:
        """Share of the rows that repeat an earlier one, 0 to 1; of more than `MOST_KEPT` rows an estimate."""
        return 1 - self._kept.n_unique() / max(1, len(self._kept))

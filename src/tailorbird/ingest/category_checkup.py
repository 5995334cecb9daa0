"""What is odd about a categorical column: several categories in one text, parted by something else than |."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from tailorbird.ingest.spellings import shown

MOST_TEXTS = 10_000
"""Different texts of a column that are looked at, at most 10 MB; a list's parts repeat long before."""
LEAST_SHARE = 0.1
"""Share of the texts with a separator that must be lists: of MovieLens' titles with a comma one in some hundred is."""
SEPARATORS = {",": "commas", ";": "semicolons"}


class CategoryCheckup:
    """Looks at the texts of one column; keeps the first `MOST_TEXTS` different ones."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows: dict[str, int] = {}

    def add(self, texts: pl.Series) -> None:
        """Takes note of some rows' texts; null where there is none."""
        for text, count in texts.drop_nulls().to_frame().group_by(texts.name, maintain_order=True).len().iter_rows():
            if text in self._rows or len(self._rows) < MOST_TEXTS:
                self._rows[text] = self._rows.get(text, 0) + count

    def warnings(self) -> list[str]:
        """One for each separator of lists, with the number of rows and the first of them."""
        told = []
        for separator, words in SEPARATORS.items():
            lists = list(self._lists(separator))
            if lists and len(lists) >= LEAST_SHARE * sum(separator in text for text in self._rows):
                rows = sum(self._rows[text] for text in lists)
                told.append(
                    f"{rows:,} rows have a {self.name} that looks like several categories with {words} between, and "
                    f"counts as one; the first is {shown(lists[0])}: write a|b."
                )
        return told

    def _lists(self, separator: str) -> Iterator[str]:
        """The texts that are lists: each part also stands alone, or in a longer or shorter one.

        So "Clothing, Shoes & Jewelry", "Salem, OR" and "1,5" are none.
        """
        cells = {text: [_parts(piece, separator) for piece in text.split("|")] for text in self._rows}
        lengths: dict[str, set[int]] = defaultdict(set)
        for pieces in cells.values():
            for parts in pieces:
                for part in parts:
                    lengths[part].add(len(parts))
        for text, pieces in cells.items():
            if any(_is_list(parts) and all(len(lengths[part]) > 1 for part in parts) for parts in pieces):
                yield text


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator)]


def _is_list(parts: list[str]) -> bool:
    return len(parts) > 1 and all(parts) and not all(part.isdigit() for part in parts)

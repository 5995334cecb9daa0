"""What is odd about a categorical column: several categories in one text, parted by something else than |."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tailorbird.ingest.spellings import shown
from tailorbird.numbers import counted

MOST_TEXTS = 10_000
"""Different texts of a column that are looked at, at most 10 MB; a list's parts repeat long before."""
LEAST_SHARE = 0.1
"""Share of the texts with a separator that must be lists: of MovieLens' titles with a comma one in some hundred is."""
SEPARATORS = {
    ",": "commas", "，": "Chinese commas", "、": "enumeration commas", ";": "semicolons", "；": "Chinese semicolons",
    "｜": "wide bars", "/": "slashes",
}  # fmt: skip
EVERY = "".join(SEPARATORS)
"""All of them, as the sign that parts a text with several."""
SURE = frozenset("，、;；｜")
"""Separators that hardly stand in a name: one part that is also in another text makes a list."""


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
        cells = {text: _pieces(text) for text in self._rows}
        places = _places(cells)
        told = []
        for sign, words in {**SEPARATORS, EVERY: "signs of several kinds"}.items():
            parted = {text: [each for each in pieces if each.sign == sign] for text, pieces in cells.items()}
            lists = [text for text, pieces in parted.items() if any(_is_list(each, text, places) for each in pieces)]
            if lists and len(lists) >= LEAST_SHARE * sum(map(bool, parted.values())):
                rows = sum(self._rows[text] for text in lists)
                told.append(
                    f"{counted(rows, 'row has', 'rows have')} "
                    f"a {self.name} that looks like several categories with {words} between, and "
                    f"counts as one; the first is {shown(lists[0])}: write a|b."
                )
        return told


@dataclass(frozen=True)
class _Piece:
    """What is between two bars of a text, as it may be meant."""

    sign: str
    """What parts it; empty where it is taken as a whole."""
    parts: Sequence[str]

    @property
    def place(self) -> tuple[str, int]:
        """Where its parts occur: between which signs, and with how many."""
        return self.sign, len(self.parts)


_Places = Mapping[str, Mapping[tuple[str, int], Sequence[str]]]
"""Of each part the places in which it occurs, and of each place the first two texts."""


def _pieces(text: str) -> list[_Piece]:
    """Each piece as a whole, parted by each sign that it has, and by all of them where it has several."""
    found = []
    for piece in html.unescape(text).split("|"):
        signs = [sign for sign in SEPARATORS if sign in piece]
        ways = ["", *signs, *([EVERY] if len(signs) > 1 else [])]
        parts = [re.split(f"[{sign}]", piece) if sign else [piece] for sign in ways]
        found += [_Piece(sign, [part.strip() for part in each]) for sign, each in zip(ways, parts, strict=True)]
    return found


def _places(cells: Mapping[str, Sequence[_Piece]]) -> _Places:
    places: dict[str, dict[tuple[str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for text, pieces in cells.items():
        for piece in pieces:
            for part in piece.parts:
                texts = places[part][piece.place]
                if len(texts) < 2 and text not in texts:
                    texts.append(text)
    return places


def _is_list(piece: _Piece, text: str, places: _Places) -> bool:
    """Whether each part also stands alone, or in a longer or shorter piece, or between other signs.

    So "Clothing, Shoes & Jewelry", "Salem, OR" and "1,5" are none.
    """
    parts = piece.parts
    if not all(parts) or (piece.sign in (",", "/") and all(part.isdigit() for part in parts)):
        return False
    sure = piece.sign in SURE or (piece.sign == EVERY and bool(SURE.intersection(text)))

    def elsewhere(part: str) -> bool:
        return any(texts != [text] for place, texts in places[part].items() if place != piece.place or sure)

    return any(map(elsewhere, parts)) if sure else all(map(elsewhere, parts))

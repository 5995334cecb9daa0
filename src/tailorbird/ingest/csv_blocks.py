"""Blocks of CSV that polars' own reader takes, at a twentieth of the price of a line at a time.

Of such a block every program makes the same: a record is a line, has as many values as the header, and has either no
quote, or quotes that open where a value begins, close where it ends and are doubled inside (RFC 4180), and then no
backslash, which may escape. All else is for `csv_records`, line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.ingest.csv_dialect import LONGEST_RECORD

_SPACED_QUOTE = re.compile(rb'(?:^|[,\n])[ \t]+"')
MOST_ODD = 0.1
"""Share of a block's lines; where there are more, they are the file's style, such as a comma that ends each line. Not
tuned: slips are few, and a style is every line's."""
_COMMA, _END, _QUOTE = b',\n"'


@dataclass(frozen=True)
class Records:
    """Some records in file order: parallel lists of the line each starts in (from 1) and its cells."""

    lines: list[int]
    cells: list[list[str]]
    spans: list[tuple[int, str]] = field(default_factory=list)
    """Of records over several lines, some of which look like records themselves: line and text of the first line."""


@dataclass(frozen=True)
class Plain:
    """A block of plain records."""

    lines: Sequence[int]
    """Which each record is in."""
    data: bytes
    """Whole lines that end with LF, in UTF-8."""
    width: int
    """Values of each record."""
    texts: pl.DataFrame | None = None
    """All columns, where they are read already, as `table` has them."""
    odd: Records = field(default_factory=lambda: Records([], []))
    """Records without quotes among them that have more values, or fewer."""

    def table(self, places: Iterable[int]) -> pl.DataFrame:
        """The texts of the columns at some places, which are their names; an empty value is an empty text."""
        columns = [str(place) for place in sorted(set(places))]
        return self.texts.select(columns) if self.texts is not None else _table(self.data, self.width, columns)

    def records(self) -> Records:
        """All of the block, a record at a time."""
        even = zip(self.lines, map(list, self.table(range(self.width)).iter_rows()), strict=True)
        every = dict(sorted([*even, *zip(self.odd.lines, self.odd.cells, strict=True)]))
        return Records([*every], [*every.values()])


def _table(data: bytes, width: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Some columns of a block, or all, where a line with more values raises ComputeError."""
    names = [str(place) for place in range(width)]
    # The header keeps polars from taking a block's first bytes for a byte order mark or a packed file's.
    return pl.read_csv(
        ",".join(names).encode() + b"\n" + data,
        schema=dict.fromkeys(names, pl.String),
        columns=columns,
        quote_char='"' if b'"' in data else None,
        empty_string_is_null=False,
    )


def _whole(data: bytes, first: int, width: int) -> Plain | None:
    """A block without quotes, if all its lines have `width` values."""
    rows = data.count(b"\n")
    if data.count(b",") != rows * (width - 1):
        return None
    # So if a line had fewer values, another one would have more, which polars refuses.
    try:
        texts = _table(data, width)
    except pl.exceptions.ComputeError:
        return None
    return Plain(range(first, first + rows), data, width, texts) if texts.height == rows else None


def plain(text: str, first: int, width: int) -> Plain | None:
    """The block of some whole lines, the last without its LF, if it is plain; first: number of its first line."""
    data = f"{text}\n".encode()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    # A value alone in its line may be a blank line instead, which is no record.
    if width < 2 or b"\r" in data:
        return None
    if b'"' not in data and (found := _whole(data, first, width)):
        return found
    bytes_ = np.frombuffer(data, np.uint8)
    between = np.flatnonzero((bytes_ == _COMMA) | (bytes_ == _END))
    if b'"' in data:
        quotes = np.flatnonzero(bytes_ == _QUOTE)
        if b"\\" in data or not _wrap_values(bytes_, quotes) or _SPACED_QUOTE.search(data):
            return None
        inside = np.searchsorted(quotes, between) % 2 == 1
        if (bytes_[between[inside]] == _END).any():
            return None
        between = between[~inside]
    else:
        values = np.diff(np.flatnonzero(bytes_[between] == _END), prepend=-1)
        uneven = np.flatnonzero(values != width)
        if 0 < len(uneven) <= MOST_ODD * len(values):
            return _with_odd(data, uneven.tolist(), first, width)
    rows = len(between) // width
    ends = np.zeros(len(between), bool)
    ends[width - 1 :: width] = True
    if len(between) != rows * width or ((bytes_[between] == _END) != ends).any():
        return None
    if b'"' in data and np.diff(between[ends], prepend=-1).max() >= LONGEST_RECORD:
        return None
    return Plain(range(first, first + rows), data, width)


def _with_odd(data: bytes, uneven: list[int], first: int, width: int) -> Plain:
    """A block without quotes, some lines of which have not `width` values; blank ones are no records."""
    lines = data.split(b"\n")[:-1]
    numbers = range(first, first + len(lines))
    odd = {number: text.split(",") for number in uneven if (text := lines[number].decode()) and not text.isspace()}
    even = bytearray(b"\1") * len(lines)
    for number in uneven:
        even[number] = 0
    rest = b"\n".join([*compress(lines, even), b""])
    return Plain([*compress(numbers, even)], rest, width, odd=Records([first + at for at in odd], [*odd.values()]))


def _wrap_values(bytes_: NDArray[np.uint8], quotes: NDArray[np.intp]) -> bool:
    """Whether quotes open where values begin and close where they end, but for those that are doubled."""
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) > len(closing):
        return False
    # Before the first byte is the LF of the last; a quote beside a quote is its double.
    beside = np.concatenate([bytes_[opening - 1], bytes_[closing + 1]])
    return bool(np.isin(beside, (_COMMA, _END, _QUOTE)).all())

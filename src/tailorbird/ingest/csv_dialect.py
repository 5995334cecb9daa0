r"""Records with quotes: RFC 4180, where a backslash is a character as any other, or backslash escapes (`\"`, `\\`).

Spec control-plane 5.1 documents the escapes, while pandas, Excel and PostgreSQL write RFC 4180, and no file says which
it is. A record is read both ways. The reading counts in which every quoted value ends where a value may end, and the
record has as many values as the header. Where both do, as with `"\\host"`, the file's other records tell, and where
they do not either it is RFC 4180: a file with escapes hardly does without an escaped quote.

Some programs write a blank after each comma, `1, "a, b"`. By RFC 4180 such a quote is a character as any other. Where
the record has as many values as the header also with the blank left out, nobody means that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

LONGEST_RECORD = 1 << 20
"""Characters; about eight times the largest record the field limits allow."""


class EndlessQuote(Exception):
    """A quoted value that no quote closes, by the end of the file or within `LONGEST_RECORD`."""


@dataclass(frozen=True)
class _Dialect:
    inside: re.Pattern[str]
    """The text of a quoted value up to its end, or to the end of the line."""
    plain: Callable[[str], str]
    """From that text to the value."""
    gap: re.Pattern[str] = re.compile("")
    """What may be around a value in quotes."""


_ESCAPE = re.compile(r'\\(["\\])|"(")')
_RFC = _Dialect(re.compile(r'(?:[^"]++|"")*+'), lambda text: text.replace('""', '"'))
_ESCAPED = _Dialect(re.compile(r'(?:[^"\\]++|\\.?|"")*+', re.DOTALL), lambda text: _ESCAPE.sub(r"\1\2", text))
_BLANKS = re.compile("[ \t]*")
_SPACED = tuple(replace(dialect, gap=_BLANKS) for dialect in (_RFC, _ESCAPED))
_SPACED_VALUE = re.compile(r'[ \t]+"[^"]*"[ \t]*')
_SPACED_QUOTE = re.compile(r'(?:^|,)[ \t]+"')


def is_spaced(header: Sequence[str]) -> bool:
    """Whether there are blanks after each comma of a header, or before each."""
    after, before = [name[:1].isspace() for name in header[1:]], [name[-1:].isspace() for name in header[:-1]]
    return len(header) > 1 and (all(after) or all(before))


@dataclass(frozen=True)
class Record:
    """A record as it was read."""

    cells: list[str]
    lines: int
    """How many lines it takes up."""


class QuotedRecords:
    """The records with quotes of one file."""

    def __init__(self) -> None:
        self.width: int | None = None
        """Values of the header; None until it is read."""
        self._spaced = False
        """Whether blanks have stood before quotes."""
        self._escapes = 0
        """By how many more records only backslash escapes fit than only RFC 4180."""

    @property
    def escaped(self) -> bool:
        """Whether the file, as far as it is read, has backslash escapes."""
        return self._escapes > 0

    def told_header(self, records: Sequence[list[str]]) -> None:
        """Takes the first record there is for the header."""
        if self.width is None and records:
            self.width = len(records[0])
            self._spaced = self._spaced or is_spaced(records[0])

    def read(self, lines: Sequence[str], at: int, last: bool) -> Record | None:
        """The record that begins at `lines[at]`, or None where further lines must be seen to tell.

        last: whether no further lines will come. Raises Endless.
        """
        rfc = _reading(lines, at, _RFC)
        # Without a backslash both read the same.
        doubtful = any("\\" in lines[number] for number in range(at, at + rfc.lines))
        escaped = _reading(lines, at, _ESCAPED) if doubtful else rfc
        if spaced := self._spaced_reading(lines, at, rfc, escaped):
            if spaced.end is _End.CLEAN:
                return Record(spaced.cells, spaced.lines)
            if not last:
                return None
        if not last and _End.OPEN in (rfc.end, escaped.end):
            return None
        if rfc.end is escaped.end is _End.CLEAN and doubtful:
            return self._of_two(rfc, escaped)
        if rfc.end is _End.CLEAN or escaped.end is _End.CLEAN:
            return self._of_one(rfc, escaped)
        return self._faulty(lines, at, last)

    def looks_like_row(self, line: str) -> bool:
        """Whether a line inside a quoted value might be a record itself: prose has blanks after its commas."""
        cells = line.split(",")
        return len(cells) == self.width and bool(cells[0]) and not any(cell.startswith(" ") for cell in cells)

    def _fits(self, reading: _Reading) -> bool:
        return self.width in (None, len(reading.cells))

    def _spaced_reading(self, lines: Sequence[str], at: int, rfc: _Reading, escaped: _Reading) -> _Reading | None:
        """The record without the blanks around its quotes, where that is better or, being open, may be."""
        if not any(_SPACED_QUOTE.search(lines[number]) for number in range(at, at + rfc.lines)):
            return None
        whole = [each for each in (rfc, escaped) if each.end is _End.CLEAN and self._fits(each)]
        if any(not any(map(_SPACED_QUOTE.match, each.cells)) for each in whole):
            return None
        sure = self._spaced or not whole or any(map(_SPACED_VALUE.fullmatch, whole[0].cells))
        for reading in (_reading(lines, at, dialect) for dialect in _SPACED):
            better = sure or reading.lines <= whole[0].lines
            if better and reading.end is _End.OPEN:
                return reading
            if better and reading.end is _End.CLEAN and self._fits(reading) and reading.cells != rfc.cells:
                self._spaced = True
                return reading
        return None

    def _of_two(self, rfc: _Reading, escaped: _Reading) -> Record:
        """The better of two clean readings."""
        if self._fits(rfc) != self._fits(escaped):
            better = rfc if self._fits(rfc) else escaped
            self._escapes += 1 if better is escaped else -1
            return Record(better.cells, better.lines)
        better = escaped if self.escaped else rfc
        return Record(better.cells, better.lines)

    def _of_one(self, rfc: _Reading, escaped: _Reading) -> Record:
        """The clean one of two readings."""
        clean = rfc if rfc.end is _End.CLEAN else escaped
        if rfc is not escaped and self._fits(clean):
            self._escapes += 1 if clean is escaped else -1
        return Record(clean.cells, clean.lines)

    def _faulty(self, lines: Sequence[str], at: int, last: bool) -> Record | None:
        """A record in which text follows a closing quote, which then is part of the value."""
        alone = _reading(lines[at : at + 1], 0, _RFC, lenient=True)
        if alone.end is _End.CLEAN and self._fits(alone):
            return Record(alone.cells, 1)
        reading = _reading(lines, at, _ESCAPED, lenient=True)
        if reading.end is _End.CLEAN:
            return Record(reading.cells, reading.lines)
        if last or reading.end is _End.ENDLESS:
            raise EndlessQuote
        return None


class _End(Enum):
    CLEAN = "at the end of a line"
    FAULTY = "at a closing quote that text follows"
    OPEN = "within a quoted value, for want of lines"
    ENDLESS = "within a quoted value that is too long"


@dataclass(frozen=True)
class _Reading:
    cells: list[str]
    lines: int
    """How many lines were looked at."""
    end: _End


def _reading(lines: Sequence[str], at: int, dialect: _Dialect, *, lenient: bool = False) -> _Reading:
    """The record that begins at `lines[at]` in a dialect; unless lenient it ends at the first fault."""
    cells: list[str] = []
    open_: list[str] | None = None
    length = 0
    for number in range(at, len(lines)):
        line = lines[number]
        length += len(line) + 1
        if length > LONGEST_RECORD:
            return _Reading(cells, number - at + 1, _End.ENDLESS)
        open_, faulty = _feed(line, dialect, cells, open_, lenient)
        if faulty or open_ is None:
            return _Reading(cells, number - at + 1, _End.FAULTY if faulty else _End.CLEAN)
    return _Reading(cells, len(lines) - at, _End.OPEN)


def _feed(
    line: str, dialect: _Dialect, cells: list[str], open_: list[str] | None, lenient: bool
) -> tuple[list[str] | None, bool]:
    """Adds a line's values to `cells`.

    open_: pieces of a quoted value that an earlier line left open. Returns those that this line leaves open, and
    whether text follows a closing quote.
    """
    at = 0
    while True:
        value = ""
        if open_ is None and line.startswith('"', start := _end(dialect.gap, line, at)):
            open_ = []
            at = start + 1
        if open_ is not None:
            end = _end(dialect.inside, line, at)
            open_.append(line[at:end])
            if end == len(line):
                open_.append("\n")
                return open_, False
            value = dialect.plain("".join(open_))
            open_ = None
            at = _end(dialect.gap, line, end + 1)
            if not lenient and line[at : at + 1] not in ("", ",") and line[at:] != "\r":
                return None, True
        comma = line.find(",", at)
        if comma < 0:
            cells.append(value + line[at:].removesuffix("\r"))
            return None, False
        cells.append(value + line[at:comma])
        at = comma + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()

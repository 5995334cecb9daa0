"""Bytes to CSV records: bounded memory, true line numbers, input that nobody vouches for.

The dialect is that of spec control-plane 5.1: commas, UTF-8, RFC 4180 quotes (values over several lines,
doubled quotes), and inside quotes backslash escapes where a file has them (`csv_dialect`). LF and CRLF end a
line. Everywhere else a backslash or a quote stands for itself.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from tailorbird.ingest import encodings
from tailorbird.ingest.csv_blocks import Plain, Records, plain
from tailorbird.ingest.csv_dialect import LONGEST_RECORD as LONGEST_RECORD
from tailorbird.ingest.csv_dialect import EndlessQuote, QuotedRecords
from tailorbird.ingest.csv_header import SEPARATORS
from tailorbird.ingest.encodings import Spoilt
from tailorbird.ingest.import_report import ImportFailed

BLOCK = 1 << 20
"""Bytes that are read together: a million rows with slips took 1.7 s of a core, by a quarter as many bytes 2.2 s, by
four times as many 1.9 s."""

FORMATS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive, or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow or Feather file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"\x89PNG": "an image (PNG)",
    b"\xff\xd8\xff": "an image (JPEG)",
    b"GIF8": "an image (GIF)",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x1f\x8b": "packed with gzip twice",
    b"ustar": "a tar archive",
}
"""What files that are no CSV begin with, as their formats' specifications say; tar has it at byte 257."""
LONGEST_MARK = 262
"""Bytes in which a mark is."""

_BOM = "\ufeff"
_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16",
}  # fmt: skip
"""By a file's first bytes."""
_NULS = {0.6: "UTF-32", 0.3: "UTF-16"}
"""By the share of NULs at a file's beginning, which is three quarters or one half of a header's bytes."""
_BEGINNING = 256
"""Bytes in which NULs are counted: a header and some rows; not tuned."""
# A line whose quotes only wrap whole values without commas: most files that quote at all consist of these.
_WRAPPED_VALUES = re.compile(r'(?:"[^"\\,]*+"|[^",]*+)(?:,(?:"[^"\\,]*+"|[^",]*+))*+\r?')


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int, /) -> bytes: ...


def read(stream: Readable, name: str, spoilt: Spoilt) -> Iterator[Records | Plain]:
    """Yields the records of a plain or gzip file, about `BLOCK` bytes at a time; blank lines are no records.

    Text that is not UTF-8 is told to `spoilt`, and read on as what it seems to be, so that
    whatever else is wrong is told too. Raises ImportFailed, naming the file and line, for what is no text, a broken
    gzip file, a quote that is never closed, and a record over `LONGEST_RECORD`.
    """
    quoted = QuotedRecords()
    rest: list[str] = []
    for start, block, last in _blocks(_plain(stream, name), name, spoilt):
        # Of these gzip makes hundreds of megabytes out of one; a line at a time they keep a worker for minutes.
        if not rest and (not block or block.isspace()):
            continue
        text = "\n".join([*rest, block])
        first = start - len(rest)
        if found := _plain_parts(text, first, quoted):
            rest = []
            yield from found
            continue
        lines = text.split("\n")
        escaped = quoted.escaped
        records, rest = _records(lines, first, last, quoted, name)
        if quoted.escaped and not escaped:
            # What came before the first sign of escapes was read without them.
            records, rest = _records(lines, first, last, quoted, name)
        yield records


def _plain_parts(text: str, first: int, quoted: QuotedRecords) -> list[Records | Plain]:
    """All records of a block where they are plain, after the header where that is still to come; else nothing."""
    if quoted.width is not None:
        found = plain(text, first, quoted.width)
        return [found] if found else []
    line, _, below = text.partition("\n")
    header = _simple_cells(line) or []
    found = plain(below, first + 1, len(header))
    if not found:
        return []
    quoted.told_header([header])
    return [Records([first], [header]), found]


def _simple_cells(line: str) -> list[str] | None:
    """The values of a record that ends with this line, and whose quotes may all be left out; None of another."""
    if '"' not in line or _WRAPPED_VALUES.fullmatch(line):
        return line.removesuffix("\r").replace('"', "").split(",")
    return None


def _records(lines: list[str], first: int, last: bool, quoted: QuotedRecords, name: str) -> tuple[Records, list[str]]:
    """The records of some lines, and the lines that begin a record which goes on in later ones."""
    found = Records([], [])
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line or line.isspace():
            at += 1
            continue
        cells = _simple_cells(line)
        if cells is not None:
            found.lines.append(first + at)
            found.cells.append(cells)
            at += 1
            continue
        quoted.told_header(found.cells)
        try:
            record = quoted.read(lines, at, last)
        except EndlessQuote as error:
            raise _never_closed(name, first + at) from error
        if record is None:
            break
        if any(map(quoted.looks_like_row, lines[at + 1 : at + record.lines])):
            found.spans.append((first + at, line))
        found.lines.append(first + at)
        found.cells.append(record.cells)
        at += record.lines
    quoted.told_header(found.cells)
    return found, lines[at:]


def _plain(stream: Readable, name: str) -> Readable:
    """The stream's content, unpacked when it starts with gzip's magic bytes."""
    raw: io.RawIOBase = _Raw(stream)
    buffered = io.BufferedReader(raw, BLOCK)
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)), BLOCK)
    with _unpacking(name):
        head = buffered.peek(LONGEST_MARK)
    for mark, words in FORMATS.items():
        if head.startswith(mark) or head[257:262] == mark == b"ustar":
            raise ImportFailed(f"{name} is {words}, not CSV: write its rows as CSV in UTF-8.")
    return buffered


class _Raw(io.RawIOBase):
    """Gives any object with `read` the interface that BufferedReader asks for."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _unpacking(name: str) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImportFailed(
            f"{name} is a damaged or incomplete gzip file ({error}): pack and upload it anew."
        ) from error


def _blocks(stream: Readable, name: str, spoilt: Spoilt) -> Iterator[tuple[int, str, bool]]:
    """Yields whole lines but the last LF, the number of the first of them, and at the end whether it is the end."""
    rest = b""
    line = first = 1
    offset = 0
    # One block is held back, so that a last line without LF comes with those before it.
    held: list[str] = []
    while block := _read_block(stream, name):
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            text = _decode(rest + whole, name, line, offset, spoilt)
            offset += len(rest) + len(whole) + 1
            rest = tail
            if _has_long_line(text):
                raise _too_long(name, line)
            if held:
                yield first, held[0], False
            first, held = line, [text]
            line += text.count("\n") + 1
        else:
            rest += tail
        if len(rest) > 4 * LONGEST_RECORD:
            _check_line_ends(rest, name)
            raise _too_long(name, line)
    if rest:
        held.append(_decode(rest, name, line, offset, spoilt))
    yield first, "\n".join(held), True


def _has_long_line(text: str) -> bool:
    start = 0
    while len(text) - start > LONGEST_RECORD:
        start = text.rfind("\n", start, start + LONGEST_RECORD + 1) + 1
        if start == 0:
            return True
    return False


def _read_block(stream: Readable, name: str) -> bytes:
    with _unpacking(name):
        return stream.read(BLOCK)


def _decode(data: bytes, name: str, line: int, offset: int, spoilt: Spoilt) -> str:
    if offset == 0:
        _check_encoding(data, name)
        _check_line_ends(data, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        encoding = encodings.likely(data, error.start)
        reason = (
            f"{name} is not UTF-8: line {line}, byte {offset + error.start} of the file is 0x{data[error.start]:02x}."
        )
        if b"\0" in data:  # no text that could be read on
            raise ImportFailed(f"{reason} {encodings.remedy(name, '')}") from error
        spoilt.note(reason, encoding, data, error.start)
        text = encoding.read(data)
    return text.removeprefix(_BOM) if offset == 0 else text


def _check_encoding(data: bytes, name: str) -> None:
    """Raises ImportFailed where a file's beginning is of another encoding, which may be UTF-8 to the letter."""
    beginning = data[:_BEGINNING]
    marked = [known for mark, known in _ENCODINGS.items() if beginning.startswith(mark)]
    filled = (known for share, known in _NULS.items() if beginning and beginning.count(0) >= share * len(beginning))
    if found := next(iter((*marked, *filled)), None):
        codec = found.lower() if marked else f"{found.lower()}-{'be' if beginning[0] == 0 else 'le'}"
        header = data.decode(codec, "ignore").partition("\n")[0]
        separator = next((sign for sign in SEPARATORS if sign in header and "," not in header), ",")
        raise ImportFailed(f"{name} is not UTF-8: it looks like {found}. {encodings.remedy(name, codec, separator)}")


def _check_line_ends(data: bytes, name: str) -> None:
    """Raises ImportFailed where a file's beginning has no line feed, but carriage returns."""
    if b"\n" not in data and b"\r" in data.rstrip(b"\r"):
        raise ImportFailed(
            f"The lines of {name} end with a carriage return alone, as on old Macs. Save the file with line feeds (LF "
            "or CRLF)."
        )


def _never_closed(name: str, line: int) -> ImportFailed:
    return ImportFailed(
        f"{name}, line {line}: a value opens with a double quote that is not closed by the end of the file "
        f"or within {LONGEST_RECORD:,} characters. Close it, and write a quote inside a value as two quotes."
    )


def _too_long(name: str, line: int) -> ImportFailed:
    return ImportFailed(
        f"{name}: a line at or after line {line} is longer than {LONGEST_RECORD:,} characters. "
        "Check that the file is CSV with line ends, and shorten the value."
    )

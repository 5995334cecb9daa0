"""Bytes to CSV records: bounded memory, true line numbers, input that nobody vouches for.

The dialect is that of spec control-plane 5.1: commas, UTF-8, RFC 4180 quotes (values over several lines,
doubled quotes), and inside quotes the backslash escapes of a quote and of a backslash. LF and CRLF end a
line. Everywhere else a backslash or a quote stands for itself.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tailorbird.data.import_report import ImportFailed

BLOCK = 1 << 20
LONGEST_RECORD = 1 << 20
"""Characters; about eight times the largest record the field limits allow."""

_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_QUOTED_TEXT = re.compile(r'(?:[^"\\]++|\\.?|"")*+', re.DOTALL)
# A line whose quotes only wrap whole values without commas: most files that quote at all consist of these.
_WRAPPED_VALUES = re.compile(r'(?:"[^"\\,]*+"|[^",]*+)(?:,(?:"[^"\\,]*+"|[^",]*+))*+\r?')
_ESCAPE = re.compile(r'\\(["\\])|"(")')


@dataclass(frozen=True)
class Records:
    """Some records in file order: parallel lists of the line each starts in (from 1) and its cells."""

    lines: list[int]
    cells: list[list[str]]


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int, /) -> bytes: ...


def read(stream: Readable, name: str) -> Iterator[Records]:
    """Yields the records of a plain or gzip file, about `BLOCK` bytes at a time; blank lines are no records.

    Raises ImportFailed, naming the file and line, for text that is not UTF-8, a broken gzip file, a quote
    that is never closed, and a record over `LONGEST_RECORD`.
    """
    quoted: _QuotedRecord | None = None
    for start, block in _blocks(_plain(stream), name):
        lines: list[int] = []
        cells: list[list[str]] = []
        for number, line in enumerate(block, start):
            if quoted is None:
                if '"' not in line or _WRAPPED_VALUES.fullmatch(line):
                    if line := line.removesuffix("\r"):
                        lines.append(number)
                        cells.append(line.replace('"', "").split(","))
                    continue
                quoted = _QuotedRecord(number)
            if quoted.feed(line):
                lines.append(quoted.line)
                cells.append(quoted.cells)
                quoted = None
            elif quoted.length > LONGEST_RECORD:
                raise _never_closed(name, quoted.line)
        yield Records(lines, cells)
    if quoted is not None:
        raise _never_closed(name, quoted.line)


class _QuotedRecord:
    """A record that holds quotes, fed line by line until it is complete."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.cells: list[str] = []
        self.length = 0
        self._open: list[str] | None = None
        """Pieces of the quoted value that is not closed yet."""

    def feed(self, text: str) -> bool:
        """Takes the next line without its newline; returns whether the record ends with it."""
        self.length += len(text) + 1
        at = 0
        while at <= len(text):
            value = ""
            if self._open is None and text.startswith('"', at):
                self._open = []
                at += 1
            if self._open is not None:
                end = _end(_QUOTED_TEXT, text, at)
                self._open.append(text[at:end])
                if end == len(text):
                    self._open.append("\n")
                    return False
                value = _ESCAPE.sub(r"\1\2", "".join(self._open))
                self._open = None
                at = end + 1
            comma = text.find(",", at)
            if comma < 0:
                self.cells.append(value + text[at:].removesuffix("\r"))
                return True
            self.cells.append(value + text[at:comma])
            at = comma + 1
        return True


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _plain(stream: Readable) -> Readable:
    """The stream's content, unpacked when it starts with gzip's magic bytes."""
    buffered = io.BufferedReader(_Raw(stream), BLOCK)
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=buffered)
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


def _blocks(stream: Readable, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yields whole lines without their LF, and the number of the first of them."""
    rest = b""
    line = 1
    offset = 0
    while block := _read_block(stream, name):
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            lines = _decode(rest + whole, name, line, offset).split("\n")
            offset += len(rest) + len(whole) + 1
            rest = tail
            if max(map(len, lines)) > LONGEST_RECORD:
                raise _too_long(name, line)
            yield line, lines
            line += len(lines)
        else:
            rest += tail
        if len(rest) > 4 * LONGEST_RECORD:
            raise _too_long(name, line)
    if rest:
        yield line, [_decode(rest, name, line, offset)]


def _read_block(stream: Readable, name: str) -> bytes:
    try:
        return stream.read(BLOCK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImportFailed(f"{name} is a damaged or incomplete gzip file ({error}). Upload it again.") from error


def _decode(data: bytes, name: str, line: int, offset: int) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        guess = " It looks like UTF-16." if offset == 0 and data.startswith(_UTF16) else ""
        raise ImportFailed(
            f"{name} is not UTF-8: line {line}, byte {offset + error.start} of the file is "
            f"0x{data[error.start]:02x}.{guess} Save the file as UTF-8 and import it again."
        ) from error
    return text.removeprefix(_BOM) if offset == 0 else text


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

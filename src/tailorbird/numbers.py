"""Numbers as text: as clients write them, and counts in sentences."""

from __future__ import annotations

import math
import re

from tailorbird.blanks import bare

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_MOST_DIGITS = 300
"""Digits of a whole number that are read, so that it fits a float (up to 1.8e308); int() raises an error from 4,301
on."""


def uuid_text(bits: int, version: int) -> str:
    """Returns a UUID of a version (RFC 9562 4) as text, of 128 bits; what `uuid.UUID` takes 2 µs for."""
    text = f"{bits & ~(0xF << 76 | 3 << 62) | version << 76 | 2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def counted(count: int, noun: str, many: str = "") -> str:
    """Returns a count with its words, such as "1 row" or "2,000 rows"; many: those of several, else with an s."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def to_number(text: str) -> float | None:
    """Returns the finite decimal number that `text` spells, or None; Python's float() also takes nan and 1_0."""
    text = bare(text)
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def to_whole(text: str) -> int | None:
    """Returns the whole number that `text` spells by digits alone, exactly, or None."""
    text = bare(text)
    if not _WHOLE.fullmatch(text):
        return None
    digits = text.lstrip("+-0") or "0"
    if len(digits) > _MOST_DIGITS:
        return None
    return -int(digits) if text[0] == "-" else int(digits)


def whole_value(text: str) -> int | None:
    """As `to_whole`, but also where the number is written with a fraction of zero, as floats are: 55.0, 1e2."""
    number = to_number(text)
    return int(number) if number is not None and number.is_integer() else to_whole(text)

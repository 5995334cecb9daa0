"""Numbers as text: as clients write them, and counts in sentences."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from tailorbird.blanks import bare

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
EXACT = 2**53
"""Whole numbers below this survive being a float."""


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


def to_exact(text: str) -> Decimal | None:
    """As `to_number`, but to the last digit, save that what is too small for a float is 0."""
    number = to_number(text)
    if number is None:
        return None
    return Decimal(bare(text)) if number else Decimal()


def whole_value(text: str) -> int | None:
    """The whole number that `text` spells, be it as floats are written, 55.0 or 1e2, or None."""
    number = to_exact(text)
    return math.floor(number) if number is not None and number == math.floor(number) else None


def whole_part(text: str) -> int | None:
    """The number that `text` spells, rounded down; None where it spells none, or its last digits are not there.

    That is where a program made it a float, and so wrote 1.8612345678901235e+18 of 1861234567890123456.
    """
    number = to_exact(text)
    if number is None or ("e" in text.lower() and abs(number) >= EXACT and Decimal(float(number)) != number):
        return None
    return math.floor(number)

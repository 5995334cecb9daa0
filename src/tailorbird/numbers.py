"""Numbers as text: as clients write them, and counts in sentences."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from tailorbird.blanks import bare

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_MOST_DIGITS = 300
"""Digits of a whole number that are read, so that it fits a float (up to 1.8e308); int() raises an error from 4,301
on."""


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
    number = to_exact(text)
    return math.floor(number) if number is not None and number == math.floor(number) else None

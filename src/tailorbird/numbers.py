"""Numbers that clients write as text."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")


def to_number(text: str) -> float | None:
    """Returns the finite decimal number that `text` spells, or None; Python's float() also takes nan and 1_0."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None

"""What a CSV file's first record says: its columns, what is between them, and what else it may be instead."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

from tailorbird.blanks import bare
from tailorbird.data.schema import Schema
from tailorbird.numbers import to_number

VALUE_SHOWN = 100
"""Characters of a value that a problem quotes: enough to find it; not tuned."""
SEPARATORS = {
    ";": "semicolons", "\t": "tabs", "|": "vertical bars", "\x01": r"the control character \x01, as Hive does",
    " ": "blanks",
}  # fmt: skip
"""What other programs write between values."""
FIRST_LINES = {
    r"(?i)sep=": "is Excel's sep=: remove it, so that the header comes first, and write commas between values.",
    r"#": "is a comment: remove it, so that the header comes first.",
    r"\s*[{\[]": "is JSON: write CSV, a header line and a line a row.",
    r"\s*<": "is XML or HTML: write CSV, a header line and a line a row.",
}
"""Beginnings of first lines that are no header, and what to say of such a line."""


def separator(header: Sequence[str], schema: Schema) -> str:
    """What is between the names of a header: commas, or what other programs write."""
    text = ",".join(header)
    fields = {field.name.upper() for field in schema.fields}
    found = len(fields.intersection(map(visible, header)))
    for separator in SEPARATORS:
        names = [visible(cell) for cell in text.split(separator)]
        if len(names) > len(header) and (len(header) == 1 or len(fields.intersection(names)) > found):
            return separator
    return ","


def header_hint(header: Sequence[str], separator: str, name: str) -> str:
    """What a header looks like in which columns are missing."""
    if separator != ",":
        return f"The values of {name} are separated by {SEPARATORS[separator]}: write commas, and points in numbers."
    return f"The header of {name} reads {json.dumps(shown(','.join(header)), ensure_ascii=False)}."


def no_header(text: str, cells: Sequence[str], schema: Schema) -> str:
    """What a file's first line is instead of a header, if anything."""
    for beginning, words in FIRST_LINES.items():
        if re.match(beginning, text):
            return words
    fields = [field.name for field in schema.fields]
    known = {field.upper() for field in fields}
    if known.isdisjoint(map(visible, cells)) and any(to_number(cell) is not None for cell in cells):
        return f"looks like a row: write the header above it, here {','.join(fields)}, in the order of the values."
    return ""


def visible(cell: str) -> str:
    """A column's name in upper case, without what cannot be seen."""
    return "".join(letter for letter in cell if unicodedata.category(letter) not in ("Cc", "Cf")).strip().upper()


def is_header(cells: Sequence[str], names: frozenset[str], ids: frozenset[str]) -> bool:
    """Whether a record is a header again, as in files that were joined. names: of the first; ids: of its ids."""
    if bare(cells[0]).upper() not in names:
        return False
    found = frozenset(map(visible, cells))
    return found == names or (ids <= found and all(map(str.isidentifier, found)))


def shown(text: str) -> str:
    """A text as a problem quotes it."""
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "…"

"""What a CSV file's first record says: its columns, what is between them, and what else it may be instead."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

from tailorbird.blanks import bare
from tailorbird.data import namesakes
from tailorbird.data.schema import Schema
from tailorbird.ingest import pandas_files
from tailorbird.numbers import to_number

DECIMAL = ("float", "double")
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
        names = [visible(cell) for cell in parted(text, separator)]
        if len(names) > len(header) and (len(header) == 1 or len(fields.intersection(names)) > found):
            return separator
    return ","


def parted(text: str, separator: str) -> list[str]:
    """The names of a header with another separator than commas, whose quotes hold nothing together."""
    return [cell.strip().strip('"') for cell in text.split(separator)]


def other_separator(header: Sequence[str], separator: str, name: str, schema: Schema, codec: str) -> str:
    """What to do with a file that has other separators than commas; codec: of another encoding than UTF-8, if any."""
    names = parted(",".join(header), separator)
    seen = {visible(cell): cell for cell in names}
    absent = [field.name for field in schema.fields if field.name.upper() not in seen]
    own = {field.name.upper() for field in schema.fields}
    likely = namesakes.of(absent, [cell for look, cell in seen.items() if look and look not in own])
    spelt = {field.name: seen.get(field.name.upper(), field.name) for field in schema.fields}
    # Where semicolons part values, commas are in numbers.
    decimals = [spelt[each.name] for each in schema.fields if each.type in DECIMAL and separator == ";"]
    line = pandas_files.line(
        name,
        separator=separator,
        encoding=codec,
        renamed={cell: field for field, cell in likely.items()},
        decimals=[column for column in decimals if column in (*names, *likely)],
    )
    missing = [field for field in absent if field not in likely]
    return (
        f"The values of {name} are separated by {SEPARATORS[separator]}, not by commas. In pandas: {line}."
        + f" Input CSV is missing the following columns:[{', '.join(missing)}]." * bool(missing)
    )


def header_hint(header: Sequence[str], name: str) -> str:
    """What a header looks like in which columns are missing."""
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

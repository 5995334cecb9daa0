"""The queries of aws-item-attribute-affinity: `ITEMS.genres = "Comedy" AND ITEMS.year = 1994`.

A column of several categories equals each of them, and may be named twice (spec recipes-and-runtime 6.3).
"""

from __future__ import annotations

import re

import numpy as np

from tailorbird.data.schema import NUMERIC, Schema
from tailorbird.data.values import no_number
from tailorbird.errors import InvalidInputException
from tailorbird.filters.columns import Mask
from tailorbird.filters.compared import APOSTROPHES, QUOTES
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.numbers import to_number

EXAMPLE = 'ITEMS.GENRE = "Comedy" AND ITEMS.YEAR = 1994'
RESERVED = ("ITEM_ID", "CREATION_TIMESTAMP")

_CONDITION = re.compile(
    r"""\s*items\s*\.\s*(?P<column>[a-z_][a-z0-9_]*)\s*=\s*(?:"(?P<double>(?:[^"]|"")*)"|'(?P<single>(?:[^']|'')*)'|(?P<number>\S+))\s*""",
    re.IGNORECASE,
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_NEXT = re.compile(r"\s+AND\s", re.IGNORECASE)


def columns(schema: Schema) -> tuple[str, ...]:
    """The columns that queries may name, in upper case: numeric and categorical ones that are not reserved."""
    usable = (field for field in schema.fields if field.name.upper() not in RESERVED)
    return tuple(field.name.upper() for field in usable if field.type in NUMERIC or field.categorical)


def parse(text: str, schema: Schema) -> tuple[tuple[str, str], ...]:
    """Returns the (column in upper case, value) pairs that must all hold; raises InvalidInput."""
    usable = columns(schema)
    found: list[tuple[str, str]] = []
    position = 0
    while True:
        condition = _CONDITION.match(text, position)
        if condition is None:
            raise InvalidInputException(
                f"itemAttributes cannot be read from {text[position:].strip()!r} on: join conditions by AND and use "
                f"no operator but =, such as {EXAMPLE}."
            )
        column = condition["column"].upper()
        value = _value(condition)
        if column not in usable:
            raise InvalidInputException(
                f"itemAttributes: {column} is no numeric or categorical column of the Items dataset. "
                f"There are: {', '.join(usable)}."
            )
        field = schema.field(column)
        assert field is not None, "every usable column is a field"
        if field.type in NUMERIC and to_number(value) is None:
            raise InvalidInputException(f"itemAttributes: {no_number(column, value)}")
        if field.type not in NUMERIC and condition["number"] is not None:
            raise InvalidInputException(
                f"itemAttributes: {column} is text; {_quoting(text[condition.start('number') :])}."
            )
        found.append((column, value))
        position = condition.end()
        if position == len(text):
            return tuple(found)
        conjunction = _AND.match(text, position)
        if conjunction is None:
            raise InvalidInputException(
                f"itemAttributes: AND is expected before {text[position:].strip()!r}; OR and lists are not possible."
            )
        position = conjunction.end()


def _quoting(rest: str) -> str:
    """What is to be done about a text that is not in quotation marks, or not in straight ones."""
    value = _NEXT.split(rest)[0].strip()
    bare = value.strip(QUOTES + APOSTROPHES + "\\") or value
    advice = f'write "{bare.replace(chr(34), chr(34) * 2)}"'
    return (
        f"put {value} in quotation marks: {advice}"
        if bare == value
        else f"{value} is not in straight quotation marks: {advice}"
    )


def parted(conditions: tuple[tuple[str, str], ...]) -> str:
    """A sentence on values with a bar, which nothing has, since the bar parts categories; empty where there is none."""
    for column, value in conditions:
        parts = [part.strip() for part in value.split("|") if part.strip()]
        if "|" in value and parts:
            each = " AND ".join('ITEMS.{} = "{}"'.format(column, part.replace('"', '""')) for part in parts)
            return f" A | parts categories, each of which is a value: write {each}."
    return ""


def _value(condition: re.Match[str]) -> str:
    """What a column is compared with; a quote inside a quoted value is written twice."""
    if (text := condition["double"]) is not None:
        return text.replace('""', '"')
    if (text := condition["single"]) is not None:
        return text.replace("''", "'")
    return condition["number"]


def evaluate(conditions: tuple[tuple[str, str], ...], table: MetadataTable) -> Mask:
    """Returns which items of the table meet all conditions."""
    masks = [table.column(column).match("IN", (value,)) for column, value in conditions]
    allowed: Mask = np.all(masks, axis=0)
    return allowed

"""Values of placeholders: what `filterValues` says, in the forms in which clients write lists.

    "Comedy","Drama"                                    AWS's form (spec recipes-and-runtime 5.3)
    'Comedy','Drama'   ["Comedy", "Drama"]   (a, b)     as programs print their lists
    Comedy,Drama                                        one value where the column has it as a whole, else two

A quote inside a quoted value is doubled, or has a backslash before it. What looks like none of these is refused: it
would match nothing, and an EXCLUDE would then exclude nothing without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NoReturn

import msgspec

from tailorbird.errors import InvalidInputException
from tailorbird.filters.check import MILLISECONDS, in_milliseconds
from tailorbird.filters.evaluate import Table, User
from tailorbird.filters.syntax import EVENT_DATASETS, Column, Filter

Known = Callable[[str], bool]
"""Whether a text as a whole is a value of what it is compared with."""

_FORM = 'write values in double quotes, parted by commas, such as "Comedy","Drama", and a quote inside a value twice'
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_TYPOGRAPHIC = "“”„‟‘’‚‛«»‹›"


_VALUE = r"""\s*(?P<quote>["'])(?P<text>(?:{inner})*)(?P=quote)\s*(?P<comma>,|$)"""
_DOUBLED = re.compile(_VALUE.format(inner="(?P=quote){2}|(?!(?P=quote))."), re.DOTALL)
_ESCAPED = re.compile(_VALUE.format(inner=r"\\.|(?!(?P=quote))[^\\]"), re.DOTALL)
_DIALECTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_DOUBLED, lambda match: match["text"].replace(match["quote"] * 2, match["quote"])),
    (_ESCAPED, lambda match: re.sub(r"\\(.)", r"\1", match["text"], flags=re.DOTALL)),
)
"""One value and the comma after it, and what it says; a list that the first can read is not given to the second."""


def read(filter_: Filter, texts: Mapping[str, str], table: Table, user: User | None) -> dict[str, tuple[str, ...]]:
    """Returns the values of the filter's placeholders by name, for `evaluate`.

    table, user: what they are compared with. Names that the filter does not have are ignored. A placeholder only of
    EXCLUDE expressions may be left out: `evaluate` skips those (spec recipes-and-runtime 5.3). InvalidInputException:
    one of an INCLUDE expression is left out, a text is no list of values, or a time is in milliseconds.
    """
    required = [name for each in filter_.expressions if each.include for name in each.parameters]
    missing = [f"${name}" for name in dict.fromkeys(required) if name not in texts]
    if missing:
        raise InvalidInputException(
            f"The filter needs values for {', '.join(missing)}: add them to filterValues, without the $."
        )
    # Only filters of items and actions ask about the one who asks.
    attributes = user.attributes if user is not None and filter_.target != "UserID" else None
    found = {}
    for name in (name for name in filter_.parameters if name in texts):
        columns = [predicate.column for predicate in filter_.comparing(name)]
        found[name] = split(name, texts[name], partial(_known, columns, table, attributes))
        _check_times(name, found[name], columns)
    return found


def _known(columns: Sequence[Column], table: Table, attributes: Mapping[str, object] | None, text: str) -> bool:
    """Whether one of the columns that a placeholder is compared with has the whole text as a value."""
    return any(
        attributes.get(column.name) == text
        if column.dataset == "USERS" and attributes is not None
        else table.column(column.name).has(text)
        for column in columns
        if column.dataset not in EVENT_DATASETS
    )


def _check_times(name: str, values: tuple[str, ...], columns: Sequence[Column]) -> None:
    for column in columns:
        for value in values:
            if in_milliseconds(column, value):
                raise InvalidInputException(f"filterValues.{name}: " + MILLISECONDS.format(column=column, value=value))


def split(name: str, text: str, known: Known) -> tuple[str, ...]:
    """The values that the text of a placeholder lists; raises InvalidInput."""
    text = text.strip()
    values = _quoted(text)
    if values and text[0] == '"':
        return values
    if known(text):
        return (text,)
    if values:
        return values
    if _BRACKETS.get(text[:1], " ") == text[-1:]:
        return _bracketed(name, text, known)
    if not text:
        raise InvalidInputException(
            f"filterValues.{name} is empty: {_FORM}; to skip an EXCLUDE expression, leave {name} out."
        )
    if '"' in text or text[0] == text[-1] == "'" or (text[0] in _TYPOGRAPHIC and text[-1] in _TYPOGRAPHIC):
        _refuse(name, text)
    return _bare(name, text, known)


def _quoted(text: str) -> tuple[str, ...]:
    """The values of a list of quoted values; none where the text is no such list."""
    for pattern, said in _DIALECTS:
        values, position, comma = [], 0, True
        while comma and (match := pattern.match(text, position)):
            values.append(said(match))
            position, comma = match.end(), bool(match["comma"])
        if not comma:
            return tuple(values)
    return ()


def _bracketed(name: str, text: str, known: Known) -> tuple[str, ...]:
    """A list as JSON or a program prints it."""
    try:
        listed = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        listed = None
    if isinstance(listed, list) and listed and all(isinstance(each, str | int | float) for each in listed):
        return tuple(map(str, listed))
    inside = text[1:-1].strip().removesuffix(",")  # one value in Python: ('a',)
    if not inside or inside[:1] in _BRACKETS:
        _refuse(name, text)
    return split(name, inside, known)


def _bare(name: str, text: str, known: Known) -> tuple[str, ...]:
    """Values without quotes: parted by commas, or by what is no part of any value of the column."""
    for separator in ",;|":
        values = tuple(part.strip() for part in text.split(separator))
        if len(values) > 1 and (separator == "," or all(map(known, values))):
            if not all(values):
                _refuse(name, text)
            return values
    return (text,)


def _refuse(name: str, text: str) -> NoReturn:
    shown = text if len(text) <= 60 else text[:60] + "…"
    raise InvalidInputException(f"filterValues.{name} cannot be read: {shown}. Instead, {_FORM}.")

"""Lists of values as clients write them: from the text of a placeholder to its values.

    "Comedy","Drama"                                    AWS's form (spec recipes-and-runtime 5.3)
    'Comedy','Drama'   ["Comedy", "Drama"]   (a, b)     as programs print their lists
    Comedy,Drama   Comedy;Drama   Comedy|Drama          one value where the column has it as a whole, else two

The rules, in this order:

1. What stands in quotes is a value as it is. A quote inside it is doubled, or has a backslash before it.
2. A text without quotes that the column has is one value. Any other is parted at its separators, the weakest first:
   nothing has it as a whole, so nothing is lost.
3. A value that the column does not have is taken for one that is gone. But where it shows signs of a list, of quotes
   or of markup, or is values of the column in another spelling (`a/b`, `a..b`, `#a`, `itemId=a`, `1.0`), it is
   refused: it would match nothing, and an EXCLUDE would then exclude nothing without a word. In quotes, signs are of
   the value, so that even such a one may be named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from tailorbird import json_text
from tailorbird.blanks import BLANKS
from tailorbird.errors import InvalidInputException
from tailorbird.filters import refusals
from tailorbird.filters.compared import APOSTROPHES, BRACKETS, QUOTES, SEPARATORS, Comparand, Known

_MARKUP = re.compile(
    rf"[{re.escape(QUOTES)}\[\](){{}}<>\\]|^[{APOSTROPHES}]|[{APOSTROPHES}]$|^\$\w|%[0-9A-Fa-f]{{2}}|&#?\w+$"
)
"""Quotes, brackets, escapes, a placeholder that was not filled, and percent or HTML coding (its `;` is parted off)."""

_VALUE = r"""\s*(?P<quote>["'])(?P<text>(?:{inner})*)(?P=quote)\s*(?P<comma>,|$)"""
_DOUBLED = re.compile(_VALUE.format(inner="(?P=quote){2}|(?!(?P=quote))."), re.DOTALL)
_ESCAPED = re.compile(_VALUE.format(inner=r"\\.|(?!(?P=quote))[^\\]"), re.DOTALL)
_DIALECTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_DOUBLED, lambda match: match["text"].replace(match["quote"] * 2, match["quote"])),
    (_ESCAPED, lambda match: re.sub(r"\\(.)", r"\1", match["text"], flags=re.DOTALL)),
)
"""One value and the comma after it, and what it says; a list that the first can read is not given to the second."""


def split(name: str, text: str, compared: Comparand) -> tuple[str, ...]:
    """The values that the text of the placeholder `name` lists.

    InvalidInputException: it is none of the forms, or a value of it is of rule 3.
    """
    known = compared.known
    text = _bare(text, known)
    values = _quoted(text)
    if known(text) and not (values and text[0] == '"'):
        return (text,)
    if values := values or _json(text):
        odd: Callable[[Comparand, str], bool] = Comparand.hides
    elif BRACKETS.get(text[:1], " ") == text[-1:]:
        return _bracketed(name, text, compared)
    else:
        values, odd = tuple(_parted(text, known)), _is_odd
    strange = (value for value in values if not known(value))
    suspect = next((value for value in strange if compared.number or odd(compared, value)), None)
    if suspect is not None:
        _refuse(refusals.of_value(name, text, values, suspect, compared))
    return values


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


def _json(text: str) -> tuple[str, ...]:
    """The values of a list of texts or numbers in JSON; none where the text is no such list."""
    try:
        listed = json_text.decode(text)
    except ValueError:
        return ()
    if not isinstance(listed, list) or not all(type(each) in (str, int, json_text.Numeral) for each in listed):
        return ()
    return tuple(map(str, listed))


def _bracketed(name: str, text: str, compared: Comparand) -> tuple[str, ...]:
    """A list as a program prints it."""
    inside = text[1:-1].strip(BLANKS).removesuffix(",")  # one value in Python: ('a',)
    if not inside or inside[:1] in BRACKETS:
        _refuse(refusals.of_form(name, text))
    values = split(name, inside, compared)
    # numpy prints [a b], JavaScript [object Object].
    if not any(map(compared.known, values)) and any(" " in value for value in values) and inside[0] not in "\"'":
        _refuse(refusals.of_value(name, text, values, values[0], compared))
    return values


def _parted(text: str, known: Known, separators: tuple[str, ...] = SEPARATORS) -> list[str]:
    """Values without quotes, parted by what is no part of any value of the column."""
    text = _bare(text, known)
    if not separators or known(text):
        return [text]
    parts = re.split(separators[0], text)
    return [value for part in parts for value in _parted(part, known, separators[1:])]


def _bare(text: str, known: Known) -> str:
    """The text without blanks around it, but for such as are of a value: a joiner may end a word."""
    return text if known(text) else text.strip(BLANKS)


def _is_odd(compared: Comparand, value: str) -> bool:
    """Whether a value without quotes says nothing, bears a sign of markup, or is several words that are values."""
    if compared.says_nothing(value) or _MARKUP.search(value) or any(map(compared.known, value.split())):
        return True
    return compared.respelt(value) is not None or compared.is_joined(value) or compared.is_decorated(value)


def _refuse(message: str) -> NoReturn:
    raise InvalidInputException(message)

"""Lists of values as clients write them: from the text of a placeholder to its values.

    "Comedy","Drama"                                    AWS's form (spec recipes-and-runtime 5.3)
    'Comedy','Drama'   ["Comedy", "Drama"]   (a, b)     as programs print their lists
    Comedy,Drama   Comedy;Drama   Comedy|Drama          one value where the column has it as a whole, else two

The rules, in this order:

1. What stands in quotes is a value as it is. A quote inside it is doubled, or has a backslash before it.
2. A text without quotes that the column has is one value. Any other is parted at its separators, the weakest first:
   nothing has it as a whole, so nothing is lost.
3. A value that the column does not have is taken for one that is gone. But where it shows signs of a list, of quotes
   or of markup, or is values of the column in another spelling (`a/b`, `a:b`, `itemId=a`, `1.0`), it is refused: it
   would match nothing, and an EXCLUDE would then exclude nothing without a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from tailorbird.blanks import BLANKS
from tailorbird.data.null_words import is_null, is_null_text
from tailorbird.errors import InvalidInputException

Known = Callable[[str], bool]
"""Whether a text is a value of what it is compared with."""


@dataclass(frozen=True)
class Comparand:
    """What a placeholder is compared with."""

    known: Known
    many: bool = True
    """Whether the filter takes several values; where it takes one, a value in quotes is not looked into for a list."""
    names: frozenset[str] = frozenset()
    """What it may be called before a value, as in `itemId=1`; see `plain`."""
    says_nothing: Callable[[str], bool] = is_null_text
    """Which words are no value there."""


_FORM = 'write values in double quotes, parted by commas, such as "Comedy","Drama", and a quote inside a value twice'
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_SEPARATORS = ("[\x00-\x1f\x7f-\x9f]+", "[;；]", "[|｜]", "[,，、]")
"""The weakest first, as names have commas in them sooner than line ends or other control characters."""
_QUOTES = '"“”„‟«»‹›「」『』`´'
_APOSTROPHES = "'‘’‚‛"
"""Quotes at the ends of a value; inside it they are of the name."""
_EDGES = BLANKS + _QUOTES + _APOSTROPHES + "".join(_BRACKETS) + "".join(_BRACKETS.values()) + "<>\\"
_MARKUP = re.compile(
    rf"[{re.escape(_QUOTES)}\[\](){{}}<>\\]|^[{_APOSTROPHES}]|[{_APOSTROPHES}]$|^\$\w|%[0-9A-Fa-f]{{2}}|&#?\w+$"
)
"""Quotes, brackets, escapes, a placeholder that was not filled, and percent or HTML coding (its `;` is parted off)."""

_UNSEEN = re.compile(f"[{re.escape(BLANKS.replace(' ', ''))}]")
_NAME = re.compile(r"\$?([\w.]+)\s*[:=]+\s*")
_SIGNS = re.compile(r"[^\w.'’-]+")
"""What may join values, but hardly stands inside one: of hyphens, underscores and full stops ids are made, and one that
is gone may well consist of others, as 12-34 does of 12 and 34."""
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: re.sub(r"\.0+$", "", text),
    lambda text: text.replace("+", " "),
)
"""How a text without what cannot be seen may be meant: letters of other widths, ids that a program made floats, and
blanks as web forms code them."""

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
    text, known = text.strip(BLANKS), compared.known
    values = _quoted(text)
    if known(text) and not (values and text[0] == '"'):
        return (text,)
    if values := values or _json(text):
        suspect = next((value for value in values if not known(value) and _hides(value, compared)), None)
    elif _BRACKETS.get(text[:1], " ") == text[-1:]:
        return _bracketed(name, text, compared)
    else:
        values = tuple(_parted(text, known))
        suspect = next((value for value in values if not known(value) and _is_odd(value, compared)), None)
    if suspect is not None:
        _refuse(name, text, suspect)
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
        listed = msgspec.json.decode(text, type=list[str | int | float])
    except (msgspec.DecodeError, RecursionError):
        return ()
    return tuple(map(str, listed))


def _bracketed(name: str, text: str, compared: Comparand) -> tuple[str, ...]:
    """A list as a program prints it."""
    inside = text[1:-1].strip(BLANKS).removesuffix(",")  # one value in Python: ('a',)
    if not inside or inside[:1] in _BRACKETS:
        _refuse(name, text)
    values = split(name, inside, compared)
    # numpy prints [a b], JavaScript [object Object].
    if not any(map(compared.known, values)) and any(" " in value for value in values) and inside[0] not in "\"'":
        _refuse(name, text, values[0])
    return values


def _parted(text: str, known: Known, separators: tuple[str, ...] = _SEPARATORS) -> list[str]:
    """Values without quotes, parted by what is no part of any value of the column."""
    text = text.strip(BLANKS)
    if not separators or known(text):
        return [text]
    parts = re.split(separators[0], text)
    return [value for part in parts for value in _parted(part, known, separators[1:])]


def _is_odd(value: str, compared: Comparand) -> bool:
    """Whether a value without quotes says nothing, bears a sign of markup, or is several words that are values."""
    if compared.says_nothing(value) or _MARKUP.search(value) or any(map(compared.known, value.split())):
        return True
    return _is_misspelt(value, compared) or _is_joined(value, compared)


def _hides(value: str, compared: Comparand) -> bool:
    """Whether a value in quotes says nothing, or is only values in more quotes, brackets, blanks or separators."""
    parts = re.split("|".join(_SEPARATORS), value) if compared.many else [value]
    bare = [part for part in (part.strip(_EDGES) for part in parts) if part]
    return compared.says_nothing(value) or all(map(compared.known, bare)) or _is_misspelt(value, compared)


def _is_misspelt(value: str, compared: Comparand) -> bool:
    """Whether a value is another spelling of one that the column has, or stands behind the column's name."""
    seen = _UNSEEN.sub("", value)
    if (name := _NAME.match(seen)) and plain(name[1].rpartition(".")[2]) in compared.names:
        seen = seen[name.end() :]
    return any(compared.known(spelt(seen)) for spelt in _SPELLINGS)


def _is_joined(value: str, compared: Comparand) -> bool:
    """Whether two or more values of the column are joined by signs; of one in quotes they are a part."""
    parts = [part for part in _SIGNS.split(value) if part]
    return sum(compared.known(part) or _is_misspelt(part, compared) for part in parts) > 1


def plain(name: str) -> str:
    """A name without case and signs."""
    return "".join(filter(str.isalnum, name)).lower()


def _refuse(name: str, text: str, suspect: str | None = None) -> NoReturn:
    if not text or is_null(suspect or "x"):
        message = f'filterValues.{name} has a value that says nothing: "{_short(suspect or "")}". Instead, {_FORM}'
        raise InvalidInputException(f"{message}; to skip an EXCLUDE expression, leave {name} out.")
    why = "" if suspect is None else f" Nothing has the value {_short(suspect)}."
    raise InvalidInputException(f"filterValues.{name} cannot be read: {_short(text)}. Instead, {_FORM}.{why}")


def _short(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text[:60])
    return shown if len(text) <= 60 else shown + "…"

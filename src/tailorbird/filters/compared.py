"""What a placeholder is compared with, and which of its values a text may mean that is none of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tailorbird.blanks import BLANKS
from tailorbird.data.null_words import is_null_text

Known = Callable[[str], bool]
"""Whether a text is a value of what it is compared with."""

BRACKETS = {"[": "]", "(": ")", "{": "}"}
SEPARATORS = ("[\x00-\x1f\x7f-\x9f]+", "[;；]", "[|｜]", "[,，、]")
"""The weakest first, as names have commas in them sooner than line ends or other control characters."""
QUOTES = '"“”„‟«»‹›「」『』`´'
APOSTROPHES = "'‘’‚‛"
"""Quotes at the ends of a value; inside it they are of the name."""
EDGES = BLANKS + QUOTES + APOSTROPHES + "".join(BRACKETS) + "".join(BRACKETS.values()) + "<>\\"

_UNSEEN = re.compile(f"[{re.escape(BLANKS.replace(' ', ''))}]")
_NAME = re.compile(r"\$?([\w.]+)\s*[:=]+\s*")
_SIGNS = re.compile(r"[^\w.'’-]+|[._-]{2,}")
"""What may join values, but hardly stands inside one; more than one of `_HYPHENS` too, as in 1..5."""
_HYPHENS = re.compile("[._-]")
"""Of these ids are made, and one that is gone may well consist of others, as 12-34 does of 12 and 34; but hardly where
no other value has such a sign."""
_INNER_QUOTES = f"[{re.escape(QUOTES)}{APOSTROPHES}]+"
_JOINTS = ("|".join(SEPARATORS), _INNER_QUOTES, _SIGNS.pattern, r"\s+", _HYPHENS.pattern)
_DECORATION = re.compile(r"^[\W_]+|[\W_]+$")
"""Signs around a value, as in #1, @1, 1! and 1/."""
_WILDCARDS = "*%"
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
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


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
    number: str = ""
    """Where numbers are compared: an example."""
    categorical: bool = False
    """Whether a bar parts several values in one cell."""
    bears: Callable[[str], bool] = lambda sign: True
    """Whether one of the values has a sign in it."""

    def respelt(self, value: str) -> str | None:
        """The value that has another spelling here, or stands here behind the column's name."""
        seen = _UNSEEN.sub("", value)
        if (name := _NAME.match(seen)) and plain(name[1].rpartition(".")[2]) in self.names:
            seen = seen[name.end() :]
        return next((spelling for spelt in _SPELLINGS if self.known(spelling := spelt(seen))), None)

    def is_joined(self, value: str) -> bool:
        """Whether two or more values are joined by signs; of one in quotes they are a part."""
        if sum(self.respelt(part) is not None for part in _SIGNS.split(value) if part) > 1:
            return True
        parts = _HYPHENS.split(value)
        return len(parts) > 1 and all(map(self.known, parts)) and not any(map(self.bears, _HYPHENS.findall(value)))

    def is_decorated(self, value: str) -> bool:
        """Whether it is a value with signs around it, or a pattern; in quotes, they are a part of it."""
        return value.strip(_WILDCARDS) != value or self._undecorated(value) is not None

    def _undecorated(self, value: str) -> str | None:
        bare = _DECORATION.sub("", value)
        return self.respelt(bare) if bare else None

    def hides(self, value: str) -> bool:
        """Whether a value in quotes says nothing, or is only values in more quotes, brackets, blanks or separators."""
        if self.says_nothing(value) or not value.strip(_WILDCARDS) or self.respelt(value) is not None:
            return True
        parts = re.split("|".join(SEPARATORS), value) if self.many else [value]
        return self._are_known(parts) or self._are_known(re.split(_INNER_QUOTES, value))

    def _are_known(self, parts: Iterable[str]) -> bool:
        return all(map(self.known, (bare for part in parts if (bare := part.strip(EDGES)))))

    def meant(self, value: str) -> tuple[str, ...]:
        """The values that a text most likely means which is none; empty where that cannot be told."""
        if self.number:
            words = [word.strip(EDGES) for word in value.split()]
            numbers = words if all(map(self.known, words)) else _NUMBER.findall(unicodedata.normalize("NFKC", value))
            return tuple(numbers) if numbers == words or len(numbers) == 1 else ()
        for parts in ([value], *(re.split(pattern, value) for pattern in _JOINTS)):
            bare = [part for part in (part.strip(EDGES) for part in parts) if part]
            found = [self.respelt(part) or self._undecorated(part) for part in bare]
            if found and None not in found:
                return tuple(part for part in found if part is not None)
        return ()


def plain(name: str) -> str:
    """A name without case and signs."""
    return "".join(filter(str.isalnum, name)).lower()

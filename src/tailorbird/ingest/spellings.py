"""Ids, event types and categories whose spelling is odd, or which occur in two: each spelling counts as another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from tailorbird.blanks import BLANKS
from tailorbird.data import unseen
from tailorbird.data.schema import Field
from tailorbird.data.values import LABELS
from tailorbird.numbers import counted

MOST_TEXTS = 1 << 20
"""Texts that are kept in order to find second spellings: bounds memory; not tuned."""

_ODD_TEXTS = {
    r"""^b'.*'$|^b".*"$""": "a {name} that Python printed as bytes, which makes it another one: write it after "
    '.decode("utf-8")',
    "\ufffd": "a {name} with U+FFFD, which a program wrote in place of letters that it could not read, so that several "
    "values may have become one: read the source in its own encoding",
}
ODD_LABELS = {
    r"^\s|\s$": "a space before or after the {name}, which makes it another one: remove it",
    r"^-?\d+\.0+$|^\d(\.\d+)?[eE]\+\d+$": "a {name} that some program made a number, and so another one: write it as "
    'text, as pandas does after astype("Int64") or when it reads with dtype=str',
    unseen.SLIPS: "a {name} with characters that cannot be seen, such as a zero-width space, which make it another "
    "one: remove them",
    r"""^['"`´].*['"`´]$|^[‘“„«].*[’”“»]$""": "a {name} in quotes, which are part of it and make it another one: "
    "write it without them, or in double quotes in a CSV file",
    **_ODD_TEXTS,
}
"""Patterns of ids and event types, and what rows with such a one have. For polars and for Python's re."""
ODD_CATEGORIES = {
    r"""^\s*([\[({]\s*['"].*[\])}]|[\[{].*,.*[\]}]|\[\s*\])\s*$""": "a {name} that is spelled as a list, and counts as "
    "one category: write several as a|b",
    r"^\s|\s$|\s\||\|\s": "a {name} with spaces around a category, which make it another one: remove them",
    r"^\s*\||\|\s*\||\|\s*$": "a {name} with a | at an end, or two with nothing between, which name no category: "
    "remove them",
    **_ODD_TEXTS,
}
"""As `ODD_LABELS`, for columns of several values joined with |."""

_ORDINARY = r"^([0-9A-Za-z_-]+(\|[0-9A-Za-z_-]+)*)?$"
"""Texts that no odd pattern finds: all of them ask for another letter."""
_is_ordinary = re.compile(_ORDINARY).fullmatch


def odd_spellings(field: Field) -> Mapping[str, str]:
    """The patterns that are odd in a column; in most columns none is."""
    if field.name.upper() in LABELS:
        return ODD_LABELS
    return ODD_CATEGORIES if field.categorical or field.name.upper() == "IMPRESSION" else {}


def oddities(field: Field, text: str) -> list[str]:
    """What is odd about one value: goes on after "rows have"."""
    if _is_ordinary(text):
        return []
    name = field.name.upper()
    return [words.format(name=name) for pattern, words in odd_spellings(field).items() if re.search(pattern, text)]


class Oddities:
    """Counts the odd spellings of one column."""

    def __init__(self, field: Field) -> None:
        self.name = field.name.upper()
        self._odd = odd_spellings(field)
        self._counts = dict.fromkeys(self._odd, 0)
        self._examples: dict[str, str] = {}

    def may_be_in(self, texts: pl.Series) -> bool:
        """Whether any of some texts, none of them null, may be odd: a quick look."""
        return not texts.str.contains(_ORDINARY).all()

    def add(self, texts: pl.Series) -> None:
        """Takes note of some rows' values; null where there is none."""
        texts = texts.filter(~texts.str.contains(_ORDINARY))
        if texts.is_empty():
            return
        for pattern in self._odd:
            found = texts.filter(texts.str.contains(pattern))
            if len(found):
                self._counts[pattern] += len(found)
                self._examples.setdefault(pattern, found[0])

    def warnings(self) -> list[str]:
        """Each with the number of rows and the first such value."""
        return [
            f"{counted(count, 'row has', 'rows have')} {self._odd[pattern].format(name=self.name)}; the first is "
            f"{shown(self._examples[pattern])}"
            for pattern, count in self._counts.items()
            if count
        ]


@dataclass(frozen=True)
class _Pair:
    """One way for two texts to mean the same thing."""

    words: str
    """Goes on after "occur in two spellings that"."""
    advice: str
    strays: Callable[[pl.Series], pl.Series]
    """Those among some texts that are not of the usual spelling."""
    usual: Callable[[pl.Series], pl.Series]
    """The usual spelling of strays."""


_PAIRS = (
    _Pair(
        "look the same (Unicode NFC and NFD)",
        "Normalise them to NFC.",
        lambda texts: texts.filter(texts.str.len_bytes() != texts.str.len_chars()),
        lambda strays: strays.str.normalize("NFC"),
    ),
    _Pair(
        "differ in the width or form of letters only (Unicode NFC and NFKC)",
        "Write each in one way, such as NFKC.",
        lambda texts: texts.filter(
            (texts.str.len_bytes() != texts.str.len_chars())
            & (texts.str.normalize("NFC") != texts.str.normalize("NFKC"))
        ),
        lambda strays: strays.str.normalize("NFKC"),
    ),
    # Codes such as aB3x are random, and may differ in nothing else.
    _Pair(
        "differ in upper and lower case only",
        "Write each in one way.",
        lambda texts: texts.filter(texts.str.contains(r"\p{Lu}") & texts.str.contains(r"^(\P{Ll}*|\p{Lu}\P{Lu}*)$")),
        lambda strays: strays.str.to_lowercase(),
    ),
    _Pair(
        "differ in zeros at their beginning only",
        "Keep the zeros everywhere: read the column as text, as pandas does with dtype=str.",
        lambda texts: texts.filter(texts.str.contains(r"^0+[0-9]+$")),
        lambda strays: strays.str.replace(r"^0+([0-9])", "$1"),
    ),
)
_PERHAPS_STRAY = r"[A-Z]|[^\x00-\x7F]|^0"
"""In all strays of all pairs."""


class Twins:
    """Finds the texts of one column that occur in two spellings."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._strays = tuple(_Strays() for _ in _PAIRS)

    def add(self, texts: pl.Series) -> None:
        """Takes note of some different texts."""
        texts = texts.filter(texts.str.contains(_PERHAPS_STRAY))
        if texts.is_empty():
            return
        for pair, strays in zip(_PAIRS, self._strays, strict=True):
            if not strays.full:
                found = pair.strays(texts)
                strays.add(found, pair.usual(found))

    def warnings(self, known: pl.Series) -> list[str]:
        """Each with the number of texts and one of them. known: hashes of all texts that occurred."""
        told = []
        for pair, strays in zip(_PAIRS, self._strays, strict=True):
            found = strays.total()
            twins = found.filter(pl.col("id").is_in(known.implode()) | pl.col("id").is_duplicated())
            if len(twins):
                count = twins["id"].n_unique()
                one = shown(min(twins["text"].to_list()))
                told.append(
                    f"{counted(count, f'value of {self.name} occurs', f'values of {self.name} occur')} "
                    f"in two spellings that {pair.words}, and "
                    f"{'counts' if count == 1 else 'each count'} as two; one is {one}. {pair.advice}"
                )
        return told


class _Strays:
    """Texts that are not of the usual spelling, with the hash of that; about the first `MOST_TEXTS`."""

    def __init__(self) -> None:
        self._total = pl.DataFrame(schema={"id": pl.UInt64, "text": pl.String})
        self._pending: list[pl.DataFrame] = []
        self._waiting = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return len(self._total) >= MOST_TEXTS

    def add(self, strays: pl.Series, usual: pl.Series) -> None:
        """Keeps those whose usual spelling is another."""
        found = pl.DataFrame({"id": hashed(usual), "text": strays}).filter(strays != usual)
        if len(found):
            self._pending.append(found)
            self._waiting += len(found)
        # Made one only when the pending ones are many: the work stays linear.
        if self._waiting > MOST_TEXTS:
            self.total()

    def total(self) -> pl.DataFrame:
        """`id` (a hash) and `text`, each text once."""
        if self._pending:
            self._total = pl.concat([self._total, *self._pending]).unique()
            self._pending, self._waiting = [], 0
        return self._total


def hashed(texts: pl.Series) -> pl.Series:
    """A number for each text, the same in each series."""
    return texts.hash(seed=0).alias("id")


def likeness(texts: pl.Series) -> pl.Series:
    """What the spellings of one id have in common: without case, width, quotes, zeros before it, or .0 behind it."""
    return (
        texts.str.normalize("NFKC")
        .str.replace_all(unseen.EVERY, "")
        .str.replace(r"""^b(['"].*['"])$""", "$1")
        .str.strip_chars(BLANKS + "'\"`´‘’“”„«»")
        .str.to_lowercase()
        .str.replace(r"^(-?[0-9]+)\.0+$", "$1")
        .str.replace(r"^0+([0-9])", "$1")
    )


def shown(text: str) -> str:
    """The text in quotes, with what cannot be seen, or looks like other letters, as escapes."""
    marked = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{unseen.legible(marked)}"'

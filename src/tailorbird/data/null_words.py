"""Which texts mean that there is no value: one rule for files, events, records and batch lines.

A client that joins texts, or a program that writes a table, turns a missing id into a word. Taken at its word, it
makes one user of all who are unknown. So such a word is no id, no event type, no number and no boolean. Other texts
and categories are kept, as "None" is a membership that somebody may have; of them only the empty text and `null`,
which is reserved (spec control-plane 4.1), are nothing.
"""

from __future__ import annotations

import re

import polars as pl

from tailorbird.blanks import BLANKS, bare

RESERVED_WORD = "null"
"""No value in any column (spec control-plane 4.1)."""
NULL_WORDS = (
    "", RESERVED_WORD, "none", "nan", "undefined", r"\n", "<na>", "nat", "nil", "n/a", "#n/a", "(null)", "-",
    "[object object]", "[object array]", "[object null]", "[object undefined]", "[object promise]", "{}", "[]", "%s",
)  # fmt: skip
r"""In lower case, without blanks around them: SQL's NULL, Python's None, pandas' nan, NaT and <NA>, JavaScript's
undefined and NaN, the \N of PostgreSQL's COPY, MySQL and Hive, Go's and Ruby's nil, Excel's #N/A, what log files write,
what JavaScript makes of an object, or of an answer not waited for, that is joined to a text, and what is empty or was
not filled in. NA is none of them: it is Namibia."""
PLACES = (r"\$\{.*\}", r"\{\{.*\}")
"""Patterns of what stands for a value in templates of shells, JavaScript, Jinja and the like: it was not filled in."""
SHEET_ERRORS = (
    r"#[^\s#!?]+[!?]", "#[^/]/[^/]", "#nv", "#getting_data", "err:[0-9]{3}", "##+",
)  # fmt: skip
"""Patterns, in lower case, of what spreadsheets show in place of a value that they could not work out, such as #REF!,
#NAME?, #DIV/0!, in other languages #BEZUG!, #N/D or #NV, LibreOffice's Err:502, or one too wide for its column: no
name of anything. In a column of numbers they are faults, which an import counts and tells."""
NOTHING = (
    f"(?is)^[{re.escape(BLANKS)}]*(?:{'|'.join([*map(re.escape, NULL_WORDS), *PLACES, *SHEET_ERRORS])})"
    f"[{re.escape(BLANKS)}]*$"
)
"""All texts that mean nothing somewhere, as a pattern for polars."""


def is_null(text: str) -> bool:
    """Whether a text means nothing where a number or a boolean is wanted."""
    word = bare(text).lower()
    return word in NULL_WORDS or _is(word, PLACES)


def is_null_name(text: str) -> bool:
    """Whether a text means nothing where an id, an event type or another name is wanted."""
    if text.isascii() and text.isalnum():
        return text.lower() in NULL_WORDS  # all others have another letter; most names have none, and are many
    word = bare(text).lower()
    return word in NULL_WORDS or _is(word, PLACES) or _is(word, SHEET_ERRORS)


def null_words(text: pl.Expr) -> pl.Expr:
    """As `is_null`, for a column of texts."""
    word = text.str.strip_chars(BLANKS).str.to_lowercase()
    return word.is_in(NULL_WORDS) | _are(word, PLACES)


def null_names(text: pl.Expr) -> pl.Expr:
    """As `is_null_name`, for a column of texts."""
    return null_words(text) | _are(text.str.strip_chars(BLANKS).str.to_lowercase(), SHEET_ERRORS)


def is_null_text(text: str) -> bool:
    """Whether a text means nothing where any text or category may stand."""
    return not bare(text) or text == RESERVED_WORD


def _is(word: str, forms: tuple[str, ...]) -> bool:
    return word[:1] in _BEGINNINGS and re.fullmatch("|".join(forms), word, re.DOTALL) is not None


def _are(word: pl.Expr, forms: tuple[str, ...]) -> pl.Expr:
    return word.str.contains(f"(?s)^(?:{'|'.join(forms)})$")


_BEGINNINGS = frozenset("${#e")
"""First letters of all `PLACES` and `SHEET_ERRORS`: most texts have another."""

"""Which texts mean that there is no value: one rule for files, events, records and batch lines.

A client that joins texts, or a program that writes a table, turns a missing id into a word. Taken at its word, it
makes one user of all who are unknown. So such a word is no id, no event type, no number and no boolean. Other texts
and categories are kept, as "None" is a membership that somebody may have; of them only the empty text and `null`,
which is reserved (spec control-plane 4.1), are nothing.
"""

from __future__ import annotations

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
PLACES = ("${", "{{")
"""What the names of values begin with in templates of shells, JavaScript, Jinja and the like; they end in a brace. A
text that is such a name whole was not filled in."""


def is_null(text: str) -> bool:
    """Whether a text means nothing where an id, an event type, a number or a boolean is wanted."""
    word = bare(text).lower()
    return word in NULL_WORDS or (word.startswith(PLACES) and word.endswith("}"))


def null_words(text: pl.Expr) -> pl.Expr:
    """As `is_null`, for a column of texts."""
    word = text.str.strip_chars(BLANKS).str.to_lowercase()
    unfilled = pl.any_horizontal(word.str.starts_with(place) for place in PLACES) & word.str.ends_with("}")
    return word.is_in(NULL_WORDS) | unfilled


def is_null_text(text: str) -> bool:
    """Whether a text means nothing where any text or category may stand."""
    return not bare(text) or text == RESERVED_WORD

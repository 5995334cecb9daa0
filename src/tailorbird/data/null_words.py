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
    "[object object]", "[object null]", "[object undefined]", "[object promise]",
)  # fmt: skip
r"""In lower case, without blanks around them: SQL's NULL, Python's None, pandas' nan, NaT and <NA>, JavaScript's
undefined and NaN, the \N of PostgreSQL's COPY, MySQL and Hive, Go's and Ruby's nil, Excel's #N/A, what log files write,
and what JavaScript makes of an object, or of an answer not waited for, that is joined to a text. NA is none of them: it
is Namibia."""


def is_null(text: str) -> bool:
    """Whether a text means nothing where an id, an event type, a number or a boolean is wanted."""
    return bare(text).lower() in NULL_WORDS


def null_words(text: pl.Expr) -> pl.Expr:
    """As `is_null`, for a column of texts."""
    return text.str.strip_chars(BLANKS).str.to_lowercase().is_in(NULL_WORDS)


def is_null_text(text: str) -> bool:
    """Whether a text means nothing where any text or category may stand."""
    return not bare(text) or text == RESERVED_WORD

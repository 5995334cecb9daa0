"""How a CSV column of text becomes a column of the schema, and every way for a cell to be wrong.

The rules are those of spec control-plane 2.4, 4.1 and 5.1. No bad cell stops an import by itself, except the
over-long categorical value that spec 5.1 names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import polars as pl

from tailorbird.blanks import BLANKS
from tailorbird.data import values
from tailorbird.data.null_words import NOTHING, RESERVED_WORD, null_names, null_words
from tailorbird.data.schema import Field
from tailorbird.data.values import LATEST_TIMESTAMP as LATEST_TIMESTAMP
from tailorbird.data.values import TIMES as TIMES
from tailorbird.numbers import EXACT, whole_part

ACTION_EVENTS = ("TAKEN", "NOT_TAKEN", "VIEWED")
"""Event types of action interactions; a space counts as an underscore, case does not matter (spec 4.2)."""


class Effect(Enum):
    """What a fault does."""

    DROP = "the row is left out"
    EMPTY = "the cell becomes null"
    FIT = "the value is kept, shortened or rounded"
    FAIL = "the import fails"


@dataclass(frozen=True)
class CellFault:
    """One way for a cell to be wrong, as a condition on its text."""

    when: pl.Expr
    reason: str
    effect: Effect


@dataclass(frozen=True)
class Glance:
    """A look at a tenth of the price that tells only of cells in which nothing is odd."""

    value: pl.Expr
    """As `Conversion.cell`, of a sure one."""
    sure: pl.Expr
    """Whether a cell is neither blank nor faulty, or is an empty text that may be null."""


@dataclass(frozen=True)
class Conversion:
    """From the texts of one column (String, no nulls) to its values."""

    field: Field
    key: bool
    """Whether a fault costs the row rather than the cell."""
    blank: pl.Expr
    value: pl.Expr
    """Of a cell that is neither blank nor faulty."""
    faults: tuple[CellFault, ...]
    """A cell that could have several has the first."""
    glance: Glance | None
    """What is seen at once, of most cells; None where there is no quick look."""

    @property
    def code(self) -> pl.Expr:
        """Index of each cell's fault in `faults`, null where there is none: the column `code_name`."""
        chain = pl.lit(None, pl.UInt8)
        for index, fault in reversed(tuple(enumerate(self.faults))):
            chain = pl.when(fault.when).then(pl.lit(index, pl.UInt8)).otherwise(chain)
        if self.field.nullable:
            chain = pl.when(~self.blank).then(chain)
        return chain.alias(self.code_name)

    @property
    def code_name(self) -> str:
        """Cannot be a field's name, which has no space."""
        return f"{self.field.name} fault"

    @property
    def dropped(self) -> pl.Expr:
        """Whether the row is left out for this cell; needs the column `code_name`."""
        costly = [index for index, fault in enumerate(self.faults) if fault.effect is Effect.DROP]
        return pl.col(self.code_name).is_in(costly).fill_null(False)

    @property
    def cell(self) -> pl.Expr:
        """The final value, null where blank or emptied; needs the column `code_name`."""
        code = pl.col(self.code_name)
        usable = code.is_null() & ~self.blank
        for index, fault in enumerate(self.faults):
            if fault.effect is Effect.FIT:
                usable = usable | (code == index).fill_null(False)
        return pl.when(usable).then(self.value).alias(self.field.name)

    def look(self, texts: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        """The final values of a column's texts, and the code of each one's fault where there are any."""
        return looks([self], texts.to_frame())[0]

    def look_again(self, texts: pl.Series, seen: pl.Series, sure: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        """As `look`, where the glance has seen these values and is sure of some."""
        if sure.all():
            return seen, None
        doubtful = (~sure).arg_true()
        cells, codes = self.close_look(texts.to_frame()[doubtful])
        place = np.arange(len(texts))
        place[doubtful.to_numpy()] = len(texts) + np.arange(len(doubtful))
        if codes is not None:
            none = pl.repeat(None, len(texts), dtype=codes.dtype, eager=True).alias(codes.name)
            codes = pl.concat([none, codes])[place]
        return pl.concat([seen, cells])[place], codes

    def close_look(self, table: pl.DataFrame) -> tuple[pl.Series, pl.Series | None]:
        """As `look`, but at each cell as if it were odd."""
        result = table.lazy().with_columns(self.code).select(self.cell, self.code_name).collect()
        codes = result[self.code_name]
        return result[self.field.name], codes if codes.null_count() < len(codes) else None


def looks(columns: Sequence[Conversion], table: pl.DataFrame) -> list[tuple[pl.Series, pl.Series | None]]:
    """What each column's `look` at its texts in the table says, with one glance at all of them."""
    glances = {column.field.name: column.glance for column in columns if column.glance is not None}
    values = (glance.value.alias(name) for name, glance in glances.items())
    seen = table.select(*values, *(glance.sure.alias(f"{name} sure") for name, glance in glances.items()))
    return [
        column.look_again(table[name], seen[name], seen[f"{name} sure"])
        if (name := column.field.name) in glances
        else column.close_look(table.select(name))
        for column in columns
    ]


def conversion(field: Field, *, key: bool, words: Sequence[str] = ()) -> Conversion:
    """The conversion for a field's column; where there are `words`, it holds one of them."""
    text = pl.col(field.name)
    bare = text.str.strip_chars(BLANKS)
    bad = Effect.DROP if key else Effect.EMPTY
    named = field.name.upper() in values.NAMES
    empty = bare == ""
    blank = null_names(text) if named else empty if field.type == "string" else null_words(text)
    value, faults = _KINDS.get(field.type, _integer)(field, text, bad)
    if words:
        value = bare.str.to_uppercase().str.replace_all(" ", "_", literal=True)
        faults.append(CellFault(~value.is_in(words), f"{field.name} is none of {', '.join(words)}", bad))
    if key:
        reserved = f"{field.name} is a word reserved for nothing, such as null or None: every row needs a real one"
        faults.insert(0, CellFault(empty, f"{field.name} is empty: every row needs one", bad))
        faults.insert(1, CellFault(blank, reserved, bad))
    elif not field.nullable:
        faults.insert(0, CellFault(blank, f"{field.name} is empty, but not nullable in the schema", bad))
    return Conversion(field, key, blank, value, tuple(faults), None if words else _glance(field))


_Parts = tuple[pl.Expr, list[CellFault]]


def _string(field: Field, text: pl.Expr, bad: Effect) -> _Parts:
    faults = []
    if field.name.upper() not in values.NAMES:
        reserved = f"{field.name} is the word null, which is reserved: leave the cell empty"
        faults.append(CellFault(text == RESERVED_WORD, reserved, bad))
    most = values.longest(field)
    reason, effect = f"{field.name} is longer than {most} characters: shorten it", bad
    if field.categorical or field.name.upper() == "IMPRESSION":
        reason, effect = values.LONG_CATEGORY.format(name=field.name, most=most), Effect.FAIL
    elif not values.is_strict(field):
        reason, effect = f"{field.name} is longer than {most} characters: the rest is cut", Effect.FIT
    faults.append(CellFault(text.str.len_chars() > most, reason, effect))
    return text.str.slice(0, most) if effect is Effect.FIT else text, faults


def _boolean(field: Field, text: pl.Expr, bad: Effect) -> _Parts:
    lower = text.str.strip_chars(BLANKS).str.to_lowercase()
    return lower == "true", [_fault(field, ~lower.is_in(list(values.BOOLEANS)), values.NO_BOOLEAN, bad)]


def _float(field: Field, text: pl.Expr, bad: Effect) -> _Parts:
    bare = text.str.strip_chars(BLANKS)
    number = bare.cast(pl.Float64, strict=False)
    faults = _no_numbers(field, bare, number, values.NOT_FINITE, bad)
    if field.type == "float":
        faults.append(_fault(field, number.abs() >= values.FLOAT, values.NO_FLOAT, bad))
    return number, faults


def _integer(field: Field, text: pl.Expr, bad: Effect) -> _Parts:
    bare = text.str.strip_chars(BLANKS)
    number = bare.cast(pl.Float64, strict=False)
    # "1995.0" and "1.5e9" are whole numbers, too.
    far = number.abs() >= EXACT
    whole = pl.when(~far).then(number.floor()).cast(pl.Int64, strict=False)
    digits = bare.cast(pl.Int64, strict=False)
    rest = pl.when(far & digits.is_null()).then(bare)
    value = pl.coalesce(digits, whole, rest.map_elements(_long, pl.Int64))
    time = field.name.upper() in TIMES
    faults = _no_numbers(field, bare, number, values.NO_TIME if time else values.NO_NUMBER, bad)
    if time:
        first, end = values.LAST_DAY
        late = (number >= LATEST_TIMESTAMP) & ~number.is_between(first, end, closed="left")
        faults += [
            _fault(field, number < 0, values.EARLY, bad),
            _fault(field, late & bare.str.contains(values.CLOCK_DATE), values.DATE, bad),
            _fault(field, late, values.LATE, bad),
        ]
    if field.name.upper() in values.SPANS:
        faults.append(_fault(field, number < 0, values.NEGATIVE, bad))
    if field.type == "int":
        narrow = (value < -values.INT) | (value >= values.INT)
        faults.append(_fault(field, value.is_null() | narrow, values.NO_INT, bad))
    else:
        faults.append(_fault(field, value.is_null() & (number.abs() >= values.LONG), values.NO_LONG, bad))
        faults.append(_fault(field, value.is_null(), values.INEXACT, bad))
    fraction = (number != number.floor()) | rest.str.contains(r"^[^eE]*\.0*[1-9][^eE]*$").fill_null(False)
    faults.append(_fault(field, fraction, values.FRACTION, Effect.FIT))
    return value, faults


def _long(text: str) -> int | None:
    """A long that is written with a fraction or an exponent, and larger than a float can say."""
    value = whole_part(text)
    return value if value is not None and -values.LONG <= value < values.LONG else None


_KINDS = {"string": _string, "boolean": _boolean, "float": _float, "double": _float}


def _glance(field: Field) -> Glance | None:
    text = pl.col(field.name)
    if field.type == "boolean":
        return None
    if field.type == "string":
        sure = (text.str.len_bytes() <= values.longest(field)) & ~text.str.contains(NOTHING)
        value = pl.when(text != "").then(text) if field.nullable else text
    elif field.type in ("float", "double"):
        value = text.cast(pl.Float64, strict=False)
        sure = (value.abs() < values.FLOAT).fill_null(False)
    else:
        value = text.cast(pl.Int64, strict=False)
        least, end = (-values.INT, values.INT) if field.type == "int" else (None, None)
        if field.name.upper() in TIMES:
            least, end = 0, min(end or LATEST_TIMESTAMP, LATEST_TIMESTAMP)
        if field.name.upper() in values.SPANS:
            least, end = 0, end or values.LONG - 1
        sure = value.is_not_null()
        if least is not None:
            sure = value.is_between(least, end, closed="left").fill_null(False)
    return Glance(value, sure | (text == "") if field.nullable else sure)


def _fault(field: Field, when: pl.Expr, reason: str, effect: Effect) -> CellFault:
    return CellFault(when, reason.format(name=field.name), effect)


def _no_numbers(field: Field, bare: pl.Expr, number: pl.Expr, reason: str, effect: Effect) -> list[CellFault]:
    """Each way to be no number; the reason is that of the last one."""
    none = ~number.is_finite().fill_null(False)
    ways = {words: none & bare.str.contains(pattern) for pattern, words in values.WRITTEN.items()}
    return [_fault(field, when, words, effect) for words, when in {**ways, reason: none}.items()]

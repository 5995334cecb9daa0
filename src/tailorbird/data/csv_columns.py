"""How a CSV column of text becomes a column of the schema, and every way for a cell to be wrong.

The rules are those of spec control-plane 2.4, 4.1 and 5.1. No bad cell stops an import by itself, except the
over-long categorical value that spec 5.1 names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import polars as pl

from tailorbird.data.schema import CATEGORICAL_LENGTH, ID_LENGTH, STRING_LENGTH, TEXT_LENGTH, Field

LATEST_TIMESTAMP = 100_000_000_000
"""Epoch seconds (the year 5138): from here on a number is taken for milliseconds."""

TIMES = frozenset({"TIMESTAMP", "CREATION_TIMESTAMP", "EXPIRATION_TIMESTAMP"})
"""Columns that hold epoch seconds."""
ACTION_EVENTS = ("TAKEN", "NOT_TAKEN", "VIEWED")
"""Event types of action interactions; a space counts as an underscore, case does not matter (spec 4.2)."""
_INT = 2**31
# Whole numbers below this survive being a float.
_EXACT = 2**53


class Effect(Enum):
    """What a fault does."""

    DROP = "the row is left out"
    EMPTY = "the cell becomes null"
    CUT = "the text is shortened"
    FAIL = "the import fails"


@dataclass(frozen=True)
class Fault:
    """One way for a cell to be wrong, as a condition on its text."""

    when: pl.Expr
    reason: str
    effect: Effect


@dataclass(frozen=True)
class Conversion:
    """From the texts of one column (String, no nulls) to its values."""

    field: Field
    key: bool
    """Whether a fault costs the row rather than the cell."""
    blank: pl.Expr
    value: pl.Expr
    """Of a cell that is neither blank nor faulty."""
    faults: tuple[Fault, ...]
    """A cell that could have several has the first."""

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
    def cell(self) -> pl.Expr:
        """The final value, null where blank or emptied; needs the column `code_name`."""
        code = pl.col(self.code_name)
        usable = code.is_null() & ~self.blank
        for index, fault in enumerate(self.faults):
            if fault.effect is Effect.CUT:
                usable = usable | (code == index).fill_null(False)
        return pl.when(usable).then(self.value).alias(self.field.name)


def conversion(field: Field, *, key: bool, words: Sequence[str] = ()) -> Conversion:
    """The conversion for a field's column; where there are `words`, it holds one of them."""
    text = pl.col(field.name)
    bare = text.str.strip_chars()
    bad = Effect.DROP if key else Effect.EMPTY
    if field.type == "string":
        value, faults = _string(field, text, key)
        if words:
            value = bare.str.to_uppercase().str.replace_all(" ", "_", literal=True)
            faults.append(Fault(~value.is_in(words), f"{field.name} is none of {', '.join(words)}", bad))
    elif field.type == "boolean":
        lower = bare.str.to_lowercase()
        value = lower == "true"
        faults = [Fault(~lower.is_in(["true", "false"]), f"{field.name} is neither true nor false", bad)]
    elif field.type in {"float", "double"}:
        value = bare.cast(pl.Float64, strict=False)
        faults = [Fault(_no_number(value), f"{field.name} is not a finite number", bad)]
    else:
        value, faults = _integer(field, bare, bad)
    blank = bare == ""
    if key:
        faults.insert(0, Fault(blank, f"{field.name} is empty: every row needs one", bad))
    elif not field.nullable:
        faults.insert(0, Fault(blank, f"{field.name} is empty, but not nullable in the schema", bad))
    return Conversion(field, key, blank, value, tuple(faults))


def _string(field: Field, text: pl.Expr, key: bool) -> tuple[pl.Expr, list[Fault]]:
    reserved = f"{field.name} is the word null, which is reserved: leave the cell empty"
    faults = [Fault(text == "null", reserved, Effect.DROP if key else Effect.EMPTY)]
    if key:
        most, effect, remedy = ID_LENGTH, Effect.DROP, "shorten it"
    elif field.categorical or field.name.upper() == "IMPRESSION":
        most, effect, remedy = CATEGORICAL_LENGTH, Effect.FAIL, "shorten it"
    else:
        most, effect, remedy = TEXT_LENGTH if field.textual else STRING_LENGTH, Effect.CUT, "the rest is cut"
    reason = f"{field.name} is longer than {most} characters: {remedy}"
    if effect is Effect.FAIL:
        reason = f"Length cannot be more than {most} characters for {field.name}..."
    faults.append(Fault(text.str.len_chars() > most, reason, effect))
    return text.str.slice(0, most) if effect is Effect.CUT else text, faults


def _integer(field: Field, bare: pl.Expr, bad: Effect) -> tuple[pl.Expr, list[Fault]]:
    number = bare.cast(pl.Float64, strict=False)
    # "1995.0" and "1.5e9" are whole numbers, too.
    whole = pl.when(number.abs() < _EXACT).then(number).cast(pl.Int64, strict=False)
    value = pl.coalesce(bare.cast(pl.Int64, strict=False), whole)
    name = field.name
    time = name.upper() in TIMES
    hint = ": write epoch seconds such as 1717243200" if time else ""
    faults = [
        Fault(_no_number(number), f"{name} is not a number{hint}", bad),
        Fault(number != number.floor(), f"{name} is not a whole number: round it", bad),
    ]
    if time:
        late = f"{name} is in milliseconds or finer, not in seconds: divide by 1000 (or more)"
        faults += [
            Fault(number < 0, f"{name} is negative: write epoch seconds, from 1970 on", bad),
            Fault(number >= LATEST_TIMESTAMP, late, bad),
        ]
    if field.type == "int":
        narrow = (value < -_INT) | (value >= _INT)
        faults.append(Fault(value.is_null() | narrow, f"{name} does not fit an int: declare it long", bad))
    else:
        faults.append(Fault(value.is_null(), f"{name} does not fit a long: write a smaller number", bad))
    return value, faults


def _no_number(number: pl.Expr) -> pl.Expr:
    return ~number.is_finite().fill_null(False)

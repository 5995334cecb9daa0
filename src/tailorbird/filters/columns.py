"""Columns of metadata as filters compare them: numbers as one array, texts as an inverted index.

The column decides what a literal, a value of a placeholder or of the current item means there: a text, a float, or in
a column of whole numbers a decimal to its last digit, since ids of 16 digits and more are whole numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tailorbird.data.values import LONG, categories
from tailorbird.errors import InvalidInputException
from tailorbird.numbers import to_exact, to_number

Mask = NDArray[np.bool_]

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


class Column(Protocol):
    """A column that is ready to be compared."""

    @property
    def kind(self) -> str:
        """Returns whether it holds numbers, categories or texts."""
        ...

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        """Returns the rows for which `value operator operand` holds; a comparator gets at most one value."""
        ...

    def parts(self, row: int) -> tuple[str, ...]:
        """Returns the row's value as an operand; empty where missing."""
        ...

    def has(self, operator: str, text: str) -> bool:
        """Returns whether a row has this text as what IN compares, or else the comparators; any number counts."""
        ...

    def bears(self, sign: str) -> bool:
        """Returns whether the value of a row has the sign in it."""
        ...


def prepared(name: str, values: Sequence[object], size: int, *, multiple: bool) -> Column:
    """The column of `size` rows with these values, None where missing (NaN in numbers too); without any, all are.

    multiple: whether `A|B` is two values. TypeError: neither all numbers nor all strings.
    """
    listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    kinds = set(map(type, listed)) - {type(None)}
    if not kinds:
        return _Missing(size)
    if bool not in kinds and all(issubclass(kind, int | np.integer) for kind in kinds):
        given = pl.Series(listed, dtype=pl.Int64)
        return _Integers(name, given.fill_null(0).to_numpy(), given.is_null().arg_true().to_numpy())
    if bool not in kinds and all(issubclass(kind, int | float | np.integer | np.floating) for kind in kinds):
        return _Floats(name, np.array(listed, dtype=np.float64))
    if all(issubclass(kind, str) for kind in kinds):
        return _Strings(name, listed, multiple=multiple)
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"column {name} holds {names}; a filter needs all numbers or all strings")


def number(name: str, value: int | float) -> Column:
    """A column of one row that holds a number."""
    if isinstance(value, int):
        return _Integers(name, np.array([value], np.int64), np.empty(0, np.int64))
    return _Floats(name, np.array([value], np.float64))


class _Missing:
    """A column without a value in any row."""

    kind = "texts"

    def __init__(self, size: int) -> None:
        self._size = size

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        return np.full(self._size, operator == "NOT IN")

    def parts(self, row: int) -> tuple[str, ...]:
        return ()

    def has(self, operator: str, text: str) -> bool:
        return False

    def bears(self, sign: str) -> bool:
        return False


class _Integers:
    """One int64 a row."""

    kind = "numbers"

    def __init__(self, name: str, values: NDArray[np.int64], missing: NDArray[np.integer]) -> None:
        """missing: rows without a value, whatever the array has there."""
        self._name = name
        self._values = values
        self._missing = missing

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        numbers = [_exact(self._name, text) for text in operand]
        if operator not in COMPARE:
            whole = [int(number) for number in numbers if number == math.floor(number) and -LONG <= number < LONG]
            # By "sort", a few values are looked for one after the other: a quarter of the time of a table of all.
            mask = np.isin(self._values, np.array(whole, np.int64), invert=operator == "NOT IN", kind="sort")
        elif numbers:
            mask = self._compared(operator, numbers[0])
        else:
            return np.zeros(len(self._values), dtype=np.bool_)
        mask[self._missing] = operator == "NOT IN"
        return mask

    def _compared(self, operator: str, number: Decimal) -> Mask:
        """Compares with a whole number that is on the same side of every value; numpy takes those beyond int64."""
        whole = math.ceil(number) if operator in ("<", ">=") else math.floor(number)
        if operator in ("=", "!=") and whole != number:
            return np.full(len(self._values), operator == "!=")
        mask: Mask = COMPARE[operator](self._values, whole)
        return mask

    def parts(self, row: int) -> tuple[str, ...]:
        return () if row in self._missing else (str(self._values[row]),)

    def has(self, operator: str, text: str) -> bool:
        return to_number(text) is not None

    def bears(self, sign: str) -> bool:
        return True


class _Floats:
    """One float64 a row, NaN where missing."""

    kind = "numbers"

    def __init__(self, name: str, values: NDArray[np.float64]) -> None:
        self._name = name
        self._values = values

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        numbers = [float(_exact(self._name, text)) for text in operand]
        if operator in COMPARE:
            if not numbers:
                return np.zeros(len(self._values), dtype=np.bool_)
            mask: Mask = COMPARE[operator](self._values, numbers[0])
            return mask & ~np.isnan(self._values) if operator == "!=" else mask
        return np.isin(self._values, numbers, invert=operator == "NOT IN")

    def parts(self, row: int) -> tuple[str, ...]:
        value = float(self._values[row])
        return () if np.isnan(value) else (repr(value),)

    def has(self, operator: str, text: str) -> bool:
        return to_number(text) is not None

    def bears(self, sign: str) -> bool:
        return True


class _Strings:
    """Whole values as codes, and for each part of a category `A|B` the rows that have it."""

    def __init__(self, name: str, values: Sequence[str | None], multiple: bool) -> None:
        self._name = name
        self.kind = "categories" if multiple else "texts"
        self._multiple = multiple
        self._codes_of: dict[str, int] = {}
        codes_of = self._codes_of
        codes = (-1 if value is None else codes_of.setdefault(value, len(codes_of)) for value in values)
        self._codes = np.fromiter(codes, dtype=np.int32, count=len(values))
        self._wholes = list(codes_of)
        self._parts_of: dict[str, int] = {}
        pairs = [
            (code, self._parts_of.setdefault(part, len(self._parts_of)))
            for whole, code in codes_of.items()
            for part in self._split(whole)
        ]
        code, part = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
        shape = (len(codes_of) + 1, len(self._parts_of))
        parts_of_code = csr_array((np.ones(len(pairs), dtype=np.bool_), (code, part)), shape=shape)
        # The last row of the matrix is empty, and code -1 takes it.
        rows = parts_of_code[self._codes % shape[0]].tocsc()
        self._starts, self._rows = rows.indptr, rows.indices

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        if operator in ("IN", "NOT IN"):
            mask = np.full(len(self._codes), operator == "NOT IN")
            for part in (self._parts_of[text] for text in operand if text in self._parts_of):
                mask[self._rows[self._starts[part] : self._starts[part + 1]]] = operator == "IN"
            return mask
        if operator not in ("=", "!="):
            raise InvalidInputException(f"{self._name} is text, which {operator} cannot order.")
        if not operand:
            return np.zeros(len(self._codes), dtype=np.bool_)
        code = self._codes_of.get(operand[0], len(self._codes_of))
        rows: Mask = self._codes == code if operator == "=" else (self._codes != code) & (self._codes >= 0)
        return rows

    def parts(self, row: int) -> tuple[str, ...]:
        code = self._codes[row]
        return () if code < 0 else self._split(self._wholes[code])

    def has(self, operator: str, text: str) -> bool:
        return text in (self._parts_of if operator == "IN" else self._codes_of)

    def bears(self, sign: str) -> bool:
        return any(sign in whole for whole in self._wholes)

    def _split(self, whole: str) -> tuple[str, ...]:
        return categories(whole) if self._multiple else (whole,)


def _exact(name: str, text: str) -> Decimal:
    number = to_exact(text)
    if number is None:
        raise InvalidInputException(f'{name} is a number; the filter compares it with "{text}", which is not.')
    return number

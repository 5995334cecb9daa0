"""Filters over a table's rows, as numpy masks (spec recipes-and-runtime 5.2).

A `MetadataTable` prepares a column when a filter first needs it and keeps it: numbers as one array, strings as an
inverted index. WHERE parts that depend on neither request nor user are kept as masks too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tailorbird.cache import Cache
from tailorbird.data.values import categories
from tailorbird.errors import InvalidInputException
from tailorbird.filters.syntax import (
    ANY_EVENT,
    EVENT_DATASETS,
    ColumnReference,
    Expression,
    Filter,
    Parameter,
    Predicate,
)
from tailorbird.numbers import to_number

Mask = NDArray[np.bool_]
Where = tuple[tuple[Predicate, ...], ...]
Values = Mapping[str, Sequence[str]]

UNKNOWN_ITEM = -1
"""As `current_item`: the request names an item that the table does not have."""
KEPT_MASKS = 64
"""Masks kept by a table, of whole filters and as many of static WHERE parts, of one byte a row each: 100 MB at 750,000
items. Twice the filters that AWS allows a group (spec recipes-and-runtime 5.4)."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


@dataclass(frozen=True)
class User:
    """The user a request is for."""

    attributes: Mapping[str, object]
    """The user's row of the Users dataset by upper-case names; empty where there is none."""
    touched: Callable[[frozenset[str] | None], NDArray[np.int32]]
    """Rows of the table with an event of these types (lower case; None: any type).

    Items or actions this user acted on; in a UserID filter, users who have such events. Which events count
    (the newest 100 a type) is the caller's rule.
    """
    categories: Collection[str] = ()
    """Upper-case names of the categorical attributes: of these alone `A|B` is two values."""

    def parts(self, name: str) -> tuple[str, ...]:
        """The values of an attribute that is text."""
        value = str(self.attributes[name])
        return categories(value) if name in self.categories else (value,)


class MetadataTable:
    """The metadata of `ids`, rows in that order; thread-safe."""

    def __init__(
        self, ids: Sequence[str], columns: Mapping[str, Sequence[object]], categories: Collection[str] = ()
    ) -> None:
        """Wraps columns of numbers or strings, None where missing (NaN in numbers too); copies nothing yet.

        Names match in any case. ITEM_ID, USER_ID and ACTION_ID name the ids. categories: upper-case names of the
        categorical columns; of these alone `A|B` is two values. ValueError: lengths differ.
        """
        for name, column in columns.items():
            if len(column) != len(ids):
                raise ValueError(f"column {name} has {len(column)} values for {len(ids)} ids")
        self._ids = ids
        self._categories = categories
        self._values: dict[str, Sequence[object]] = dict.fromkeys(("ITEM_ID", "USER_ID", "ACTION_ID"), ids)
        self._values.update((name.upper(), column) for name, column in columns.items())
        self._prepared: dict[str, _PreparedColumn] = {}
        self._lock = Lock()
        self.static_where: Callable[[Where], Mask] = lru_cache(KEPT_MASKS)(partial(_static_where, self))
        self.masks = Cache(KEPT_MASKS)
        """Those of whole filters, kept by whoever knows what they depend on."""

    def __len__(self) -> int:
        return len(self._ids)

    def values(self, name: str) -> Sequence[object]:
        """Returns a column as it was given; empty for one the table does not have."""
        return self._values.get(name.upper(), ())

    def column(self, name: str) -> _PreparedColumn:
        """Returns a prepared column; one the table does not have is missing in every row."""
        found = self._prepared.get(name)
        if found is None:
            with self._lock:
                found = self._prepared.get(name) or self._prepare(name)
                self._prepared[name] = found
        return found

    def _prepare(self, name: str) -> _PreparedColumn:
        values = self._values.get(name, ())
        listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
        kinds = set(map(type, listed)) - {type(None)}
        if not kinds:
            return _Missing(len(self))
        if all(issubclass(kind, int | float | np.integer | np.floating) and kind is not bool for kind in kinds):
            return _Numbers(name, np.array(listed, dtype=np.float64))
        if all(issubclass(kind, str) for kind in kinds):
            return _Strings(name, listed, multiple=name in self._categories)
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"column {name} holds {names}; a filter needs all numbers or all strings")


class _PreparedColumn(Protocol):
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


class _Numbers:
    """One float64 a row, NaN where missing."""

    kind = "numbers"

    def __init__(self, name: str, values: NDArray[np.float64]) -> None:
        self._name = name
        self._values = values

    def match(self, operator: str, operand: Sequence[str]) -> Mask:
        numbers = [_number(self._name, text) for text in operand]
        if operator in _COMPARE:
            if not numbers:
                return np.zeros(len(self._values), dtype=np.bool_)
            mask: Mask = _COMPARE[operator](self._values, numbers[0])
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


@dataclass(frozen=True)
class _Request:
    """What a WHERE part is evaluated against."""

    table: MetadataTable
    values: Values
    user: User | None
    current_item: int | None


def evaluate(
    filter_: Filter,
    table: MetadataTable,
    values: Values,
    user: User | None,
    current_item: int | None,
) -> Mask:
    """Returns which rows of the table are allowed: the union of the INCLUDEs without that of the EXCLUDEs.

    `values` are those of `values.read`; an expression without its values is skipped.
    `current_item` is a row, UNKNOWN_ITEM (no predicate on CurrentItem holds) or None. The mask is the
    caller's to change. InvalidInputException: the filter needs a user or a current item and has none, or a
    value does not fit its column.
    """
    if filter_.needs_user and user is None:
        raise InvalidInputException("The filter depends on the user: add userId to the request.")
    if filter_.needs_current_item and current_item is None:
        raise InvalidInputException(
            "The filter uses CurrentItem, which only related-item requests have: "
            "add itemId to a request for related items, or use a filter without CurrentItem."
        )
    request = _Request(table, values, user, current_item)
    effective = [each for each in filter_.expressions if _is_effective(each, values, user)]
    included = [_where(each.where, request) for each in effective if each.include]
    allowed = np.full(len(table), not included)
    for mask in included:
        allowed |= mask
    for mask in (_where(each.where, request) for each in effective if not each.include):
        allowed &= ~mask
    return allowed


def _is_effective(expression: Expression, values: Values, user: User | None) -> bool:
    """Whether the expression has its values and its IF holds for the user."""
    if not all(name in values for name in expression.parameters):
        return False
    return user is None or all(_user_meets(each, user, _operand(each, values)) for each in expression.condition)


def _user_meets(predicate: Predicate, user: User, operand: Sequence[str]) -> bool:
    """Whether `value operator operand` holds for one attribute; never where it is unknown."""
    name = predicate.column.name
    value = user.attributes.get(name)
    if value is None or value != value:
        return False
    if isinstance(value, str):
        parts: set[object] = set(user.parts(name))
        wanted: set[object] = set(operand)
    else:
        parts, wanted = {value}, {_number(name, text) for text in operand}
    if predicate.operator in ("IN", "NOT IN"):
        return parts.isdisjoint(wanted) == (predicate.operator == "NOT IN")
    if isinstance(value, str) and predicate.operator not in ("=", "!="):
        raise InvalidInputException(f"{predicate.column} is text, which {predicate.operator} cannot order.")
    (other,) = operand if isinstance(value, str) else wanted
    return bool(_COMPARE[predicate.operator](value, other))


def _where(where: Where, request: _Request) -> Mask:
    """Returns the rows of one WHERE part; perhaps a kept mask, not to be written to."""
    predicates = (predicate for all_of in where for predicate in all_of)
    if all(isinstance(p.operand, tuple) and p.column.dataset not in EVENT_DATASETS for p in predicates):
        return request.table.static_where(where)
    return _any_of_all(where, request)


def _static_where(table: MetadataTable, where: Where) -> Mask:
    return _any_of_all(where, _Request(table, {}, None, None))


def _any_of_all(where: Where, request: _Request) -> Mask:
    alternatives = (reduce(and_, (_match(leaf, request) for leaf in all_of)) for all_of in where)
    rows: Mask = reduce(or_, alternatives)
    return rows


def _match(predicate: Predicate, request: _Request) -> Mask:
    """Returns the rows for which one predicate holds."""
    if predicate.column.dataset in EVENT_DATASETS:
        return _match_events(predicate, request)
    column = request.table.column(predicate.column.name)
    if not isinstance(predicate.operand, ColumnReference):
        return column.match(predicate.operator, _operand(predicate, request.values))
    if request.current_item is None or request.current_item == UNKNOWN_ITEM:
        return np.zeros(len(request.table), dtype=np.bool_)
    current = request.table.column(predicate.operand.name).parts(request.current_item)
    return column.match(predicate.operator, current)


def _match_events(predicate: Predicate, request: _Request) -> Mask:
    """Returns the rows that the user touched with these event types; NOT IN and !=: all the others."""
    assert request.user is not None, "evaluate() asks for the user first"
    others = predicate.operator in ("NOT IN", "!=")
    mask = np.full(len(request.table), others)
    mask[rows_touched(predicate.column.dataset, request.user, _operand(predicate, request.values))] = not others
    return mask


def rows_touched(dataset: str, user: User, texts: Sequence[str]) -> NDArray[np.int32]:
    """Returns the rows with an event of these types, in any case, in INTERACTIONS or ACTION_INTERACTIONS."""
    types = event_types(dataset, texts)
    return user.touched(None if ANY_EVENT in types else types)


def event_types(dataset: str, texts: Sequence[str]) -> frozenset[str]:
    """Returns the types that texts name, as events are compared by them."""
    types = frozenset(text.lower() for text in texts)
    # "Not taken" is NOT_TAKEN.
    return frozenset(text.replace(" ", "_") for text in types) if dataset == "ACTION_INTERACTIONS" else types


def _operand(predicate: Predicate, values: Values) -> Sequence[str]:
    """Returns the predicate's literals or its placeholder's values; a comparator takes exactly one."""
    operand = predicate.operand
    assert not isinstance(operand, ColumnReference), "columns of the current item are read by _match"
    if not isinstance(operand, Parameter):
        return operand
    found = values[operand.name]
    if predicate.operator in _COMPARE and len(found) != 1:
        raise InvalidInputException(
            f"filterValues.{operand.name} has {len(found)} values; {predicate.operator} takes exactly one."
        )
    return found


def _number(name: str, text: str) -> float:
    number = to_number(text)
    if number is None:
        raise InvalidInputException(f'{name} is a number; the filter compares it with "{text}", which is not.')
    return number

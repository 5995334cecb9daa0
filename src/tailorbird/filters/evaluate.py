"""Filters over a table's rows, as numpy masks (spec recipes-and-runtime 5.2).

A `MetadataTable` prepares a column when a filter first needs it and keeps it: numbers as one array, strings as an
inverted index (`columns`). WHERE parts that depend on neither request nor user are kept as masks too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from operator import and_, or_
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from tailorbird.cache import Cache
from tailorbird.data.values import categories, written
from tailorbird.errors import InvalidInputException
from tailorbird.filters.columns import COMPARE, Column, Mask, number, prepared
from tailorbird.filters.syntax import (
    ANY_EVENT,
    EVENT_DATASETS,
    ColumnReference,
    Expression,
    Filter,
    Parameter,
    Predicate,
)

Where = tuple[tuple[Predicate, ...], ...]
Values = Mapping[str, Sequence[str]]

UNKNOWN_ITEM = -1
"""As `current_item`: the request names an item that the table does not have."""
KEPT_MASKS = 64
"""Masks kept by a table, of whole filters and as many of static WHERE parts, of one byte a row each: 100 MB at 750,000
items. Twice the filters that AWS allows a group (spec recipes-and-runtime 5.4)."""


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
        self._prepared: dict[str, Column] = {}
        self._lock = Lock()
        self.static_where: Callable[[Where], Mask] = lru_cache(KEPT_MASKS)(partial(_static_where, self))
        self.masks = Cache(KEPT_MASKS)
        """Those of whole filters, kept by whoever knows what they depend on."""

    def __len__(self) -> int:
        return len(self._ids)

    def values(self, name: str) -> Sequence[object]:
        """Returns a column as it was given; empty for one the table does not have."""
        return self._values.get(name.upper(), ())

    def column(self, name: str) -> Column:
        """Returns a prepared column; one the table does not have is missing in every row."""
        found = self._prepared.get(name)
        if found is None:
            with self._lock:
                found = self._prepared.get(name) or prepared(
                    name, self._values.get(name, ()), len(self), multiple=name in self._categories
                )
                self._prepared[name] = found
        return found


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
    if isinstance(value, int | float):
        return bool(number(name, value).match(predicate.operator, operand)[0])
    if predicate.operator in ("IN", "NOT IN"):
        return set(user.parts(name)).isdisjoint(operand) == (predicate.operator == "NOT IN")
    if predicate.operator not in ("=", "!="):
        raise InvalidInputException(f"{predicate.column} is text, which {predicate.operator} cannot order.")
    (other,) = operand
    return bool(COMPARE[predicate.operator](value, other))


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
    if predicate.operator in COMPARE and len(found) != 1:
        whole = ",".join(found)
        cause = f" If {whole} is one, {cause}." if (cause := written("it", whole)) else ""
        raise InvalidInputException(
            f"filterValues.{operand.name} has {len(found)} values; {predicate.operator} takes exactly one.{cause}"
        )
    return found

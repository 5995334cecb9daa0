"""Values of placeholders: what `filterValues` says for a filter, read by `lists` against what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial

from tailorbird.data.actions import DECLINED, TAKEN
from tailorbird.data.null_words import is_null_name, is_null_text
from tailorbird.data.values import NAMES, TIMES
from tailorbird.errors import InvalidInputException
from tailorbird.filters import lists
from tailorbird.filters.check import misfit
from tailorbird.filters.compared import Comparand, plain
from tailorbird.filters.evaluate import MetadataTable, User, event_types, rows_touched
from tailorbird.filters.syntax import EVENT_DATASETS, ColumnReference, Filter, Predicate
from tailorbird.numbers import to_number


def read(
    filter_: Filter, texts: Mapping[str, str], table: MetadataTable, user: User | None
) -> dict[str, tuple[str, ...]]:
    """Returns the values of the filter's placeholders by name, for `evaluate`.

    table, user: what they are compared with. A name that the filter does not have is ignored beside one that it has.
    A placeholder only of EXCLUDE expressions may be left out: `evaluate` skips those (spec recipes-and-runtime 5.3).
    InvalidInputException: no name is the filter's, one of an INCLUDE expression is left out, a text is no list of
    values, or a time is in milliseconds.
    """
    _check_names(filter_, texts)
    found = {}
    for name in (name for name in filter_.parameters if name in texts):
        predicates = filter_.comparing(name)
        kinds = [_kind(predicate, table, user, filter_.target != "UserID") for predicate in predicates]
        compared = Comparand(
            known=cache(partial(_is_known, predicates, table, user, filter_.target != "UserID")),
            many=any(predicate.operator == "IN" for predicate in predicates),
            names=_names(name, predicates),
            says_nothing=is_null_name if all(each.column.name in NAMES for each in predicates) else is_null_text,
            number=_example(predicates) if set(kinds) == {"numbers"} else "",
            categorical="categories" in kinds,
            bears=partial(_bears, predicates, table, filter_.target != "UserID"),
        )
        found[name] = lists.split(name, texts[name], compared)
        _check_times(name, found[name], [predicate.column for predicate in predicates])
    return found


def _names(name: str, predicates: Sequence[Predicate]) -> frozenset[str]:
    """What clients call the values of a placeholder."""
    words = {plain(each) for each in (name, "id", "value", *(predicate.column.name for predicate in predicates))}
    return frozenset({*words, *(f"{each}s" for each in words)})


def _check_names(filter_: Filter, texts: Mapping[str, str]) -> None:
    asked = ", ".join(f"${name}" for name in filter_.parameters)
    if texts and asked and not any(name in texts for name in filter_.parameters):
        raise InvalidInputException(
            f"filterValues gives {', '.join(texts)}, but the filter asks for values for {asked}: "
            "names are written as in the filter, without the $."
        )
    operands = [predicate.operand for each in filter_.expressions for predicate in each.predicates]
    literals = {literal for operand in operands if isinstance(operand, tuple) for literal in operand}
    for name in texts:
        if f"${name}" in literals and name not in filter_.parameters:
            raise InvalidInputException(
                f'filterValues gives {name}, but "${name}" in the filter is a text, as it is in quotes: '
                f"create a filter with ${name} without quotes."
            )
    required = [name for each in filter_.expressions if each.include for name in each.parameters]
    missing = [f"${name}" for name in dict.fromkeys(required) if name not in texts]
    if missing:
        raise InvalidInputException(
            f"The filter needs values for {', '.join(missing)}: add them to filterValues, without the $."
        )


def _is_known(
    predicates: Sequence[Predicate], table: MetadataTable, user: User | None, asking: bool, text: str
) -> bool:
    """Whether a row, or the user who asks, has the text as a value of what the placeholder is compared with.

    asking: whether fields of Users are those of the one who asks.
    """
    return any(_has(predicate, table, user, asking, text) for predicate in predicates)


def _has(predicate: Predicate, table: MetadataTable, user: User | None, asking: bool, text: str) -> bool:
    column = predicate.column
    if column.dataset == "ACTION_INTERACTIONS":
        return bool(event_types(column.dataset, [text]) & {TAKEN, *DECLINED})
    if column.dataset == "INTERACTIONS":
        return user is not None and len(rows_touched(column.dataset, user, [text])) > 0
    if column.dataset == "USERS" and asking:
        value = user.attributes.get(column.name) if user is not None else None
        if user is None or not isinstance(value, str):
            return value is not None and to_number(text) is not None
        return text in (user.parts(column.name) if predicate.operator == "IN" else (value,))
    return table.column(column.name).has(predicate.operator, text)


def _bears(predicates: Sequence[Predicate], table: MetadataTable, asking: bool, sign: str) -> bool:
    """Whether a row of the metadata has a value with a sign in it."""
    columns = (each.column for each in predicates if each.column.dataset not in EVENT_DATASETS)
    own = (each for each in columns if each.dataset != "USERS" or not asking)
    return any(table.column(each.name).bears(sign) for each in own)


def _example(predicates: Sequence[Predicate]) -> str:
    """A number such as the columns hold."""
    return "1717243200" if any(predicate.column.name in TIMES for predicate in predicates) else "100"


def _kind(predicate: Predicate, table: MetadataTable, user: User | None, asking: bool) -> str:
    """Whether the placeholder is compared with numbers, categories or texts."""
    column = predicate.column
    if column.dataset in EVENT_DATASETS:
        return "texts"
    if column.dataset == "USERS" and asking:
        value = user.attributes.get(column.name) if user is not None else None
        if value is not None and not isinstance(value, str):
            return "numbers"
        return "categories" if user is not None and column.name in user.categories else "texts"
    return table.column(column.name).kind


def _check_times(name: str, values: tuple[str, ...], columns: Sequence[ColumnReference]) -> None:
    for column in (column for column in columns if column.name in TIMES):
        for value in values:
            if problem := misfit(column, value):
                raise InvalidInputException(f"filterValues.{name}: {problem}")

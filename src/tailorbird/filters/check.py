"""Whether a parsed filter fits the schemas of its dataset group (spec recipes-and-runtime 5.2 and 5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tailorbird.blanks import bare
from tailorbird.data.schema import Field, Schema
from tailorbird.data.values import CLOCK_DATE, DAY, LAST_DAY, LATEST_TIMESTAMP, TIMES, no_number
from tailorbird.errors import LimitExceededException
from tailorbird.filters.syntax import SPELLING, ColumnReference, Filter, Predicate, refuse
from tailorbird.numbers import to_number

MAX_FIELDS = 10
"""Distinct fields in one filter (spec recipes-and-runtime 5.4)."""

MILLISECONDS = "{column} holds epoch seconds, and {value} is in milliseconds or finer: divide by 1000 (or more)."
DATE = "{column} holds epoch seconds, and {value} is a date written as a number: write it as 1717243200 is."

_NEVER_FILTERED = {("ACTIONS", "EXPIRATION_TIMESTAMP"), ("ACTIONS", "REPEAT_FREQUENCY")}


def check(filter_: Filter, schemas: Mapping[str, Schema]) -> None:
    """Raises InvalidInputException where a field is missing, not filterable or misused.

    `schemas` by dataset type (ITEMS, USERS, ...). LimitExceededException: more than MAX_FIELDS fields.
    """
    if len(filter_.fields) > MAX_FIELDS:
        raise LimitExceededException(
            f"The filter uses {len(filter_.fields)} distinct fields; at most {MAX_FIELDS} are allowed."
        )
    for expression in filter_.expressions:
        for predicate in expression.predicates:
            left = _field(filter_, schemas, predicate.column)
            operand = predicate.operand
            right = _field(filter_, schemas, operand) if isinstance(operand, ColumnReference) else None
            for problem in _misfits(predicate, left, right):
                refuse(filter_.text, predicate.column.position, problem)


def _field(filter_: Filter, schemas: Mapping[str, Schema], column: ColumnReference) -> Field:
    schema = schemas.get(column.dataset)
    if schema is None:
        refuse(
            filter_.text,
            column.position,
            f"The dataset group has no {SPELLING[column.dataset]} dataset; create it first.",
        )
    found = schema.field(column.name)
    if found is None:
        names = ", ".join(each.name for each in schema.fields)
        refuse(filter_.text, column.position, f"The schema has no field {column}; its fields are {names}.")
    if found.type == "boolean" or found.textual or (column.dataset, column.name) in _NEVER_FILTERED:
        kind = "Boolean" if found.type == "boolean" else "Textual" if found.textual else "Such"
        refuse(filter_.text, column.position, f"{kind} fields cannot be filtered: {column}.")
    return found


def _misfits(predicate: Predicate, left: Field, right: Field | None) -> Iterator[str]:
    is_text = left.type == "string"
    column, operator, operand = predicate.column, predicate.operator, predicate.operand
    if is_text and operator in ("<", "<=", ">", ">="):
        yield f"{column} is text, which {operator} cannot order; use IN, NOT IN, = or !=."
    if right is not None and (right.type == "string") != is_text:
        yield f"{column} and CurrentItem.{right.name} must both be text or both be numbers."
    if right is not None and is_text and operator not in ("IN", "NOT IN"):
        yield f"{column} is text; compare it with CurrentItem by IN or NOT IN."
    if isinstance(operand, tuple) and not is_text:
        yield from (no_number(column, literal) for literal in operand if to_number(literal) is None)
        yield from filter(None, (misfit(column, literal) for literal in operand))


def misfit(column: ColumnReference, text: str) -> str:
    """Why a column of epoch seconds cannot be compared with a number; empty where it can."""
    number = to_number(text) if column.name in TIMES else None
    if number is None:
        return ""
    if re.match(DAY, bare(text), re.ASCII):  # as seconds, some night of August 1970
        return DATE.format(column=column, value=text)
    if number < LATEST_TIMESTAMP or LAST_DAY[0] <= number < LAST_DAY[1]:
        return ""
    words = DATE if re.match(CLOCK_DATE, bare(text), re.ASCII) else MILLISECONDS
    return words.format(column=column, value=text)

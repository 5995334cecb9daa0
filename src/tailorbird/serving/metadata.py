"""Columns of the Items dataset beside the items of an answer (spec recipes-and-runtime 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.serving import questions
from tailorbird.serving.questions import Deployment


def of_items(deployment: Deployment, items: Sequence[str], columns: Sequence[str]) -> list[dict[str, str]]:
    """For each item the columns that have a value, as text, by their camelCase names; {} without columns."""
    if not columns:
        return [{} for _ in items]
    found: dict[str, dict[str, str]] = {}
    others = deployment.served.unknown(items)
    for table, rows in [questions.rows(deployment), *([questions.rows(deployment, others)] if others else [])]:
        values = {camel_case(name): column for name in columns if len(column := table.values(name))}
        for item in (item for item in items if item in rows):
            cells = {name: column[rows[item]] for name, column in values.items()}
            found[item] = {name: text(cell) for name, cell in cells.items() if is_there(cell)}
    return [found[item] for item in items]


def camel_case(column: str) -> str:
    """PRODUCT_DESCRIPTION as productDescription: the one place for this rule (spec control-plane 8, number 20)."""
    first, *rest = column.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def is_there(value: object) -> bool:
    """Whether a cell holds a value; neither null nor NaN, which is unequal to itself, is one."""
    return value is not None and value == value


def text(value: object) -> str:
    """A cell as clients get it."""
    return str(value).lower() if isinstance(value, bool) else str(value)

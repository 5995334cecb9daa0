"""Every number at the top of a module says why it is what it is: where it was measured, or whose it is."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "tailorbird"


def has_number(statement: ast.stmt) -> bool:
    """Whether a statement sets a constant, by its upper-case name, to something that a number is part of."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    named = any(re.fullmatch(r"_?[A-Z][A-Z0-9_]*", ast.unparse(part)) for to in targets for part in ast.walk(to))
    parts = (each.value for each in ast.walk(statement.value) if isinstance(each, ast.Constant))
    return named and any(type(part) in (int, float) for part in parts)


def is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def unexplained(source: str) -> list[str]:
    """The constants without a docstring beneath or a comment; one above the first of several lines is for them all."""
    lines = ["", *source.splitlines()]
    found = []
    for statement, below in pairwise([*ast.parse(source).body, ast.Pass()]):
        if not has_number(statement) or is_text(below):
            continue
        first = statement.lineno
        while lines[first - 1] and not lines[first - 1].startswith("#"):
            first -= 1
        if not lines[first - 1] and "  # " not in lines[statement.lineno] + lines[statement.end_lineno or 0]:
            found.append(f"{statement.lineno}: {lines[statement.lineno]}")
    return found


@pytest.mark.parametrize(
    "source", ["A = 5\n", "# of another\n\nA = 5\n", 'A = 5\nB = 6\n"""Of B."""\n', "A = f(0.5)\n"]
)
def test_a_number_without_a_reason_is_found(source: str) -> None:
    assert len(unexplained(source)) == 1


@pytest.mark.parametrize("source", ['A = 5\n"""Why."""\n', "# Why.\nA = 5\nB = 6\n", "A = 5  # why\n", "a = 5\n"])
def test_a_number_with_a_reason_is_not(source: str) -> None:
    assert unexplained(source) == []


def test_every_number_of_ours_has_a_reason() -> None:
    found = {str(path.relative_to(SOURCES)): unexplained(path.read_text()) for path in SOURCES.rglob("*.py")}
    assert {name: constants for name, constants in found.items() if constants} == {}

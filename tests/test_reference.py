"""The generated reference is current and complete."""

from __future__ import annotations

from pathlib import Path

from tailorbird import reference
from tailorbird.api.operations import OPERATIONS
from tailorbird.wire import model

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "operations.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.operations(), "run make reference"


def test_every_operation_has_a_row() -> None:
    rows = [line.split(" | ") for line in reference.operations().splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert sorted(name for name in names if name != "operation") == sorted(model.operations())


def test_differences_are_told_of_operations_that_are_here() -> None:
    functions = {name: operation.function for name, operation in model.operations().items()}
    assert {name for name in reference.DIFFERENCES if functions[name] not in OPERATIONS} == set()

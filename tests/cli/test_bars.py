"""How far jobs are, on a terminal and through a pipe."""

from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console
from rich.progress import TextColumn

from tailorbird.cli import bars
from tailorbird.cli.bars import Bars


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [
        (0.0, ["import: 0% waiting", "training: 10% counting", "import: 50% reading [1]", "import: 100% done"]),
        (math.inf, ["import: 0% waiting", "training: 10% counting", "import: 100% done"]),
    ],
)
def test_a_pipe_gets_lines_that_are_apart_in_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, lines: list[str]
) -> None:
    monkeypatch.setattr(bars, "LINE_SECONDS", seconds)
    shown = io.StringIO()
    with Bars(Console(file=shown, width=10), TextColumn("{task.fields[text]}")) as drawn:
        drawn.show("import", 0.0, "0% waiting", begun=False)
        assert shown.getvalue() == "import: 0% waiting\n", "at once, as long as it is"
        drawn.show("training", 0.1, "10% counting")
        drawn.show("import", 0.5, "50% reading [1]")
        drawn.show("import", 1.0, "100% done")
    assert shown.getvalue().splitlines() == lines


def test_a_terminal_gets_a_bar_each() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, force_interactive=True, width=60)
    with Bars(console, TextColumn("{task.description}"), TextColumn("{task.fields[text]}", markup=False)) as drawn:
        drawn.show("import", 0.5, "50% reading [1]")
        drawn.show("training", 0.1, "10% counting")
    told = [line for line in shown.getvalue().splitlines() if "%" in line][-2:]
    assert re.search(r"import +50% reading \[1\]", told[0])
    assert re.search(r"training +10% counting", told[1])

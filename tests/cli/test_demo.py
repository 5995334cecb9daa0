"""What the demo shows while jobs wait for a core, and beside its metrics."""

from __future__ import annotations

import io

from rich.console import Console

from tailorbird.cli.demo.films import Films
from tailorbird.cli.demo.walk import Walk


def test_the_clock_of_a_training_stands_until_it_begins() -> None:
    shown = io.StringIO()
    films = Films("made up", [("u", "f", 5.0, 1)], {})
    console = Console(file=shown, force_terminal=True, width=100)
    walk = Walk(films, lambda service: None, lambda arn: (0.5, "half"), console)
    states = iter(["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"])
    clocks = []

    def describe(arn: str) -> dict[str, str]:
        clocks.append("-:--:--" in shown.getvalue())
        shown.seek(0)
        shown.truncate()
        return {"status": next(states)}

    walk._wait({"training": "arn"}, describe)
    assert clocks[0], "while it waits"
    assert "0:00:0" in shown.getvalue(), "in the end"

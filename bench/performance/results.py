"""What benches measured, in one form for all: docs/reference/performance.json, from which every page is made.

A bench keeps its result under a key of its own, in the place of the one before.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

FOLDER = Path("docs/reference")
FILE = FOLDER / "performance.json"


class Table(msgspec.Struct, frozen=True):
    """Figures, a line for each thing that was measured."""

    title: str
    columns: dict[str, str]
    """By name, how its figures are written: a format as `format` takes it."""
    rows: dict[str, list[float | None]]
    """By name, the figures in the order of the columns; None where there is none."""
    note: str = ""
    """Sentences below the table."""


class Curve(msgspec.Struct, frozen=True):
    """How one thing grows with another."""

    name: str
    """Of its file, without the ending."""
    title: str
    x: str
    y: str
    """What the axes show, with the unit."""
    lines: dict[str, list[tuple[float, float]]]
    """By name, the points."""
    logarithmic: bool = True
    """Whether both axes are."""


class Result(msgspec.Struct, frozen=True):
    """What one bench measured."""

    machine: str
    day: str
    tables: list[Table]
    curves: list[Curve] = []
    measures: dict[str, float] = {}
    """By name, what the goals and the guide of capacities look at."""


def result(tables: Sequence[Table], measures: Mapping[str, float], curves: Sequence[Curve] = ()) -> Result:
    """The result of a bench that has just run here."""
    return Result(machine(), datetime.now(UTC).date().isoformat(), list(tables), list(curves), dict(measures))


def keep(root: Path, key: str, found: Result, *, joined: bool = False) -> None:
    """Puts a result in the place of the last one of its key.

    joined: what the last one has and this has not stays: tables by title, curves by name, measures by name.
    """
    results = stored(root)
    if joined and key in results:
        found = _joined(results[key], found)
    text = msgspec.json.encode(dict(sorted((results | {key: found}).items())))
    (root / FILE).write_bytes(msgspec.json.format(text, indent=1) + b"\n")


def _joined(old: Result, new: Result) -> Result:
    tables = {table.title: table for table in [*old.tables, *new.tables]}
    curves = {curve.name: curve for curve in [*old.curves, *new.curves]}
    measures = old.measures | new.measures
    return Result(new.machine, new.day, list(tables.values()), list(curves.values()), measures)


def stored(root: Path) -> dict[str, Result]:
    """The results that are kept, by key."""
    file = root / FILE
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Result]) if file.exists() else {}


def machine() -> str:
    """What it is measured on, for readers."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((text.partition(":")[2].strip() for text in told if text.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def printed(table: Table) -> str:
    """A table for the terminal."""
    wide = max(map(len, [table.title, *table.rows]))
    widths = [max(len(name), 9) + 2 for name in table.columns]
    lines = [f"{table.title:{wide}}" + "".join(f"{name:>{at}}" for name, at in zip(table.columns, widths, strict=True))]
    for name, figures in table.rows.items():
        cells = (f"{cell:>{at}}" for cell, at in zip(written(table, figures), widths, strict=True))
        lines.append(f"{name:{wide}}" + "".join(cells))
    return "\n".join([*lines, table.note] if table.note else lines)


def written(table: Table, figures: Sequence[float | None]) -> list[str]:
    """The cells of a row."""
    forms = table.columns.values()
    return ["" if figure is None else format(figure, form) for figure, form in zip(figures, forms, strict=True)]


def say(text: str) -> None:
    """Reports on the way: a long run shows where it is."""
    print(text, file=sys.stderr, flush=True)


def finish(root: Path | None, key: str, found: Result, *, joined: bool = False) -> None:
    """Prints a result's tables, and keeps it where a checkout is named."""
    print("\n\n".join(map(printed, found.tables)), flush=True)
    if root:
        keep(root, key, found, joined=joined)

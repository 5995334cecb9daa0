"""The pages: docs/reference/performance.md with its plots, and a line of the README. All figures are kept results."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from performance import plots
from performance.goals import ACTED, GOALS, KNOWN
from performance.misses import WHY
from performance.results import FOLDER, Result, Table, stored, written

WIDTH = 120
"""Characters of a line of the README."""
BEGIN, END = "<!-- speed: begin, made by `python -m performance` -->", "<!-- speed: end -->"
PREAMBLE = """# Speed and cost

Made by `python -m performance` from what [`bench`](../../bench) measured (`make bench` runs all of it). A server runs
on one core, its client on another. What is compared ran in turns in the same run: its ratios can be compared between
machines, its figures cannot. Peers are what one would use instead: they check no signature and no row, and leave out
nothing that makes them slower.

Installations of these benches are trained briefly: the networks in them see each row of some users once, rather than
all rows up to twenty times, since what an answer costs depends on the shape of a model, which is that of a full
training, and not on the values in it. Where trainings are measured, they are whole.
"""
SECTIONS = {
    "serving": """## Answers

*Bare* is an ASGI application on the same HTTP server that answers the same bytes to everybody, the least that an answer
in Python costs; *item-kNN* and *ALS* are thirty lines of ASGI over models of `implicit`, which leave out what the user
knows. Rows without a time are left out: of ml-1m, in the copy that was measured, those of the users from 3000 on.
32 connections ask without a pause, so that p50 and p99 are mostly waiting in line; the median of some rounds.
At fixed rates requests are due at fixed times, whether earlier ones have come or not, and time counts from then.
""",
    "growth": """## Growth

One client asks, one question at a time, of a server on one core: *again* a user who asked before and
did nothing since, *first* each user for the first time, *mask* a filter with values that nobody asked for yet. The
recipe is aws-user-personalization-v2, which takes five million items; the data are made up, in size as the axis says.
""",
    "batch": """## Batch inference

Of all users: from the file of input lines to the file of answers. A job's start (a process, its modules, the model) is
taken off ours by a job of one line, and the peers' do not count loading either.
""",
    "events": """## Events

32 clients send one event a call and wait for the answer; what was acknowledged is on the disk. Raw SQLite writes the
same rows, 32 in a transaction, with as strict a sync, on the same core and disk.
""",
    "importing": """## Imports

The import job as a worker does it: every row checked, a report, a sorted and durable table. polars reads the CSV file,
encodes, sorts and writes, and checks nothing. Shares are of CPU time, without what a process takes that only starts.
""",
    "training": """## Trainings

From imported data to the model, as a worker does it; a training trains twice, to be measured and on everyone.
""",
    "process": """## The process
""",
}
"""What stands above a bench's tables, by how its keys begin; in the order of the page."""
DAY = 86_400
CAPACITIES = (
    ("serving", f"user-personalization, {KNOWN}, a second", DAY, "answers a day to users who ask again", ",.0f"),
    ("serving", f"user-personalization, {ACTED}, a second", DAY, "answers a day right after an event", ",.0f"),
    ("serving", f"v2, {KNOWN}, a second", DAY, "answers of v2 a day to users who ask again", ",.0f"),
    ("serving", f"v2, {ACTED}, a second", DAY, "answers of v2 a day right after an event", ",.0f"),
    ("events", "PutEvents a second", DAY, "events a day", ",.0f"),
    ("batch", "user-personalization, a second", 3600, "users an hour in batch, both cores", ",.0f"),
    ("batch", "v2, a second", 3600, "users of v2 an hour in batch, both cores", ",.0f"),
    ("growth", "MB for a million items", 1, "MB of memory for a million items, beside that of an idle process", ",.0f"),
    ("importing", "rows a second", 3600, "rows imported an hour", ",.0f"),
)
"""What a core gives: in which results, which measure, times what, is what, and how it is written."""


def write(root: Path) -> None:
    """Makes the page, its plots and the README's line from the kept results."""
    found = stored(root)
    text = "\n".join([PREAMBLE, goals(found), capacities(found), *sections(found)])
    (root / FOLDER / "performance.md").write_text(text, encoding="utf-8")
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n{line(found)}\n{END}{after}", encoding="utf-8")
    for old in (root / FOLDER).glob("performance-*.svg"):
        old.unlink()
    for result in found.values():
        for curve in result.curves:
            plots.draw(curve, root / FOLDER / f"performance-{curve.name}.svg")


def goals(found: Mapping[str, Result]) -> str:
    """The table of what was reached beside what was to be, and why not where not."""
    head = ["| | work | goal | reached | |", "| --- | --- | --- | ---: | --- |"]
    lines, missed = [], []
    for goal in GOALS:
        figure = measure(found, goal.bench, goal.measure)
        sign = "at most" if goal.most else "at least"
        word = "**reached**" if figure is not None and goal.reached(figure) else "missed" if figure is not None else ""
        told = "not measured" if figure is None else goal.form.format(figure)
        wanted = f"{sign} {goal.form.format(goal.wanted)}"
        lines.append(f"| {goal.bench} | {goal.measure} | {wanted} | {told} | {word} |")
        if goal.measure in WHY and word != "**reached**":
            missed.append(f"- *{goal.bench}, {goal.measure}*: {WHY[goal.measure]}")
    whys = ["", "Why they were missed:\n", *missed] if missed else []
    return "\n".join(["## Goals\n", *head, *lines, *whys, ""])


def capacities(found: Mapping[str, Result]) -> str:
    """What the machine gives, for who plans; empty where nothing is known."""
    lines = [
        f"| {format(figure * times, form)} | {what} |"
        for bench, name, times, what, form in CAPACITIES
        if (figure := measure(found, bench, name)) is not None
    ]
    told = "One core flat out, all day; plan for half of it. Events are of one client program on the other core.\n"
    return "\n".join(["## What a core gives\n", told, "| | |", "| ---: | --- |", *lines, ""]) if lines else ""


def sections(found: Mapping[str, Result]) -> Iterator[str]:
    """The parts of the page, those of a bench together."""
    for bench, text in SECTIONS.items():
        of_bench = {key: result for key, result in found.items() if _is_of(key, bench)}
        if of_bench:
            yield "\n".join([text, *(section(key, result) for key, result in of_bench.items())])


def section(key: str, result: Result) -> str:
    """The tables and plots of one result."""
    parts = [f"*{key}*, {result.day}, {result.machine}.\n"]
    parts += [markdown(table) for table in result.tables]
    parts += [f"![{curve.title}](performance-{curve.name}.svg)\n" for curve in result.curves]
    return "\n".join(parts)


def markdown(table: Table) -> str:
    """A table in Markdown."""
    lines = [
        "| " + " | ".join([table.title, *table.columns]) + " |",
        "| --- |" + " ---: |" * len(table.columns),
        *("| " + " | ".join([name, *written(table, figures)]) + " |" for name, figures in table.rows.items()),
    ]
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def line(found: Mapping[str, Result]) -> str:
    """What a core gives, in one sentence of the README."""
    key, result = _first(found, "serving")
    known, acted = (result.measures[f"user-personalization, {name}, a second"] for name in (KNOWN, ACTED))
    text = (
        f"One core gives {known:,.0f} personal answers a second to users who are known, "
        f"{known / result.measures['bare, a second']:.0%} of what an empty application gives there, and {acted:,.0f} "
        f"right after an event of the user's own ({key.partition(' ')[2]}; [all of it](docs/reference/performance.md))."
    )
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def measure(found: Mapping[str, Result], bench: str, name: str) -> float | None:
    """A measure of the first result of a bench that has any: by the order of their keys."""
    of_bench = [result for key, result in found.items() if _is_of(key, bench)]
    return next((result.measures[name] for result in of_bench if name in result.measures), None)


def _first(found: Mapping[str, Result], bench: str) -> tuple[str, Result]:
    return next((key, result) for key, result in found.items() if _is_of(key, bench))


def _is_of(key: str, bench: str) -> bool:
    return key.partition(" ")[0] == bench

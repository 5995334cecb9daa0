"""Tables of how fast answers are: docs/reference/performance.md and a line of the README.

Every figure comes from docs/reference/performance.json, which holds what was measured, by data set.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import msgspec

from serving.load import Flood

FOLDER = Path("docs/reference")
KEPT = "performance.json"
WIDTH = 120
"""Characters of a line of the README."""
BEGIN, END = "<!-- speed: begin, made by `python -m serving --write .` -->", "<!-- speed: end -->"
PREAMBLE = """# Speed of answers

Made by `python -m serving --write .` ([`bench/serving`](../../bench/serving)), which measured every figure. A server
runs on one core, and a client on another asks over 32 connections without a pause; the median of some rounds.
Signatures are verified. *Bare* is an ASGI application on the same HTTP server that answers the same bytes to everybody,
the least that an answer in Python costs; the peers are what one would write instead: thirty lines of ASGI over models
of `implicit`, which leave out what the user knows, and check no signature. All take turns in the same run: its ratios
can be compared between machines, its figures cannot. *Goal* is the share of bare that we want to reach. p50 and p99 are
those of a server that is never idle, so that they are mostly waiting in line.
"""
KNOWN, FILTERED, FIRST, ACTED = (
    "a known user again",
    "the same with a filter",
    "each user for the first time",
    "each user after an event of his own",
)


class Row(msgspec.Struct, frozen=True):
    """One line of a table."""

    name: str
    flood: Flood
    goal: float | None = None
    """The rate that is to be reached, as a share of bare; None for the others."""


class Run(msgspec.Struct, frozen=True):
    """What one run measured."""

    machine: str
    rows: list[Row]
    half: tuple[float, float, float]
    """At half of what the server can do for known users: answers a second, and milliseconds of p50 and p99."""
    memory: int
    """Bytes of the process, those shared with other processes left out."""


def goal(name: str, bare: Flood, peer: Flood) -> float | None:
    """What a line is to reach, as a share of bare. peer: the fastest."""
    shares = {
        f"user-personalization, {KNOWN}": 2 * peer.rate / bare.rate,
        f"user-personalization, {FILTERED}": 1.6 * peer.rate / bare.rate,
        f"user-personalization, {FIRST}": peer.rate / bare.rate,
        f"user-personalization, {ACTED}": peer.rate / bare.rate,
        f"v2, {KNOWN}": 0.12,
        f"v2, {FILTERED}": 0.8 * 0.12,
        f"v2, {FIRST}": 0.05,
        f"v2, {ACTED}": 0.05,
        "personalized-ranking of 100 items": 0.12,
        "sims": 0.25,
    }
    return shares.get(name)


def keep(root: Path, data: str, run: Run) -> None:
    """Puts a run in the place of the last one of its data set, and makes the tables."""
    file = root / FOLDER / KEPT
    runs = stored(root) | {data: run}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(runs.items()))), indent=1) + b"\n")
    write(root)


def stored(root: Path) -> dict[str, Run]:
    """The runs that are kept, by data set."""
    file = root / FOLDER / KEPT
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Run]) if file.exists() else {}


def write(root: Path) -> None:
    """Makes performance.md and the README's line from the kept runs."""
    runs = stored(root)
    text = "\n".join([PREAMBLE, *(section(data, run) for data, run in runs.items())])
    (root / FOLDER / "performance.md").write_text(text, encoding="utf-8")
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n{line(runs)}\n{END}{after}", encoding="utf-8")


def section(data: str, run: Run) -> str:
    """The table of a data set."""
    bare, peer = _named(run, "bare"), max((row.flood for row in run.rows[1:3]), key=lambda flood: flood.rate)
    lines = [
        f"## {data}\n",
        f"{run.machine}.\n",
        "| | answers/s | µs CPU | of bare | goal | times the faster peer | p50 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in run.rows:
        flood, share = row.flood, row.flood.rate / bare.rate
        wanted = "" if row.goal is None else f"{row.goal:.0%}, {'reached' if share >= row.goal else 'missed'}"
        lines.append(
            f"| {row.name} | {flood.rate:,.0f} | {flood.cpu:,.0f} | {share:.1%} | {wanted} | "
            f"{flood.rate / peer.rate:.2f} | {flood.p50:.1f} | {flood.p99:.1f} |"
        )
    rate, p50, p99 = run.half
    lines.append(
        f"\nAt half of the rate for known users, {rate:,.0f} answers a second that are due at fixed times, whether "
        f"earlier ones have come or not: p50 {p50:.1f} ms, p99 {p99:.1f} ms. Memory of the process: "
        f"{run.memory / 1e6:.0f} MB.\n"
    )
    return "\n".join(lines)


def line(runs: dict[str, Run]) -> str:
    """What a core gives, in one sentence."""
    data, run = next(iter(runs.items()))
    bare = _named(run, "bare")
    known, acted = (_named(run, f"user-personalization, {name}") for name in (KNOWN, ACTED))
    text = (
        f"One core gives {known.rate:,.0f} personal answers a second to users who are known, "
        f"{known.rate / bare.rate:.0%} of what an empty application gives there, and {acted.rate:,.0f} right after an "
        f"event of the user's own ({data}; [the table](docs/reference/performance.md))."
    )
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _named(run: Run, name: str) -> Flood:
    return next(row.flood for row in run.rows if row.name == name)

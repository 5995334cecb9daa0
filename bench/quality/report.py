"""Tables of results: on the terminal, in docs/reference/quality.md and in the README.

Every figure comes from docs/reference/quality.json, which holds what the runner measured.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quality.protocol import Protocol
from quality.runner import Result

FOLDER = Path("docs/reference")
BEGIN, END = "<!-- quality: begin, made by `python -m quality --write .` -->", "<!-- quality: end -->"
PREAMBLE = """# Recommendation quality

Made by `python -m quality --write .`; every figure was measured by that program
([`bench/quality`](../../bench/quality)) or, in rows marked *published*, printed by others. Recipes are trained with
their defaults: what is measured is what users get. All items are ranked, never a sample. Peers are trained in the
same process on the same split; where they have settings, these were chosen on validation data. ± is the standard
deviation over the seeds. Seconds are the wall time of one training, GB the peak memory of the process during it, on
{cores} cores.
"""


def table(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a Markdown table: recipes, peers and published figures."""
    lines = [("", *protocol.metrics, "seeds", "seconds", "GB")]
    for result in results:
        cells = (figure(result, name) for name in protocol.metrics)
        cost = (str(result.seeds), f"{result.seconds:.1f}", f"{result.gigabytes:.2f}")
        lines.append((label(result), *cells, *cost))
    for source, figures in protocol.published.items():
        cells = (f"{figures[name]:.4f}" if name in figures else "" for name in protocol.metrics)
        lines.append((f"{source} (*published*)", *cells, "", "", ""))
    return markdown(lines)


def figure(result: Result, metric: str) -> str:
    """Returns the mean over the seeds and, of several, their spread."""
    spread = f" ±{result.spreads[metric]:.4f}" if result.seeds > 1 else ""
    return f"{result.means[metric]:.4f}{spread}"


def label(result: Result) -> str:
    """Returns the name, with the settings chosen; our recipes are set in bold."""
    if result.kind == "recipe":
        return f"**{result.name}**"
    chosen = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    return f"{result.name} ({chosen})" if chosen else result.name


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells, the first of them the head, as a Markdown table."""
    head, *body = lines
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"


def keep(root: Path, protocol: Protocol, results: Sequence[Result]) -> None:
    """Puts results into the file of results; those of the same contestants are replaced."""
    found = stored(root)
    rows = {row["name"]: row for row in found.get(protocol.name, [])}
    day = datetime.now(UTC).date().isoformat()
    rows |= {result.name: dataclasses.asdict(result) | {"day": day, "cores": os.cpu_count()} for result in results}
    order = [one.name for one in protocol.contestants]
    found[protocol.name] = [rows[name] for name in order if name in rows]
    text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
    (root / FOLDER / "quality.json").write_text(text, encoding="utf-8")


def stored(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns what the file of results holds, by protocol."""
    file = root / FOLDER / "quality.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def kept(root: Path, protocol: Protocol) -> dict[str, Result]:
    """Returns a protocol's results in the file by contestant."""
    return {row["name"]: read(row) for row in stored(root).get(protocol.name, [])}


def write(root: Path, protocols: Iterable[Protocol]) -> None:
    """Makes quality.md and the README's table from the kept results."""
    found = stored(root)
    done = [(protocol, [read(row) for row in found[protocol.name]]) for protocol in protocols if protocol.name in found]
    cores = max(row["cores"] for rows in found.values() for row in rows)
    sections = [section(protocol, results) for protocol, results in done]
    text = "\n".join([PREAMBLE.format(cores=cores), overview(done), *sections])
    (root / FOLDER / "quality.md").write_text(text, encoding="utf-8")
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{overview(done)}{END}{after}", encoding="utf-8")


def read(row: dict[str, Any]) -> Result:
    """Returns one kept result."""
    return Result(**{field.name: row[field.name] for field in dataclasses.fields(Result)})


def section(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a protocol's part of quality.md."""
    return (
        f"## {protocol.name}\n\n{protocol.title}. Used: {protocol.used}. {verdict(protocol, results)}\n\n"
        f"`TAILORBIRD_DATA=... PYTHONPATH=src:bench .venv/bin/python -m quality {shlex.quote(protocol.name)}`\n\n"
        f"{table(protocol, results)}"
    )


def overview(done: Sequence[tuple[Protocol, Sequence[Result]]]) -> str:
    """Returns a table of one line a protocol: our best recipe beside the best peer and the best published figure."""
    lines: list[tuple[str, ...]] = [("", "metric", "best recipe", "", "best peer", "", "best published", "goal")]
    for protocol, results in done:
        metric = protocol.metrics[0]
        cells = []
        for kind in ("recipe", "peer"):
            top = best(results, kind, metric)
            cells += [top.name, f"{top.means[metric]:.4f}"] if top else ["", ""]
        printed = max((figures[metric] for figures in protocol.published.values() if metric in figures), default=None)
        anchor = "" if printed is None else f"{printed:.4f}"
        lines.append((protocol.name, metric, *cells, anchor, "reached" if reached(protocol, results) else "missed"))
    return markdown(lines)


def best(results: Sequence[Result], kind: str, metric: str) -> Result | None:
    """Returns the recipe or peer that did best; None where none took part."""
    return max((one for one in results if one.kind == kind), key=lambda one: one.means[metric], default=None)


def goals(protocol: Protocol, results: Sequence[Result]) -> dict[str, float]:
    """Returns what the best recipe is to reach by metric, the best peer's figure included."""
    metric = protocol.metrics[0]
    peer = best(results, "peer", metric)
    if protocol.over_peers is None or peer is None:
        return dict(protocol.goals)
    return {**protocol.goals, metric: max(protocol.goals.get(metric, 0), protocol.over_peers * peer.means[metric])}


def reached(protocol: Protocol, results: Sequence[Result]) -> bool:
    """Returns whether the best recipe reaches every goal."""
    ours = best(results, "recipe", protocol.metrics[0])
    return ours is not None and all(ours.means[name] >= goal for name, goal in goals(protocol, results).items())


def verdict(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a sentence on whether the goals are reached, and by how much."""
    ours = best(results, "recipe", protocol.metrics[0])
    if ours is None:
        return ""
    against = ", ".join(
        f"{name} {ours.means[name]:.4f} of {goal:.4f}" for name, goal in goals(protocol, results).items()
    )
    return f"Goal {'reached' if reached(protocol, results) else 'missed'} by {ours.name}: {against}."

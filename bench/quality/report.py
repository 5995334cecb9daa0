"""Tables of results: on the terminal, in docs/reference/quality.md and in the README.

Every figure comes from docs/reference/quality.json, which holds what the runner measured.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from quality.comparison import SURE, Opponent, Result, judged, peers, printed
from quality.protocol import Contestant, Protocol
from quality.results import read, stored

FOLDER = Path("docs/reference")
BEGIN, END = "<!-- quality: begin, made by `python -m quality --write .` -->", "<!-- quality: end -->"
PREAMBLE = """# Recommendation quality

Made by `python -m quality --write .`; every figure was measured by that program
([`bench/quality`](../../bench/quality)) or, in rows marked *published*, printed by others. All items are ranked, never
a sample. Of each section the first recipe is judged; it was named before anything was measured, and is trained with its
defaults: what is measured is what users get. Peers are trained by the same program on the same split; where they have
settings, these were chosen on validation data, and a best value at the end of the range that was tried is called so.

**won** and **lost**: the difference is more than twice its standard error, over the seeds and over the questions
together, paired where every question's result was kept; **tied**: it is not. Where the questions' results were not kept
(older runs, published figures), a win has to exceed the largest error that the figures allow, and a lower figure within
it is called **behind**. A published figure is compared only where its models used the same information.

± beside a figure is the standard deviation over the seeds. Seconds are the wall time of one training, GB the peak
memory of the process during it, on {cores} cores.
"""
MEASURES = """NDCG@10: how high the right items stand among the first ten; 1 is perfect, and a right item counts less
the further down it stands. HR@20, hit rate: how often the right item is among the first twenty. MRR@20: one over the
place of the right item, 0 where it is not among the first twenty. Recall@25: the share of the right items that is among
the first twenty-five; *cold* items have no interaction yet. ± after Tailorbird's figure is the standard deviation over
trainings, where there are several; ± after a difference is twice its standard error, over trainings and questions.
"""


def write(root: Path, protocols: Iterable[Protocol]) -> None:
    """Makes quality.md and the README's table from the kept results."""
    found = stored(root)
    done = [(protocol, [read(row) for row in found.get(protocol.name, [])]) for protocol in protocols]
    cores = max((row["cores"] for rows in found.values() for row in rows), default=0)
    sections = [section(protocol, results) for protocol, results in done]
    text = "\n".join([PREAMBLE.format(cores=cores), overview(done), *sections])
    run = [(protocol, results) for protocol, results in done if judged(protocol, results)]
    (root / FOLDER / "quality.md").write_text(text, encoding="utf-8")
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{overview(run)}\n{missing(done)}{MEASURES}{END}{after}", encoding="utf-8")


Done = Sequence[tuple[Protocol, Sequence[Result]]]
"""Protocols, each with the results that there are."""
Opponents = Callable[[Protocol, Sequence[Result], str], Sequence[Opponent]]
OPPONENTS: Mapping[str, Opponents] = {"the best peer": peers, "the best published figure": printed}


def overview(done: Done) -> str:
    """Returns the count of verdicts, and a table of one line a verdict's metric."""
    lines: list[tuple[str, ...]] = [
        ("What is asked", "What models may use", "Measure", "Tailorbird", "Best peer trained here", "Best published")
    ]
    for protocol, results in done:
        ours = judged(protocol, results)
        for metric in protocol.verdicts:
            told = f"{figure(ours, metric)} ({ours.name.removeprefix('aws-')})" if ours else "not run"
            peer = f"{against(peers(protocol, results, metric))}{lack(protocol, results)}"
            anchor = against(printed(protocol, results, metric))
            lines.append((protocol.question, protocol.used, metric, told, peer, anchor))
    return f"{tally(done)}\n\n{markdown(lines, left=3)}"


def missing(done: Done) -> str:
    """Returns which questions, and which peers, were put to nobody yet."""
    left = [f"{protocol.question} ({protocol.used})" for protocol, results in done if not judged(protocol, results)]
    named = {one.name for protocol, _ in done for one in protocol.contestants if one.kind == "peer"}
    never = sorted(named - {result.name for _, results in done for result in results})
    told = [f"Not run yet: {'; '.join(left)}."] if left else []
    told += [f"Peers that were never run: {', '.join(never)}."] if never else []
    return "\n\n".join([*told, ""])


def tally(done: Done) -> str:
    """Returns how many lines of the overview are won, tied, behind and lost; those that lack peers by themselves."""
    whole = [(protocol, results) for protocol, results in done if not lack(protocol, results)]
    part = [(protocol, results) for protocol, results in done if lack(protocol, results)]
    told = {
        "the best of all peers": (peers, whole),
        "the best of those peers that were run, where some were not": (peers, part),
        "the best published figure": (printed, done),
    }
    return " ".join(f"Against {whom}: {_counts(found, lines)}." for whom, (found, lines) in told.items())


def _counts(found: Opponents, done: Done) -> str:
    each = (found(protocol, results, metric) for protocol, results in done for metric in protocol.verdicts)
    counts = Counter(opponents[0].margin.verdict for opponents in each if opponents)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("won", "tied", "behind", "lost") if counts[verdict])


def against(opponents: Sequence[Opponent]) -> str:
    """Returns the verdict against the best, with the difference, and who else is ahead."""
    if not opponents:
        return "–"
    best, *others = opponents
    chance = f" ±{SURE * best.margin.error:.4f}" if np.isfinite(best.margin.error) else ""
    ahead = ", ".join(f"{one.name} {one.figure:.4f}" for one in others if one.margin.mean < 0)
    also = f"; also behind {ahead}" if ahead else ""
    return f"**{best.margin.verdict}** {best.margin.mean:+.4f}{chance}: {best.name} {best.figure:.4f}{also}"


def lack(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns how many of the peers were run, where some were not and a better one may be among them."""
    wanted = {one.name for one in protocol.contestants if one.kind == "peer"}
    found = wanted & {result.name for result in results}
    return f" ({len(found)} of {len(wanted)} peers run)" if found and found < wanted else ""


def section(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a protocol's part of quality.md."""
    said = [
        f"{metric} against {whom}: {against(opponents)}."
        for metric in protocol.verdicts
        for whom, found in OPPONENTS.items()
        if (opponents := found(protocol, results, metric))
    ]
    by = f"Judged: {protocol.judged.name}, by {', '.join(protocol.verdicts)}."
    return (
        f"## {protocol.name}: {protocol.question}\n\n"
        f"{protocol.title}. Used: {protocol.used}. {' '.join([by, *said])}\n\n"
        f"`TAILORBIRD_DATA=... PYTHONPATH=src:bench .venv/bin/python -m quality {shlex.quote(protocol.name)}`\n\n"
        f"{table(protocol, results)}"
    )


def table(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a Markdown table: recipes, peers, also those that were not run, and published figures."""
    lines = [("", *protocol.metrics, "seeds", "seconds", "GB")]
    found = {result.name: result for result in results}
    for one in protocol.contestants:
        result = found.get(one.name)
        if result is None:
            lines.append((label(one, None), *["not run"] * len(protocol.metrics), "", "", ""))
            continue
        cells = (figure(result, name) for name in protocol.metrics)
        cost = (str(result.seeds), f"{result.seconds:.1f}", f"{result.gigabytes:.2f}")
        lines.append((label(one, result), *cells, *cost))
    for anchor in protocol.published:
        cells = (f"{anchor.figures[name]:.4f}" if name in anchor.figures else "" for name in protocol.metrics)
        other = "" if anchor in protocol.anchors else f"; not compared, it used: {anchor.used}"
        lines.append((f"{anchor.source} (*published*{other})", *cells, "", "", ""))
    return markdown(lines)


def figure(result: Result, metric: str) -> str:
    """Returns the mean over the seeds and, of several, their spread."""
    spread = f" ±{result.spreads[metric]:.4f}" if result.seeds > 1 else ""
    return f"{result.means[metric]:.4f}{spread}"


def label(one: Contestant, result: Result | None) -> str:
    """Returns the name, with the settings chosen; our recipes are set in bold."""
    if one.kind == "recipe":
        return f"**{one.name}**"
    if result is None or not result.settings:
        return one.name
    chosen = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    ends = f"; at the end of the range tried: {', '.join(result.ends)}" if result.ends else ""
    return f"{one.name} ({chosen}{ends})"


def markdown(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Returns rows of cells, the first of them the head, as a Markdown table; so many columns are set left."""
    head, *body = lines
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"

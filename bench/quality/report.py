"""Tables of results: on the terminal, in docs/reference/quality.md and in the README.

Every figure comes from docs/reference/quality.json, which holds what the runner measured.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from quality.comparison import (
    POPULARITY,
    SURE,
    Opponent,
    Result,
    Standing,
    Verdict,
    chance,
    judged,
    not_run,
    peers,
    printed,
    standing,
)
from quality.protocol import Contestant, Protocol
from quality.results import read, stored

FOLDER = Path("docs/reference")
BEGIN, END = "<!-- quality: begin, made by `python -m quality --write .` -->", "<!-- quality: end -->"
PREAMBLE = """# Recommendation quality

Made by `python -m quality --write .`; every figure was measured by that program
([`bench/quality`](../../bench/quality)) or, in rows marked *published*, printed by others. All items are ranked, never
a sample. Of each section the first recipe is judged; it was named before anything was measured, and is trained with its
defaults: what is measured is what users get. Where peers have settings, these were chosen on validation data, and a
best value at the end of the range that was tried is called so. Seconds are the wall time of one training, GB the peak
memory of the process during it, on {cores} cores.
"""
LEGEND = """± after a difference or a figure is twice its standard error, over trainings and questions: chance does more
in 5 cases of 100 only (from two or three trainings this is a rough estimate). **won** and **lost**: the difference is
greater than that; **tied**: it is not. Older runs and published figures come without the result of each question; there
± is wider than need be, and a lower figure within it is called **tied or lost**, since it may be either. *ahead* is
higher by more than ±, but only some of the peers were run; then nothing is called won or tied. Where only popularity
was run, the same list for everybody, there is no verdict.

Peers are methods that others have published, trained by the same program on the same split. In square brackets stands
what a peer uses, or does without, where the line allows more. A published figure is compared only where its models used
the same information; it comes without an error, and where questions are drawn at random (Amazon's figures are of one
draw) gets that of one draw of ours.
"""
MEASURES = """NDCG@10: how high the right items stand among the first ten; 1 is perfect, and a right item counts less
the further down it stands. HR@20, hit rate: how often the right item is among the first twenty. MRR@20: one over the
place of the right item, 0 where it is not among the first twenty. Recall@25: the share of the right items that is among
the first twenty-five; *cold* items have no interaction yet.
"""
UNCOUNTED: Mapping[Standing, str] = {
    "ahead": "ahead of all peers that were run, while others were not",
    POPULARITY: f"where {POPULARITY}",
}
"""What is no verdict, and how the count of verdicts says so."""
METRIC_MARK, PRINTED_MARK = "†", "‡"
"""In the overview, of lines with a note on the metric or on the verdict beside published figures."""


def write(root: Path, protocols: Iterable[Protocol]) -> None:
    """Makes quality.md and the README's table from the kept results."""
    found = stored(root)
    done = [(protocol, [read(row) for row in found.get(protocol.name, [])]) for protocol in protocols]
    cores = max((row["cores"] for rows in found.values() for row in rows), default=0)
    sections = [section(protocol, results) for protocol, results in done]
    text = "\n".join([PREAMBLE.format(cores=cores), overview(done, done), *sections])
    run = [(protocol, results) for protocol, results in done if judged(protocol, results)]
    (root / FOLDER / "quality.md").write_text(text, encoding="utf-8")
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = f"{BEGIN}\n{overview(run, done)}{missing(done)}\n{MEASURES}{END}"
    readme.write_text(f"{before}{table}{after}", encoding="utf-8")


Done = Sequence[tuple[Protocol, Sequence[Result]]]
"""Protocols, each with the results that there are."""
COLUMNS = ("What is asked", "What models may use", "Measure", "Tailorbird", "Best peer trained here", "Best published")


def overview(shown: Done, done: Done) -> str:
    """Returns the count of verdicts, a table of one line a verdict's metric, and what its words and marks mean."""
    lines = [COLUMNS, *(line(protocol, results, metric) for protocol, results in shown for metric in protocol.verdicts)]
    notes = [(METRIC_MARK, protocol.metric_note) for protocol, _ in shown]
    notes += [(PRINTED_MARK, protocol.printed_note) for protocol, _ in shown]
    texts = [f"{mark} {note}\n" for mark, note in dict.fromkeys(notes) if note]
    return "\n".join([f"{tally(done)}\n", markdown(lines, left=3), *texts, LEGEND])


def line(protocol: Protocol, results: Sequence[Result], metric: str) -> tuple[str, ...]:
    """Returns a line of the overview: a question, and who answers it how well."""
    ours = judged(protocol, results)
    told = f"{ours.means[metric]:.4f} ({ours.name.removeprefix('aws-')})" if ours else "not run"
    measure = f"{metric} {METRIC_MARK}" if protocol.metric_note else metric
    peer, anchor = against_peers(protocol, results, metric), against_printed(protocol, results, metric)
    return protocol.question, protocol.used, measure, told, peer or "–", anchor or "–"


def missing(done: Done) -> str:
    """Returns which questions were put to nobody yet."""
    asked = [f"{protocol.question} ({protocol.used})" for protocol, results in done if not judged(protocol, results)]
    return f"\nNot run yet: {'; '.join(asked)}.\n" if asked else ""


def tally(done: Done) -> str:
    """Returns how the overview's lines stand: what is decided, what is not, and which peers were never run."""
    lines = [(protocol, results, metric) for protocol, results in done for metric in protocol.verdicts]
    beside_peers = Counter(standing(*one) for one in lines)
    best = [(protocol, printed(protocol, results, metric)) for protocol, results, metric in lines]
    beside_printed = Counter(found[0].margin.verdict for _, found in best if found)
    noted = sum(bool(one.printed_note) for one, found in best if found and found[0].margin.verdict == "won")
    mark = f" ({noted} of them {PRINTED_MARK})" if noted else ""
    told = [f"Lines against the best peer: {_counts(beside_peers)}."]
    open_ = [f"{beside_peers[word]} {text}" for word, text in UNCOUNTED.items() if beside_peers[word]]
    told += [f"Not counted: {'; '.join(open_)}."] if open_ else []
    told += [f"Peers that were run in no line: {absent}."] if (absent := never(done)) else []
    told.append(f"Lines against the best published figure: {_counts(beside_printed, mark)}.")
    return " ".join(told)


def _counts(counts: Counter[Any], mark: str = "") -> str:
    marks = {"won": mark}
    told = (f"{counts[word]} {word}{marks.get(word, '')}" for word in get_args(Verdict) if counts[word])
    return ", ".join(told) or "none"


def never(done: Done) -> str:
    """Returns the peers that no protocol has a result of, those of one library together."""
    ran = {result.name for _, results in done for result in results}
    names: dict[str, list[str]] = {}
    for name in dict.fromkeys(one.name for protocol, _ in done for one in protocol.peers if one.name not in ran):
        short, _, rest = name.partition(" (")
        names.setdefault(f" ({rest}" if rest else "", []).append(short)
    return "; ".join(f"{', '.join(short)}{rest}" for rest, short in names.items())


def against_peers(protocol: Protocol, results: Sequence[Result], metric: str) -> str:
    """Returns how the recipe stands beside the best of the peers, and how many of them were not run."""
    found = peers(protocol, results, metric)
    word = standing(protocol, results, metric)
    if not found or not word:
        return "none was run" if judged(protocol, results) else ""
    count = not_run(protocol, results)
    texts = {"ahead": f"*ahead* {difference(found)}", POPULARITY: f"{POPULARITY}: {named(found[0])}"}
    rest = f"; {count} of {len(protocol.peers)} peers not run" if count else ""
    return f"{texts.get(word, f'**{word}** {difference(found)}')}{rest}"


def against_printed(protocol: Protocol, results: Sequence[Result], metric: str) -> str:
    """Returns the verdict against the best published figure; nothing where there is none to compare with."""
    found = printed(protocol, results, metric)
    mark = f" {PRINTED_MARK}" if protocol.printed_note else ""
    return f"**{found[0].margin.verdict}**{mark} {difference(found)}" if found else ""


def difference(opponents: Sequence[Opponent]) -> str:
    """Returns by how much the recipe is ahead of the best, and who else has a higher figure than the recipe."""
    best, *others = opponents
    error = f" ±{SURE * best.margin.error:.4f}" if np.isfinite(best.margin.error) else ""
    higher = ", ".join(named(one) for one in others if one.margin.mean < 0)
    also = f"; also higher: {higher}" if higher else ""
    return f"{best.margin.mean:+.4f}{error}: {named(best)}{also}"


def named(one: Opponent) -> str:
    """Returns an opponent's name, what it makes use of, and its figure."""
    return f"{one.name} [{one.uses}] {one.figure:.4f}" if one.uses else f"{one.name} {one.figure:.4f}"


COMPARISONS = {"the best peer": against_peers, "the best published figure": against_printed}


def section(protocol: Protocol, results: Sequence[Result]) -> str:
    """Returns a protocol's part of quality.md."""
    said = [
        f"{metric} against {whom}: {text}."
        for metric in protocol.verdicts
        for whom, compared in COMPARISONS.items()
        if (text := compared(protocol, results, metric))
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
            lines.append((label(protocol, one, None), *["not run"] * len(protocol.metrics), "", "", ""))
            continue
        cells = (figure(protocol, results, result, name) for name in protocol.metrics)
        cost = (str(result.seeds), f"{result.seconds:.1f}", f"{result.gigabytes:.2f}")
        lines.append((label(protocol, one, result), *cells, *cost))
    for anchor in protocol.published:
        cells = (f"{anchor.figures[name]:.4f}" if name in anchor.figures else "" for name in protocol.metrics)
        other = "" if anchor in protocol.anchors else f"; not compared, it used: {anchor.used}"
        lines.append((f"{anchor.source} (*published*{other})", *cells, "", "", ""))
    return markdown(lines)


def figure(protocol: Protocol, results: Sequence[Result], one: Result, metric: str) -> str:
    """Returns a contestant's mean over the seeds, and what chance may do to it."""
    error = chance(protocol, results, one, metric)
    return f"{one.means[metric]:.4f} ±{error:.4f}" if np.isfinite(error) else f"{one.means[metric]:.4f}"


def label(protocol: Protocol, one: Contestant, result: Result | None) -> str:
    """Returns the name, with the settings chosen and what a peer makes use of; our recipes are set in bold."""
    if one.kind == "recipe":
        return f"**{one.name}**"
    settings = result.settings if result else {}
    ends = f"at the end of the range tried: {', '.join(result.ends)}" if result and result.ends else ""
    uses = f"uses {protocol.less(one)}" if protocol.less(one) else ""
    chosen = ", ".join(f"{name} {value}" for name, value in settings.items())
    said = "; ".join(part for part in (chosen, ends, uses) if part)
    return f"{one.name} ({said})" if said else one.name


def markdown(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Returns rows of cells, the first of them the head, as a Markdown table; so many columns are set left."""
    head, *body = lines
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"

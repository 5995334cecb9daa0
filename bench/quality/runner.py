"""Trains and measures a protocol's contestants, one after the other, in this process."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quality.comparison import Result
from quality.protocol import Contestant, Protocol, Values
from tailorbird.evaluation.ranking import RankingSplit

Run = tuple[Result, Mapping[int, Values]]
"""A result, and the values of every question by seed, of the seeds that were run just now."""


def run(
    protocol: Protocol, folder: Path, seeds: int, only: Sequence[str], kept: Mapping[str, Result]
) -> Iterator[list[Run]]:
    """Yields a run for each contestant, or for each one named in `only`, over the seeds so far, after each seed.

    Seeds that the `kept` results are over already are not run again: theirs and the others' are put together.
    """
    contestants = [one for one in protocol.contestants if not only or one.name in only]
    before = {one.name: kept[one.name] for one in contestants if one.name in kept}
    chosen = {name: result.settings for name, result in before.items()}
    values: dict[str, dict[int, Values]] = {one.name: {} for one in contestants}
    costs: dict[str, list[Cost]] = {one.name: [] for one in contestants}
    for seed in range(first_seed(protocol, contestants, before), seeds):
        split = protocol.split(folder, seed)
        for one in contestants:
            if one.name not in chosen:
                chosen[one.name] = choose(protocol, one, split)
            values[one.name][seed], cost = train_and_measure(protocol, one, split, seed, chosen[one.name])
            costs[one.name].append(cost)
            tell(protocol, one, f"seed {seed}", {**means(values[one.name][seed]), "seconds": cost.seconds})
        asked = len(split.queries)
        results = [summary(one, list(values[one.name].values()), costs[one.name], chosen, asked) for one in contestants]
        yield [
            (pooled(before[result.name], result) if before else result, dict(values[result.name])) for result in results
        ]


def first_seed(protocol: Protocol, contestants: Sequence[Contestant], before: Mapping[str, Result]) -> int:
    """Returns the first seed that none of the contestants has; raises ValueError where some have more than others."""
    counts = {before[one.name].seeds if one.name in before else 0 for one in contestants}
    if len(counts) > 1:
        raise ValueError(f"{protocol.name}: contestants have different seeds, so go on with some of them alone")
    return counts.pop()


def choose(protocol: Protocol, one: Contestant, split: RankingSplit) -> Mapping[str, Any]:
    """Returns the settings of the grid that do best on validation data."""
    if len(one.grid) == 1:
        return one.grid[0]
    if protocol.validation is None:
        raise ValueError(f"{protocol.name}: {one.name} has settings to choose from, so give the protocol a validation")
    inner = [protocol.validation(split, seed) for seed in range(protocol.validations)]
    gains = []
    for settings in one.grid:
        figures = [means(protocol.measure(one.train(each.train, 0, **settings), each)) for each in inner]
        gains.append(float(np.mean([figure[protocol.metrics[0]] for figure in figures])))
        tell(protocol, one, f"validation of {dict(settings)}", {protocol.metrics[0]: gains[-1]})
    return one.grid[int(np.argmax(gains))]


@dataclass(frozen=True)
class Cost:
    """Of one training: wall time, and the process's peak memory."""

    seconds: float
    gigabytes: float


def train_and_measure(
    protocol: Protocol, one: Contestant, split: RankingSplit, seed: int, settings: Mapping[str, Any]
) -> tuple[Values, Cost]:
    """Returns the values of every question, and what the training cost."""
    gc.collect()
    forget_peak_memory()
    began = time.perf_counter()
    model = one.train(split.train, seed, **settings)
    cost = Cost(time.perf_counter() - began, peak_memory() / 1e9)
    return protocol.measure(model, split), cost


def means(values: Values) -> dict[str, float]:
    """Returns the means over the questions, by metric."""
    return {name: float(np.mean(each)) for name, each in values.items()}


def summary(
    one: Contestant,
    values: Sequence[Values],
    costs: Sequence[Cost],
    chosen: Mapping[str, Mapping[str, Any]],
    questions: int,
) -> Result:
    """Returns means, spreads over the seeds and errors over the questions."""
    figures = {name: np.array([means(each)[name] for each in values]) for name in values[0]}
    asked = [name for name, each in values[0].items() if np.ndim(each)]
    variances = {name: [np.var(each[name], ddof=1) / len(each[name]) for each in values] for name in asked}
    return Result(
        one.name,
        one.kind,
        {name: float(each.mean()) for name, each in figures.items()},
        {name: float(each.std()) for name, each in figures.items()},
        len(values),
        chosen[one.name],
        float(np.mean([cost.seconds for cost in costs])),
        max(cost.gigabytes for cost in costs),
        questions,
        {name: float(np.sqrt(np.mean(each))) for name, each in variances.items()},
        one.ends(chosen[one.name]),
    )


def pooled(before: Result, after: Result) -> Result:
    """Returns one contestant's result over the seeds of both."""
    share = np.array([before.seeds, after.seeds]) / (before.seeds + after.seeds)

    def spread(name: str) -> float:
        means = np.array([before.means[name], after.means[name]])
        variances = np.array([before.spreads[name], after.spreads[name]]) ** 2
        return float(np.sqrt(share @ (variances + (means - share @ means) ** 2)))

    def error(name: str) -> float:
        return float(np.sqrt(share @ np.square([before.errors[name], after.errors[name]])))

    return replace(
        after,
        means={name: float(share @ (before.means[name], after.means[name])) for name in after.means},
        spreads={name: spread(name) for name in after.means},
        seeds=before.seeds + after.seeds,
        seconds=float(share @ (before.seconds, after.seconds)),
        gigabytes=max(before.gigabytes, after.gigabytes),
        errors={name: error(name) for name in after.errors if name in before.errors},
    )


def tell(protocol: Protocol, one: Contestant, what: str, figures: Mapping[str, float]) -> None:
    """Reports on the way: a long run shows where it is."""
    text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    print(f"{protocol.name} {one.name}, {what}: {text}", file=sys.stderr, flush=True)


def forget_peak_memory() -> None:
    """Makes the kernel count the peak anew (Linux: proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Returns the most resident memory since, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

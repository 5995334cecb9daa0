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

from quality.protocol import Contestant, Protocol
from tailorbird.evaluation import Split


@dataclass(frozen=True)
class Result:
    """What one contestant reached: a row of the table."""

    name: str
    kind: str
    """recipe, peer or published."""
    means: Mapping[str, float]
    spreads: Mapping[str, float]
    """Standard deviations over the seeds; empty where somebody else measured."""
    seeds: int
    settings: Mapping[str, Any]
    """Chosen on validation data."""
    seconds: float
    """Wall time of one training, mean over the seeds."""
    gigabytes: float
    """Peak memory of the process during a training, data and libraries included, highest of the seeds."""


def run(
    protocol: Protocol, folder: Path, seeds: int, only: Sequence[str], kept: Mapping[str, Result]
) -> Iterator[list[Result]]:
    """Yields a result for each contestant, or for each one named in `only`, over the seeds so far, after each seed.

    Seeds that the `kept` results are over already are not run again: theirs and the others' are put together.
    """
    contestants = [one for one in protocol.contestants if not only or one.name in only]
    before = {one.name: kept[one.name] for one in contestants if one.name in kept}
    chosen = {name: result.settings for name, result in before.items()}
    measured: dict[str, list[Mapping[str, float]]] = {one.name: [] for one in contestants}
    for seed in range(first_seed(protocol, contestants, before), seeds):
        split = protocol.split(folder, seed)
        for one in contestants:
            if one.name not in chosen:
                chosen[one.name] = choose(protocol, one, split)
            measured[one.name].append(train_and_measure(protocol, one, split, seed, chosen[one.name]))
            tell(protocol, one, f"seed {seed}", measured[one.name][-1])
        results = [summary(protocol, one, measured[one.name], chosen[one.name]) for one in contestants]
        yield [pooled(before[result.name], result) if before else result for result in results]


def first_seed(protocol: Protocol, contestants: Sequence[Contestant], before: Mapping[str, Result]) -> int:
    """Returns the first seed that none of the contestants has; raises ValueError where some have more than others."""
    counts = {before[one.name].seeds if one.name in before else 0 for one in contestants}
    if len(counts) > 1:
        raise ValueError(f"{protocol.name}: contestants have different seeds, so go on with some of them alone")
    return counts.pop()


def choose(protocol: Protocol, one: Contestant, split: Split) -> Mapping[str, Any]:
    """Returns the settings of the grid that do best on validation data."""
    if len(one.grid) == 1:
        return one.grid[0]
    if protocol.validation is None:
        raise ValueError(f"{protocol.name}: {one.name} has settings to choose from, so give the protocol a validation")
    inner = [protocol.validation(split, seed) for seed in range(protocol.validations)]
    gains = []
    for settings in one.grid:
        figures = [protocol.measure(one.train(each.train, 0, **settings), each) for each in inner]
        gains.append(float(np.mean([figure[protocol.metrics[0]] for figure in figures])))
        tell(protocol, one, f"validation of {dict(settings)}", {protocol.metrics[0]: gains[-1]})
    return one.grid[int(np.argmax(gains))]


def train_and_measure(
    protocol: Protocol, one: Contestant, split: Split, seed: int, settings: Mapping[str, Any]
) -> dict[str, float]:
    """Returns the metrics, with the training's `seconds` and `gigabytes`."""
    gc.collect()
    forget_peak_memory()
    began = time.perf_counter()
    model = one.train(split.train, seed, **settings)
    cost = {"seconds": time.perf_counter() - began, "gigabytes": peak_memory() / 1e9}
    return {**protocol.measure(model, split), **cost}


def summary(
    protocol: Protocol, one: Contestant, measured: Sequence[Mapping[str, float]], settings: Mapping[str, Any]
) -> Result:
    """Returns means and spreads over the seeds."""
    table = {name: np.array([figures[name] for figures in measured]) for name in (*protocol.metrics, "seconds")}
    return Result(
        one.name,
        one.kind,
        {name: float(table[name].mean()) for name in protocol.metrics},
        {name: float(table[name].std()) for name in protocol.metrics},
        len(measured),
        settings,
        float(table["seconds"].mean()),
        max(figures["gigabytes"] for figures in measured),
    )


def pooled(before: Result, after: Result) -> Result:
    """Returns one contestant's result over the seeds of both."""
    share = np.array([before.seeds, after.seeds]) / (before.seeds + after.seeds)

    def spread(name: str) -> float:
        means = np.array([before.means[name], after.means[name]])
        variances = np.array([before.spreads[name], after.spreads[name]]) ** 2
        return float(np.sqrt(share @ (variances + (means - share @ means) ** 2)))

    return replace(
        after,
        means={name: float(share @ (before.means[name], after.means[name])) for name in after.means},
        spreads={name: spread(name) for name in after.means},
        seeds=before.seeds + after.seeds,
        seconds=float(share @ (before.seconds, after.seconds)),
        gigabytes=max(before.gigabytes, after.gigabytes),
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

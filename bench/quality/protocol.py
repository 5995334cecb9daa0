"""What a protocol is: how public data are split, what is measured, and who takes part.

A protocol's module (p4.py, p5.py, ...) holds `PROTOCOLS`, a tuple of these; the runner does everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tailorbird.evaluation import Scorer, Split
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.recipe import Interactions, silent


@dataclass(frozen=True)
class Contestant:
    """A recipe with its defaults, or a peer: something to train on a split and to measure."""

    name: str
    train: Callable[..., Scorer]
    """Called as train(data, seed, **settings)."""
    kind: Literal["recipe", "peer"] = "peer"
    grid: tuple[Mapping[str, Any], ...] = ({},)
    """Settings to choose from on validation data, once a protocol, by the protocol's first metric."""


@dataclass(frozen=True)
class Protocol:
    """One line of questions put to many models."""

    name: str
    """Such as P4d."""
    title: str
    """The data and the rule, in a sentence."""
    used: str
    """Which information the recipes may use: order, timestamps, metadata, request time."""
    metrics: tuple[str, ...]
    """The table's columns; the first is the one that settings are chosen by and that goals are about."""
    split: Callable[[Path, int], Split]
    """Makes seed's split of the data sets in a folder; where the split is fixed the seed is only the training's."""
    measure: Callable[[Scorer, Split], Mapping[str, float]]
    contestants: tuple[Contestant, ...]
    validation: Callable[[Split, int], Split] | None = None
    """Makes a split of a split's training part, as alike as can be; needed where a contestant has a grid."""
    validations: int = 1
    """Validation splits to average over: more where few are asked."""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figures of others by source and metric."""
    goals: Mapping[str, float] = field(default_factory=dict)
    """What the best recipe is to reach, by metric."""
    over_peers: float | None = None
    """By what factor the best recipe is to exceed the best peer of the same run, in the first metric."""
    seeds: int = 3


def recipe(name: str) -> Contestant:
    """Returns one of our recipes as its users get it by default."""
    ours = RECIPES[name]

    def train(data: Interactions, seed: int) -> Scorer:
        return ours.train(data, settings_of(ours, {}, {}, seed), silent)

    return Contestant(name, train, "recipe")

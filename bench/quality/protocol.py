"""What a protocol is: how public data are split, what is measured, and who takes part.

A protocol's module (p4.py, p5.py, ...) holds `PROTOCOLS`, a tuple of these; the runner does everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tailorbird.evaluation.ranking import Ranker, RankingSplit
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.recipe import Interactions, silent

ORDER = "order alone"
STRICT = "order alone; the item before the last is kept out of training"
TIMES = "order and times"
"""What the models may use. Figures are compared only where it is the same."""

Values = Mapping[str, NDArray[np.float64]]
"""By metric: one value a question, or a single one (without dimension) where the metric is about all lists together."""

ALL = 1_000_000
"""As many as there are."""


@dataclass(frozen=True)
class Contestant:
    """A recipe with its defaults, or a peer: something to train on a split and to measure."""

    name: str
    train: Callable[..., Ranker]
    """Called as train(data, seed, **settings)."""
    kind: Literal["recipe", "peer"] = "peer"
    grid: tuple[Mapping[str, Any], ...] = ({},)
    """Settings to choose from on validation data, once a protocol, by the protocol's first metric."""

    def ends(self, chosen: Mapping[str, Any]) -> list[str]:
        """Returns the settings whose chosen value is the least or the greatest of the grid, so that more may be better.

        0, 1 and `ALL`, and yes and no, are ends of nature.
        """
        tried = {name: {settings[name] for settings in self.grid} for name in chosen}
        return [
            name
            for name, values in tried.items()
            if len(values) > 1 and chosen[name] in {min(values), max(values)} - {0, 1, ALL}
        ]


@dataclass(frozen=True)
class Published:
    """Figures that others printed."""

    source: str
    used: str
    """Which information they used, in the words of a protocol's `used`."""
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Protocol:
    """One line of questions put to many models."""

    name: str
    """Such as P4d."""
    question: str
    """What is asked and of which data, in a newcomer's words."""
    title: str
    """The data and the rule, in a sentence."""
    used: str
    """Which information the contestants may use: order, timestamps, metadata, request time."""
    metrics: tuple[str, ...]
    """The table's columns; the first is the one that settings are chosen by."""
    split: Callable[[Path, int], RankingSplit]
    """Makes seed's split of the data sets in a folder; where the split is fixed the seed is only the training's."""
    measure: Callable[[Ranker, RankingSplit], Values]
    contestants: tuple[Contestant, ...]
    """The first is the recipe that is judged: named before anything is measured, never the best of several."""
    judged_by: tuple[str, ...] = ()
    """Of the metrics; the first of them where none are named."""
    drawn: bool = False
    """Whether each seed puts other questions."""
    validation: Callable[[RankingSplit, int], RankingSplit] | None = None
    """Makes a split of a split's training part, as alike as can be; needed where a contestant has a grid."""
    validations: int = 1
    """Validation splits to average over: more where few are asked."""
    published: tuple[Published, ...] = ()
    seeds: int = 3

    @property
    def judged(self) -> Contestant:
        """The recipe that is judged."""
        return self.contestants[0]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The metrics that there are verdicts on."""
        return self.judged_by or self.metrics[:1]

    @property
    def anchors(self) -> tuple[Published, ...]:
        """The published figures to compare with: those of models that used what the contestants may use."""
        return tuple(one for one in self.published if one.used == self.used)


def recipe(name: str) -> Contestant:
    """Returns one of our recipes as its users get it by default."""
    ours = RECIPES[name]

    def train(data: Interactions, seed: int) -> Ranker:
        return ours.train(data, settings_of(ours, {}, {}, seed), silent)

    return Contestant(name, train, "recipe")

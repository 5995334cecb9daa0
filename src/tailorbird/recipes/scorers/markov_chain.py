"""What follows what: a decayed first-order Markov chain over each user's distinct items.

Each pair of items at most `WINDOW` places apart counts `DECAY` to the power of the distance, backwards half of
it; a history's score for an item is the decayed sum of its recent items' transition shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tailorbird.recipes.matrices import closeness
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.merged import Part, alone
from tailorbird.recipes.scorers.scorer import csr_rows, load_csr, save_csr
from tailorbird.recipes.scorers.sums import rows_of

WINDOW = 20
"""Places. Sequential rules chose 20 or 50 on all but one of the protocols P2 and P3 (docs/reference/quality.md)."""
DECAY = 0.9
"""A place. Rules without a blend want less, .1 to .7 by validation in P2 and P3; here the last item is not alone, and
EASE and others share the work."""
BACKWARDS = 0.5
"""Weight of a pair the other way round: order tells something and closeness too. Rules forwards alone are the peer in
P2 and P3; not tuned."""
LAST = 20
"""Distinct recent items that count: what is further back weighs less than .13 of the newest."""
WEIGHTS = (DECAY ** np.arange(LAST)).astype(np.float32)
FLOOR = 0.0005
"""Share below which an item does not follow: one in 2000; not tuned."""
RARE = 3.0
"""Items followed less often than this have their shares damped instead of divided by next to nothing: fewer than three
pairs are chance."""


@dataclass(frozen=True)
class MarkovChain:
    """Transition shares: row i tells what comes around item i."""

    shares: sparse.csr_matrix

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of the decayed sum of transition shares."""
        return alone("follows", self.part, queries, self.shares.shape[1], np.log(FLOOR))

    @cached_property
    def part(self) -> Part:
        """As `MergedScorer` says."""
        return *rows_of(self.shares), WEIGHTS, FLOOR

    def save(self, folder: Path) -> None:
        """Writes the shares."""
        save_csr(folder, "shares", self.shares)


def train(data: Interactions) -> MarkovChain:
    """Counts the pairs, and divides each item's by their sum."""
    counts = closeness(data, WINDOW, DECAY, BACKWARDS)
    scale = 1 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), RARE)
    shares = sparse.csr_matrix(sparse.diags_array(scale.astype(np.float32)) @ counts)
    shares.sort_indices()
    return MarkovChain(shares)


def load(folder: Path) -> MarkovChain:
    """Reads what `MarkovChain.save` wrote."""
    return MarkovChain(load_csr(folder, "shares", csr_rows(folder, "shares")))

"""Popularity as of a moment: interactions before the request count, older ones less.

Decayed counts are tabulated at moments spread evenly over the interactions, so a request long after the
training data meets the last table, and a test user of long ago meets the popularity of that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailorbird.data.clocks import DAY
from tailorbird.recipes.recipe import Interactions, Query
from tailorbird.recipes.scorers.merged import Part
from tailorbird.recipes.scorers.sums import queries_of
from tailorbird.storage.arrays import load_arrays, save_arrays

RECENT_HALF_LIFE = 90.0 * DAY
"""Seconds; for what is popular now: a season, short enough to forget the last one; not tuned, its weight in the blend
is learned."""
MOST_TABLES = 200
"""Moments at which the counts are kept: of a year's even traffic one every two days, where half-lives are of months."""
MOST_CELLS = 8_000_000
"""Bound on all of them (32 MB): there are fewer moments where items are many."""
FLOOR = 0.01
"""Share of the average item's count that every item has at least, so that logs are finite and average is worth 4.6 more
than nothing."""


@dataclass(frozen=True)
class DecayedPopularity:
    """Log shares (moment, item) and the moments, ascending."""

    moments: NDArray[np.int64]
    log_shares: NDArray[np.float32]

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns the log of each item's decayed share at the last moment not after the request."""
        rows = self.rows(queries_of(queries).moments)
        return self.log_shares[rows] if len(rows) > 1 else self.log_shares[rows.item() :][:1]  # which is not copied

    @property
    def part(self) -> Part:
        """As `MergedScorer` says."""
        return self.moments, self.log_shares

    def rows(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the row of the last moment not after each time; of the first moment where there is none."""
        return np.maximum(np.searchsorted(self.moments, times, "right") - 1, 0)

    def save(self, folder: Path) -> None:
        """Writes moments.npy and log_shares.npy."""
        save_arrays(folder, moments=self.moments, log_shares=self.log_shares)


def train(data: Interactions, half_life: float) -> DecayedPopularity:
    """Tabulates the counts; `half_life` is in seconds, infinity for plain popularity of all times."""
    order = np.argsort(data.timestamp, kind="stable")
    time, item = data.timestamp[order], data.item[order]
    weight = np.ones(len(order)) if data.weight is None else data.weight[order]
    tables = 1 if np.isinf(half_life) else int(np.clip(MOST_CELLS // len(data.items), 1, MOST_TABLES))
    ends = np.unique(np.linspace(0, len(time), tables + 1).astype(np.int64)[1:])
    ends = ends[ends > 0]
    counts = np.zeros(len(data.items))
    log_shares = np.empty((len(ends), len(data.items)), np.float32)
    start, before = 0, time[0]
    for table, end in enumerate(ends):
        now = time[end - 1]
        counts *= np.exp2(-(now - before) / half_life)
        fresh = weight[start:end] * np.exp2(-(now - time[start:end]) / half_life)
        counts += np.bincount(item[start:end], fresh, len(counts))
        log_shares[table] = np.log((counts + FLOOR * counts.mean()) / counts.sum())
        start, before = end, now
    return DecayedPopularity(time[ends - 1], log_shares)


def load(folder: Path) -> DecayedPopularity:
    """Reads what `DecayedPopularity.save` wrote."""
    return DecayedPopularity(*map(np.asarray, load_arrays(folder, "moments", "log_shares")))

"""Which times in the data can be believed: those that are not after now.

A sender's clock may be wrong, or write local time as if it were UTC. What it tells stays in the data, but such a time
is no measure of anything: wherever the newest time is asked for, it is the newest that can be believed.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

DAY = 86_400
"""Seconds."""
TOLERANCE = 15 * 60
"""Seconds that a clock may be ahead: as many as the signature of a request allows it (spec control-plane 1.3)."""

EARLIEST = 788_918_400
"""1995-01-01: hardly a record of what users did is older, so that a time before it was none, or not in seconds."""


def believed(now: float) -> float:
    """Returns the last epoch second that can be believed at `now`."""
    return now + TOLERANCE


def ahead(times: NDArray[np.int64], now: float) -> NDArray[np.bool_]:
    """Returns which of the times (epoch seconds) cannot be believed at `now`."""
    return np.asarray(times > believed(now))


def newest(times: NDArray[np.int64], now: float) -> int:
    """Returns the newest of the times that can be believed; 0 where there is none."""
    return int(times[~ahead(times, now)].max(initial=0))


def settled(
    times: NDArray[np.int64],
    arrival: NDArray[np.int64],
    now: float,
    *,
    user: NDArray[np.int64] | None = None,
    alone: float | None = None,
) -> NDArray[np.int64]:
    """Returns the times, with others in the place of those that cannot be believed.

    What came with such a time counts as of the newest that had arrived by then: it can hardly have happened later,
    and keeps its place among what its user did. Where none of its user's had, it counts as of the oldest of these, if
    not older, since it came before all of them. Where only other users' arrived, and after it, as of the newest of
    all; and where there is no other, as of `alone`, which is now unless given.

    arrival: parallel to `times`; grows from row to row as they arrived, and is the same for what arrived together.
    user: likewise, whose each row is, as a number from 0; None where all are of one.
    """
    wrong = ahead(times, now)
    if not wrong.any():
        return times
    latest = newest(times, now) or int(now if alone is None else alone)
    order = np.argsort(arrival, kind="stable")
    reached = np.maximum.accumulate(np.where(wrong, -1, times)[order])
    found = reached[np.searchsorted(arrival[order], arrival[wrong], "right") - 1]
    made = times.copy()
    made[wrong] = np.where(found < 0, latest, found)
    whose = np.zeros(len(times), np.int64) if user is None else user
    first, oldest = np.full((2, whose.max() + 1), np.iinfo(np.int64).max)
    np.minimum.at(first, whose[~wrong], arrival[~wrong])
    np.minimum.at(oldest, whose[~wrong], times[~wrong])
    before = wrong & (arrival < first[whose])
    made[before] = np.minimum(made[before], oldest[whose[before]])
    return made


def newest_first(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order from the newest to the oldest, of times in the order of their arrival: of equal ones the last first."""
    return np.argsort(times, kind="stable")[::-1]


class Window:
    """The newest of each kind, one after the other from the newest to the oldest.

    A time that cannot be believed takes nobody's place: of those that can the first `most` count, of the others those
    that are among the first `most` of all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: Counter[tuple[str, bool]] = Counter()

    def holds(self, kind: str, *, wrong: bool) -> bool:
        """Whether the next one is among them. wrong: its time cannot be believed."""
        self._seen[kind, wrong] += 1
        others = self._seen[kind, False] if wrong else 0
        return self._seen[kind, wrong] + others <= self._most

"""Which times in the data can be believed: those that are not after now.

A sender's clock may be wrong, or write local time as if it were UTC. What it tells stays in the data, but such a time
is no measure of anything: wherever the newest time is asked for, it is the newest that can be believed.
"""

from __future__ import annotations

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


def settled(times: NDArray[np.int64], arrival: NDArray[np.int64], now: float) -> NDArray[np.int64]:
    """Returns the times, with others in the place of those that cannot be believed.

    What came with such a time counts as of the newest that had arrived by then: it can hardly have happened later,
    and keeps its place among what its user did. Where only others arrived before it, as of the newest of all; and
    where there is no other, as of now.

    arrival: parallel to `times`; grows from row to row as they arrived, and is the same for what arrived together.
    """
    wrong = ahead(times, now)
    if not wrong.any():
        return times
    latest = newest(times, now) or int(now)
    order = np.argsort(arrival, kind="stable")
    reached = np.maximum.accumulate(np.where(wrong, -1, times)[order])
    found = reached[np.searchsorted(arrival[order], arrival[wrong], "right") - 1]
    made = times.copy()
    made[wrong] = np.where(found < 0, latest, found)
    return made

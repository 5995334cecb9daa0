"""When something that was set for a time has come, by a wall clock that may be put back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SLACK = 5.0
"""Seconds by which two readings of the clock may differ because they are not of the same moment: a process of a busy
machine may wait for so long between them; not tuned."""


def is_due(at: float, length: float, now: float) -> bool:
    """Whether a moment has come that was set `length` seconds ahead; all in (epoch) seconds.

    One that is further ahead than that was set before the clock was put back: nobody knows when it would have come, and
    it counts as come rather than stand still for as long as the clock went back.
    """
    return at <= now or at > beyond(length, now)


def beyond(length: float, now: float) -> float:
    """After which moment nothing can be due that was set at most `length` seconds ahead."""
    return now + length + SLACK


class Steps:
    """Notices when the wall clock is put forward or back; time that passes is told by the monotonic one."""

    def __init__(self, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._steady = clock, steady
        self._lead = clock() - steady()

    def look(self) -> float:
        """By how many seconds the clock was put forward since the last look (negative: back), which is logged."""
        lead = self._clock() - self._steady()
        step = lead - self._lead
        if abs(step) <= SLACK:
            return 0.0
        self._lead = lead
        log.warning("the clock was put %s", "forward" if step > 0 else "back", extra={"seconds": round(abs(step), 1)})
        return step

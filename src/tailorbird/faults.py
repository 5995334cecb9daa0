"""What fails in the background: told once until it changes, and tried again after longer and longer intervals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path

from tailorbird.errors import AwsError, DamagedFile

log = logging.getLogger(__name__)

FIRST_SECONDS = 1.0
"""Until the second try; each further one waits twice as long as the one before. Not tuned."""
LONGEST_SECONDS = 600.0
"""Long enough that a fault costs nothing, short enough that what was mended is taken up by itself: not tuned."""
_PLAIN = (AwsError, OSError, BrokenExecutor)
"""Errors whose words say all; others are defects, and their place in the code is logged as well."""


@dataclass
class _Fault:
    text: str
    wait: float
    until: float
    """On the monotonic clock."""


class Faults:
    """The faults of one process, each by words for what it is about: an ARN, or the name of a task."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, longest: float = LONGEST_SECONDS) -> None:
        """longest: seconds between two tries at most."""
        self._clock = clock
        self._longest = longest
        self._known: dict[str, _Fault] = {}
        self._met: dict[Path, tuple[str, float]] = {}

    def attempt(self, what: str, task: Callable[[], object]) -> bool:
        """Does the task, unless it failed and must wait; an error ends here. Returns whether the task was done."""
        if self.waits(what):
            return False
        try:
            task()
        except Exception as error:
            self.failed(what, error)
            return False
        self.worked(what)
        return True

    def waits(self, what: str) -> bool:
        """Whether it is too early for another try."""
        return what in self._known and self._clock() < self._known[what].until

    def failed(self, what: str, error: BaseException) -> None:
        """Takes note of an error; logs it when it is another one than the last time."""
        text = f"{type(error).__name__}: {error}"
        known = self._known.get(what)
        wait = min(self._longest, FIRST_SECONDS if known is None else known.wait * 2)
        if known is None or known.text != text:
            told = {"of": what, "error": text, "next_try_in": wait}
            log.error("failed; tried again later", exc_info=None if isinstance(error, _PLAIN) else error, extra=told)
        self._known[what] = _Fault(text, wait, self._clock() + wait)

    def met(self, error: DamagedFile) -> None:
        """Takes note of a damaged file that a request or a look met; logs it once, and each other damage of it."""
        text = str(error)
        if self._met.get(error.path, ("", 0.0))[0] != text:
            log.error("a file is damaged", extra={"path": error.path, "reason": text})
        self._met[error.path] = text, self._clock()

    def damaged(self) -> set[Path]:
        """Files that were met damaged lately."""
        since = self._clock() - LONGEST_SECONDS
        return {path for path, (_, met) in list(self._met.items()) if met >= since}

    def worked(self, what: str) -> None:
        """Takes note that there is no fault (any more)."""
        if self._known.pop(what, None) is not None:
            log.info("works again", extra={"of": what})

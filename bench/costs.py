"""What a process takes: CPU time, wall time and peak memory, as the kernel tells them (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Cost(NamedTuple):
    """What a process took."""

    cpu: float
    """Seconds, as wall."""
    wall: float
    peak: float
    """Memory, GB."""


COLUMNS = {"CPU s": ",.2f", "wall s": ",.2f", "peak GB": ".2f"}
"""Above costs in a table."""


def of(program: str, *arguments: str, quiet: bool = False) -> Cost:
    """Runs a module in a fresh process, with the processes that it waits for; raises RuntimeError where it fails.

    quiet: whether what it says is of no interest.
    """
    began = time.monotonic()
    out = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen([sys.executable, "-m", program, *arguments], stdout=out)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{program} {' '.join(arguments)} ended with {child.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss * 1024 / 1e9)


def medians(found: Sequence[Cost]) -> Cost:
    """Of each figure by itself."""
    return Cost(*map(median, zip(*found, strict=True)))

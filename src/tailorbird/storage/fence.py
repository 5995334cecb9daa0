"""The right of one run of a job to make something visible: whoever lost it may go on writing, but nobody sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass


@dataclass(frozen=True)
class Fence:
    """What stores ask before something that was written takes its place."""

    owner: str = ""
    """Tells this run from others of the same job; what is being written carries it in its name."""
    held: Callable[[], AbstractContextManager[None]] = nullcontext
    """For a `with` inside which nobody else gets the right; raises where somebody has it already. It keeps all writers
    of documents waiting."""


FREE = Fence()
"""Of what one may do at any time."""

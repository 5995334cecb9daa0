"""The same seed, the same model: also where several models are trained at once, as in an HPO."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Lets torch draw from `seed`, and leaves its generator as it was; one caller at a time.

    The generator is the process's: two trainings at once would take each other's numbers. They lose little by
    waiting, since torch uses all cores for one.
    """
    import torch

    with _ALONE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

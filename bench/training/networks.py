"""How many rows a second of CPU time a network learns from: ours of aws-user-personalization-v2, and RecTools' SASRec.

Both train for an epoch on the same users of MovieLens 1M, with histories of 200 films and of the width that ours has
for all users; each in a process of its own, and on one thread, since threads that wait for each other take CPU time.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tailorbird.recipes.recipe import Epoch, Interactions

USERS, HELD_OUT = 400, 20
"""Of those that are learned from; the others only decide when a longer training would end."""
OURS, PEER = "v2's transformer", "SASRec (RecTools)"
COLUMNS = {"rows": ",.0f", "CPU s": ",.1f", "rows a CPU second": ",.0f"}
ADVANTAGE = 2.46
"""Rows that ours learned from in the time that the peer took for one, when issues of speed were looked at first:
7,000 to 7,500 a second of CPU time beside 2,900 to 3,000. What a training costs now is told as a share of that."""


def films() -> Interactions:
    """MovieLens 1M, in the order of P1 of bench/quality."""
    from quality.p6 import load

    return load(Path(os.environ["TAILORBIRD_DATA"]))


def by_transformer(place: Path, users: int) -> None:
    """Trains ours; counted from its first step on, since what comes before is done once for all epochs."""
    import torch

    from quality.datasets import some_users
    from tailorbird.recipes import user_personalization_v2
    from tailorbird.recipes.scorers import transformer_training

    torch.set_num_threads(1)
    data = films()
    plan = replace(user_personalization_v2.transformer_plan(data, user_personalization_v2.Settings()), epochs=1)
    learned, held_out = some_users(data, users, 0), some_users(data, HELD_OUT, 1)
    began: list[float] = []

    def watch(share: float, told: str | Epoch) -> None:
        began.append(time.process_time())

    transformer_training.train(learned, held_out, plan, watch)
    _tell(place, OURS, len(learned.user), time.process_time() - began[0])


def by_sasrec(place: Path, users: int) -> None:
    """Trains the peer, which sees the last films of each history."""
    import torch

    from quality.datasets import some_users
    from quality.peers.rectools_models import sequential
    from tailorbird.recipes import user_personalization_v2

    torch.set_num_threads(1)
    data = films()
    plan = user_personalization_v2.transformer_plan(data, user_personalization_v2.Settings())
    learned = some_users(data, users, 0)
    began = time.process_time()
    sequential("SASRec", plan.length, plan.width, 1).train(learned, 0)
    took = time.process_time() - began
    _tell(place, PEER, int(np.minimum(np.bincount(learned.user), plan.length).sum()), took)


def told(place: Path) -> dict[str, list[float | None]]:
    """The rows of the table."""
    found = {name: json.loads((place / f"{name}.json").read_text()) for name in (OURS, PEER)}
    return {name: [rows, cpu, rows / cpu] for name, (rows, cpu) in found.items()}


def _tell(place: Path, name: str, rows: int, cpu: float) -> None:
    (place / f"{name}.json").write_text(json.dumps([rows, cpu]))

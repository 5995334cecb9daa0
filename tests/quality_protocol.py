"""A protocol of the quality bench on made-up data, and who takes part."""

from __future__ import annotations

import numpy as np

from quality.comparison import Result
from quality.metrics import Unseen, ranking
from quality.peers.linear import train_ease, train_popular
from quality.protocol import ORDER, TIMES, Contestant, Protocol, Published
from tailorbird.evaluation.ranking import split
from tailorbird.recipes.recipe import Interactions

ITEMS = 40
METRICS = ("NDCG@10", "HR@10")


def walks(users: int = 60) -> Interactions:
    """Makes users who go round a ring of items, each from another place."""
    length = 12
    start = np.repeat(np.arange(users) * 7, length)
    return Interactions(
        users=np.array([f"u{number:02}" for number in range(users)]),
        items=np.array([f"i{number:02}" for number in range(ITEMS + 1)]),  # nobody touches the last
        user=np.repeat(np.arange(users, dtype=np.int32), length),
        item=((start + np.tile(np.arange(length), users)) % ITEMS).astype(np.int32),
        timestamp=np.tile(np.arange(length, dtype=np.int64), users),
        event_type=np.zeros(users * length, np.int16),
    )


def made_up(*contestants: Contestant) -> Protocol:
    return Protocol(
        "P0",
        "what comes next on a ring",
        "A ring",
        ORDER,
        METRICS,
        lambda folder, seed: split(walks(), seed),
        lambda model, asked: ranking(Unseen(model), asked.queries, asked.truths, METRICS),
        contestants,
        drawn=True,
        validation=lambda asked, seed: split(asked.train, seed),
        published=(
            Published("somebody", ORDER, {"NDCG@10": 0.1}),
            Published("somebody with a clock", TIMES, {"NDCG@10": 0.9}),
        ),
    )


EASE = Contestant("EASE", train_ease, grid=({"regularisation": 5.0, "last": 0}, {"regularisation": 5.0, "last": 3}))
POPULAR = Contestant("popular", train_popular, popularity=True)


def measured(name: str, mean: float, kind: str = "peer", **more: object) -> Result:
    return Result(
        name, kind, {"NDCG@10": mean}, {"NDCG@10": 0.0}, **{"seeds": 1, **more}, settings={}, seconds=1, gigabytes=1
    )

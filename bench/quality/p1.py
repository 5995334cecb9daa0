"""P1: MovieLens 1M, each user's last film from all before it.

The order and the 3,416 films are those of SASRec; the data have times for half the users only, so that a row's time
is its place in the user's history.
"""

from __future__ import annotations

from quality.next_item import METRICS, last_of_each, measure, strict
from quality.p6 import load
from quality.peers.linear import POPULAR
from quality.protocol import Protocol, recipe

OURS = recipe("aws-user-personalization-v2")

PROTOCOLS = (
    Protocol(
        "P1",
        "MovieLens 1M in SASRec's order; each user's last film is the truth; seen films removed",
        "order",
        METRICS,
        lambda folder, _: last_of_each(load(folder)),
        measure,
        (OURS, strict(OURS), POPULAR),
        published={
            "SASRec with cross-entropy, d=256": {"NDCG@10": 0.1858, "HR@10": 0.3207},
            "gSASRec": {"NDCG@10": 0.1726, "HR@10": 0.3003},
            "HSTU-large, with timestamps": {"NDCG@10": 0.2164, "HR@10": 0.3642},
        },
        goals={"NDCG@10": 0.187, "HR@10": 0.321},
    ),
)

"""P1: MovieLens 1M, each user's last film from all before it.

The order and the 3,416 films are those of SASRec; the data have times for half the users only, so that a row's time
is its place in the user's history.
"""

from __future__ import annotations

from quality.next_item import METRICS, QUICK, last_of_each, measure, strict, validation
from quality.p6 import load
from quality.peers.rectools_models import MODELS, sequential
from quality.protocol import ORDER, STRICT, TIMES, Protocol, Published, recipe

NETWORKS = tuple(sequential(name, length=200, width=64, epochs=30) for name in MODELS)
"""Hours each."""

PUBLISHED = (
    Published("ICSRec (WSDM 2024; its cut of the data is not verified)", STRICT, {"NDCG@10": 0.2007, "HR@10": 0.3369}),
    Published("SASRec with cross-entropy, width 256", STRICT, {"NDCG@10": 0.1858, "HR@10": 0.3207}),
    Published("gSASRec", STRICT, {"NDCG@10": 0.1726, "HR@10": 0.3003}),
    Published("TV-Rec (NeurIPS 2025), the last 50 films", STRICT, {"NDCG@10": 0.1658, "HR@10": 0.2904}),
    Published("HSTU with full softmax", ORDER, {"NDCG@10": 0.1944, "HR@10": 0.3419}),
    Published("HSTU-large, with times", TIMES, {"NDCG@10": 0.2164, "HR@10": 0.3642}),
)


def _protocol(name: str, used: str) -> Protocol:
    narrowed = strict if used == STRICT else lambda split: split
    return Protocol(
        name,
        "next film, MovieLens 1M",
        "MovieLens 1M in SASRec's order; each user's last film is the truth; seen films removed",
        used,
        METRICS,
        lambda folder, _: narrowed(last_of_each(load(folder))),
        measure,
        (recipe("aws-user-personalization-v2"), *NETWORKS, *QUICK),
        validation=validation,
        published=PUBLISHED,
    )


PROTOCOLS = (_protocol("P1 strict", STRICT), _protocol("P1", ORDER))

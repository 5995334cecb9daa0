"""P2: Amazon reviews, each user's last purchase from all before it.

The five-cores of Zhou et al., S3-Rec, CIKM 2020: Beauty, and Sports and Outdoors, in that paper's order. Times are to
the day; brands and categories are the items' metadata.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from quality.next_item import METRICS, QUICK, last_of_each, measure, order_only, strict, validation
from quality.peers.linear import RECENT
from quality.peers.rectools_models import MODELS, sequential
from quality.protocol import ORDER, STRICT, Protocol, Published, recipe
from tailorbird.evaluation.ranking import RankingSplit
from tailorbird.recipes.recipe import Column, Interactions

OURS = recipe("aws-user-personalization-v2")
NETWORKS = tuple(sequential(name, length=50, width=64, epochs=30) for name in MODELS)
"""Half an hour each and more."""
EVERYTHING = "order, days, brands and categories"
"""The day of the question as well, which a request carries."""


@cache
def load(folder: Path, name: str) -> Interactions:
    """Reads one of the two data sets."""
    rows = pl.read_parquet(folder / name / "interactions.parquet").sort("user_id", "position")
    items, item = np.unique(rows["item_id"].to_numpy(), return_inverse=True)
    users, user = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
    described = pl.DataFrame({"item_id": items}).join(
        pl.read_parquet(folder / name / "items.parquet"), on="item_id", how="left", maintain_order="left"
    )
    attributes = described["attributes"].cast(pl.List(pl.String)).list.join("|").to_list()
    return Interactions(
        users=users.astype(str),
        items=items.astype(str),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=rows["timestamp"].cast(pl.Int64).to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
        item_columns={"ATTRIBUTES": Column("categorical", np.array(attributes, object))},
    )


def _protocols(name: str, question: str, data: str, published: tuple[Published, ...]) -> tuple[Protocol, ...]:
    """Returns the protocols of one data set, by what the models may use."""

    def ordered(folder: Path, _: int) -> RankingSplit:
        return last_of_each(order_only(load(folder, data)))

    strictly = Protocol(
        f"P2 {name} strict",
        question,
        f"Amazon {name}, S3-Rec's five-core; each user's last item is the truth; seen items removed",
        STRICT,
        METRICS,
        lambda folder, seed: strict(ordered(folder, seed)),
        measure,
        (OURS, *NETWORKS, *QUICK),
        validation=validation,
        published=published,
    )
    return (
        strictly,
        replace(strictly, name=f"P2 {name} order", used=ORDER, split=ordered),
        replace(
            strictly,
            name=f"P2 {name}",
            used=EVERYTHING,
            split=lambda folder, _: last_of_each(load(folder, data)),
            contestants=(OURS, *QUICK, RECENT),
        ),
    )


PROTOCOLS = (
    *_protocols(
        "Beauty",
        "next purchase, Amazon Beauty",
        "amazon-beauty-s3",
        (
            Published("KERec", STRICT, {"NDCG@10": 0.0623, "HR@10": 0.1050}),
            Published("BSARec", STRICT, {"NDCG@10": 0.0611, "HR@10": 0.1008}),
            Published("TV-Rec", STRICT, {"NDCG@10": 0.0608, "HR@10": 0.1017}),
            Published("SASRec with cross-entropy", STRICT, {"NDCG@10": 0.0588, "HR@10": 0.0974}),
        ),
    ),
    *_protocols(
        "Sports",
        "next purchase, Amazon Sports",
        "amazon-sports-s3",
        (
            Published("KERec", STRICT, {"NDCG@10": 0.0369, "HR@10": 0.0643}),
            Published("TV-Rec", STRICT, {"NDCG@10": 0.0363, "HR@10": 0.0635}),
            Published("BSARec", STRICT, {"NDCG@10": 0.0336, "HR@10": 0.0612}),
            Published("eSASRec", STRICT, {"NDCG@10": 0.0323, "HR@10": 0.0560}),
            Published("TIGER", STRICT, {"NDCG@10": 0.0225, "HR@10": 0.0400}),
        ),
    ),
)

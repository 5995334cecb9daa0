"""P2: Amazon reviews, each user's last purchase from all before it.

The five-cores of Zhou et al., S3-Rec, CIKM 2020: Beauty, and Sports and Outdoors, in that paper's order. Times are to
the day; brands and categories are the items' metadata.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from quality.next_item import METRICS, last_of_each, measure, strict
from quality.peers.linear import POPULAR
from quality.peers.rectools_models import MODELS, sequential
from quality.protocol import Protocol, recipe
from tailorbird.recipes.recipe import Column, Interactions

OURS = recipe("aws-user-personalization-v2")
NETWORKS = tuple(sequential(name, length=50, width=64, epochs=30) for name in MODELS)
"""Half an hour each and more."""
USED = "order, day of each row and of the request, brands and categories"


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


PROTOCOLS = (
    Protocol(
        "P2 Beauty",
        "Amazon Beauty, S3-Rec's five-core; each user's last item is the truth; seen items removed",
        USED,
        METRICS,
        lambda folder, _: last_of_each(load(folder, "amazon-beauty-s3")),
        measure,
        (OURS, strict(OURS), *NETWORKS, POPULAR),
        published={
            "BSARec, order only": {"NDCG@10": 0.0611, "HR@10": 0.1008},
            "SASRec with cross-entropy, order only": {"NDCG@10": 0.0588, "HR@10": 0.0974},
        },
        goals={"NDCG@10": 0.060},
    ),
    Protocol(
        "P2 Sports",
        "Amazon Sports and Outdoors, likewise",
        USED,
        METRICS,
        lambda folder, _: last_of_each(load(folder, "amazon-sports-s3")),
        measure,
        (OURS, strict(OURS), *NETWORKS, POPULAR),
        published={
            "BSARec, order only": {"NDCG@10": 0.0336, "HR@10": 0.0612},
            "eSASRec, order only": {"NDCG@10": 0.0323, "HR@10": 0.0560},
            "TIGER": {"NDCG@10": 0.0225, "HR@10": 0.0400},
        },
        goals={"NDCG@10": 0.034},
    ),
)

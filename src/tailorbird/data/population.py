"""All users at one moment, and what they did: imported and recorded, in the numbers of a model's items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import event_rules
from tailorbird.data.datasets import Dataset, interactions
from tailorbird.data.event_rules import EventRule
from tailorbird.data.interactions import Interactions
from tailorbird.workspace import Workspace


@dataclass(frozen=True)
class Population:
    """The users who ever interacted."""

    interactions: Interactions
    """Those with items that the model knows; the other ones are left out, their users are not."""
    events: pl.DataFrame
    """Distinct pairs of `user` (a number) and `type` (in lower case, empty where there is none)."""

    def having(self, types: frozenset[str] | None) -> NDArray[np.int32]:
        """Numbers of the users with an event of these types (lower case; None: of any type)."""
        rows = self.events if types is None else self.events.filter(pl.col("type").is_in(sorted(types)))
        return rows["user"].to_numpy().astype(np.int32)


def gather(workspace: Workspace, dataset: Dataset, items: NDArray[np.str_], rules: Sequence[EventRule]) -> Population:
    """Reads everything that was imported or recorded so far.

    items: the model's, sorted. rules: which interactions the model learned from.
    """
    rows, _ = interactions(workspace, dataset)
    if "EVENT_TYPE" not in rows.columns:
        rows = rows.with_columns(EVENT_TYPE=pl.lit(""))
    users = rows["USER_ID"].unique().sort()
    known = pl.DataFrame({"ITEM_ID": items.tolist()}, schema={"ITEM_ID": pl.String}).with_row_index("item")
    coded = rows.select(
        "ITEM_ID",
        pl.col("USER_ID").cast(pl.Enum(users)).to_physical().alias("user"),
        pl.col("TIMESTAMP").alias("timestamp"),
        pl.col("EVENT_TYPE").fill_null("").str.to_lowercase().alias("type"),
        event_rules.admitted(rules).alias("learned"),
    )
    learned = coded.filter("learned").join(known, on="ITEM_ID").sort("user", "timestamp", maintain_order=True)
    return Population(
        Interactions(
            users=users.to_numpy().astype(np.str_),
            items=items,
            user=learned["user"].to_numpy().astype(np.int32),
            item=learned["item"].to_numpy().astype(np.int32),
            timestamp=learned["timestamp"].to_numpy().astype(np.int64),
            event_type=np.zeros(len(learned), np.int16),
        ),
        coded.select("user", "type").unique(),
    )

"""Which items there are to recommend as of now, how old they are, and how often users had to do with them.

Source: spec recipes-and-runtime 1.4, "New items" and "Exploration, v1".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import impressions
from tailorbird.data.datasets import Dataset, latest_records, rows
from tailorbird.data.interactions import Column
from tailorbird.data.training import metadata
from tailorbird.workspace import Workspace


@dataclass(frozen=True)
class ItemPool:
    """All items of the Items and Interactions datasets; the arrays are parallel."""

    items: NDArray[np.str_]
    """Those of a model in its order, then the ones that came after its training."""
    interactions: NDArray[np.int64]
    impressions: NDArray[np.int64]
    created: NDArray[np.int64]
    """Epoch seconds: CREATION_TIMESTAMP, else the oldest interaction, else `newest`."""
    newest: int
    """When the newest interaction was, in epoch seconds: ages are measured back from it, so that old data have
    new items too (the guide's rule, not that of AWS's cheat sheet, which measures from now)."""
    columns: Mapping[str, Column]
    """Metadata by upper-case name, parallel to `items`."""


def gather(
    workspace: Workspace,
    interactions: Dataset,
    items: Dataset | None,
    known: NDArray[np.str_],
    event_type: str | None,
) -> ItemPool:
    """Reads everything that was imported or recorded so far.

    known: the model's items. event_type: the only one whose interactions count, in any case, if the solution says so.
    """
    found, _ = rows(workspace, interactions)
    if event_type is not None:
        found = found.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    times = pl.col("TIMESTAMP")
    counted = found.group_by("ITEM_ID").agg(interactions=pl.len().cast(pl.Int64), oldest=times.min())
    records = latest_records(workspace, items, "ITEM_ID") if items else pl.DataFrame(schema={"ITEM_ID": pl.String})
    ids = pl.Series("ITEM_ID", known.tolist(), pl.String)
    new = pl.concat([counted["ITEM_ID"], records["ITEM_ID"]]).unique()
    ids = pl.concat([ids, new.filter(~new.is_in(ids.implode())).sort()])
    shows = impressions.counts(workspace, interactions)
    shown = dict(zip(shows.items.tolist(), shows.count.tolist(), strict=True))
    newest = int(found.select(times.max()).item() or 0)
    created = pl.col("CREATION_TIMESTAMP") if "CREATION_TIMESTAMP" in records.columns else pl.lit(None, pl.Int64)
    each = (
        ids.to_frame()
        .join(counted, on="ITEM_ID", how="left", maintain_order="left")
        .join(records.select("ITEM_ID", created.alias("created")), on="ITEM_ID", how="left", maintain_order="left")
        .select(pl.col("interactions").fill_null(0), pl.coalesce("created", "oldest", pl.lit(newest)).alias("created"))
    )
    names = ids.to_numpy().astype(np.str_)
    return ItemPool(
        items=names,
        interactions=each["interactions"].to_numpy(),
        impressions=np.array([shown.get(item, 0) for item in ids], np.int64),
        created=each["created"].to_numpy(),
        newest=newest,
        columns=metadata(items, "ITEM_ID", names, records) if items else {},
    )

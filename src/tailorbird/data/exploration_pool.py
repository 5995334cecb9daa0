"""Which items there are to recommend as of now, how old they are, and how often users had to do with them.

An id that only a few events name may be a slip of a client. Where items have records, such an item is not explored
until it has one too, or `CONFIRMING_USERS` have interacted with it.

Source: spec recipes-and-runtime 1.4, "New items" and "Exploration, v1"; what AWS does with such items is not published.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data import datasets, event_rules, impressions
from tailorbird.data.datasets import Dataset
from tailorbird.data.interactions import Column
from tailorbird.data.training import Selection, metadata
from tailorbird.workspace import Workspace

log = logging.getLogger(__name__)

CONFIRMING_USERS = 3
"""A slip is one client's, at most also that of who looks into it; a real item is seen by more at once."""
ANCIENT = -(1 << 62)
"""Epoch seconds: the age of an item that is not to be explored, whatever age is young enough."""


@dataclass(frozen=True)
class ItemPool:
    """The items of the Items and Interactions datasets; the arrays are parallel."""

    items: NDArray[np.str_]
    """Those of a model in its order, then the ones that came after its training, without unconfirmed ones."""
    interactions: NDArray[np.int64]
    impressions: NDArray[np.int64]
    created: NDArray[np.int64]
    """Epoch seconds: CREATION_TIMESTAMP, else the oldest interaction, else `newest`; ANCIENT of unconfirmed ones."""
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
    selection: Selection,
) -> ItemPool:
    """Reads everything that was imported or recorded so far.

    known: the model's items. selection: which interactions count and which columns may be seen; beyond its
    `most_items` the oldest of the new items are left out.
    """
    found, _ = datasets.rows(workspace, interactions)
    found = datasets.settled(found, workspace.clock()).filter(event_rules.admitted(selection.events))
    times = pl.col("TIMESTAMP")
    counted = found.group_by("ITEM_ID").agg(
        interactions=pl.len().cast(pl.Int64), oldest=times.min(), users=pl.col("USER_ID").n_unique()
    )
    records = datasets.items(workspace, items) if items else pl.DataFrame(schema={"ITEM_ID": pl.String})
    newest = int(found.select(times.max()).item() or 0)
    doubted = _doubted(workspace, interactions, counted, records)
    each = _each(known, counted, records, newest).with_columns(
        pl.when(~pl.col("ITEM_ID").is_in(doubted.implode())).then("created").otherwise(ANCIENT)
    )
    new = (
        each.slice(len(known)).filter(pl.col("created") != ANCIENT).sort("created", "ITEM_ID", descending=[True, False])
    )
    room = len(new) if selection.most_items is None else max(0, selection.most_items - len(known))
    each = pl.concat([each.head(len(known)), new.head(room)])
    shows = impressions.counts(workspace, interactions)
    shown = dict(zip(shows.items.tolist(), shows.count.tolist(), strict=True))
    names = each["ITEM_ID"].to_numpy().astype(np.str_)
    return ItemPool(
        items=names,
        interactions=each["interactions"].to_numpy(),
        impressions=np.array([shown.get(item, 0) for item in names.tolist()], np.int64),
        created=each["created"].to_numpy(),
        newest=newest,
        columns=metadata(selection.fields(items.schema), "ITEM_ID", names, records) if items else {},
    )


def _doubted(workspace: Workspace, dataset: Dataset, counted: pl.DataFrame, records: pl.DataFrame) -> pl.Series:
    """Ids that too few users confirm, where other items have records; tells of ids without a record."""
    if records.is_empty():
        return pl.Series("ITEM_ID", [], pl.String)
    bare = counted.join(records, on="ITEM_ID", how="anti").sort("oldest", "ITEM_ID")
    doubted = bare.filter(pl.col("users") < CONFIRMING_USERS)["ITEM_ID"]
    if len(bare):
        told = {
            "dataset": dataset.arn,
            "items": len(bare),
            "unexplored": len(doubted),
            "newest": (doubted if len(doubted) else bare["ITEM_ID"])[-1],
        }
        log.warning("interactions name items that the Items dataset does not have", extra=told)
    return doubted


def _each(known: NDArray[np.str_], counted: pl.DataFrame, records: pl.DataFrame, newest: int) -> pl.DataFrame:
    """One row an item, the known ones first: ITEM_ID, interactions, created."""
    ids = pl.Series("ITEM_ID", known.tolist(), pl.String)
    others = pl.concat([counted["ITEM_ID"], records["ITEM_ID"]]).unique()
    created = pl.col("CREATION_TIMESTAMP") if "CREATION_TIMESTAMP" in records.columns else pl.lit(None, pl.Int64)
    return (
        pl.concat([ids, others.filter(~others.is_in(ids.implode()))])
        .to_frame()
        .join(counted, on="ITEM_ID", how="left", maintain_order="left")
        .join(records.select("ITEM_ID", created.alias("created")), on="ITEM_ID", how="left", maintain_order="left")
        .select(
            "ITEM_ID",
            pl.col("interactions").fill_null(0),
            pl.coalesce("created", "oldest", pl.lit(newest)).alias("created"),
        )
    )

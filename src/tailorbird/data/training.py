"""From a snapshot of a dataset group to the numbers that recipes train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tailorbird import messages
from tailorbird.data.datasets import Dataset, interactions, latest_records
from tailorbird.data.interactions import Interactions
from tailorbird.workspace import Workspace

# Spec recipes-and-runtime 1.2, "Data floors".
LEAST_INTERACTIONS = 1000
LEAST_USERS = 25
LEAST_INTERACTIONS_OF_USER = 2


class NotEnoughData(Exception):
    """The data are under the floors of spec recipes-and-runtime 1.2; the text is a failureReason."""


@dataclass(frozen=True)
class Snapshot:
    """What a training starts from."""

    interactions: Interactions
    newest_event: int
    """Number of the newest live event in it; later ones come on top when serving."""


def load(
    workspace: Workspace,
    interactions_dataset: Dataset,
    items_dataset: Dataset | None,
    event_type: str | None = None,
    event_value_threshold: float | None = None,
) -> Snapshot:
    """Reads everything that was imported or recorded so far.

    event_type, event_value_threshold: only rows of that type (in any case, as filters have it), and with at
    least that EVENT_VALUE.
    Raises NotEnoughData.
    """
    rows, newest = interactions(workspace, interactions_dataset)
    if event_type is not None:
        _need_column(rows, "EVENT_TYPE", "the solution's eventType")
        rows = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == event_type.lower())
    if event_value_threshold is not None:
        _need_column(rows, "EVENT_VALUE", "eventValueThreshold")
        rows = rows.filter(pl.col("EVENT_VALUE") >= event_value_threshold)
    _check_floors(rows, event_type)
    items = latest_records(workspace, items_dataset, "ITEM_ID") if items_dataset else None
    return Snapshot(_encode(rows, items), newest)


def _need_column(rows: pl.DataFrame, column: str, wanted_by: str) -> None:
    if column not in rows.columns:
        raise NotEnoughData(f"The Interactions schema has no {column} column, which {wanted_by} needs.")


def _check_floors(rows: pl.DataFrame, event_type: str | None) -> None:
    if len(rows) < LEAST_INTERACTIONS:
        few = messages.FEW_INTERACTIONS.format(least=LEAST_INTERACTIONS)
        after = messages.AFTER_FILTERING.format(event_type=event_type) if event_type else ""
        raise NotEnoughData(
            f"{few}{after}: it has {len(rows)}. Import more interactions "
            "or record more events, then create another solution version."
        )
    active = (rows.group_by("USER_ID").len()["len"] >= LEAST_INTERACTIONS_OF_USER).sum()
    if active < LEAST_USERS:
        few = messages.FEW_USERS.format(least=LEAST_USERS, each=LEAST_INTERACTIONS_OF_USER)
        raise NotEnoughData(f"{few}: it has {active}.")


def _encode(rows: pl.DataFrame, items: pl.DataFrame | None) -> Interactions:
    users = rows["USER_ID"].unique().sort()
    known = rows["ITEM_ID"] if items is None else pl.concat([rows["ITEM_ID"], items["ITEM_ID"]])
    item_ids = known.unique().sort()
    types = (
        rows["EVENT_TYPE"].unique().drop_nulls().sort()
        if "EVENT_TYPE" in rows.columns
        else pl.Series("EVENT_TYPE", [""], dtype=pl.String)
    )
    coded = pl.DataFrame(
        {
            "user": rows["USER_ID"].cast(pl.Enum(users)).to_physical(),
            "item": rows["ITEM_ID"].cast(pl.Enum(item_ids)).to_physical(),
            "timestamp": rows["TIMESTAMP"],
            "type": rows["EVENT_TYPE"].cast(pl.Enum(types)).to_physical().fill_null(0)
            if "EVENT_TYPE" in rows.columns
            else pl.repeat(0, len(rows), eager=True),
        }
    ).sort("user", "timestamp", maintain_order=True)
    return Interactions(
        users=users.to_numpy().astype(np.str_),
        items=item_ids.to_numpy().astype(np.str_),
        user=coded["user"].to_numpy().astype(np.int32),
        item=coded["item"].to_numpy().astype(np.int32),
        timestamp=coded["timestamp"].to_numpy().astype(np.int64),
        event_type=coded["type"].to_numpy().astype(np.int16),
        event_types=tuple(types),
        item_columns=_item_columns(item_ids, items),
    )


def _item_columns(item_ids: pl.Series, items: pl.DataFrame | None) -> dict[str, np.ndarray]:
    if items is None:
        return {}
    aligned = item_ids.to_frame("ITEM_ID").join(items, on="ITEM_ID", how="left", maintain_order="left")
    return {name: aligned[name].to_numpy().astype(object) for name in aligned.columns if name != "ITEM_ID"}

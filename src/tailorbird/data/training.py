"""From a snapshot of a dataset group to the numbers that recipes train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird import messages
from tailorbird.data.datasets import Dataset, interactions, latest_records
from tailorbird.data.interactions import Column, Interactions, NotEnoughData
from tailorbird.data.schema import Field
from tailorbird.workspace import Workspace

# Spec recipes-and-runtime 1.2, "Data floors".
LEAST_INTERACTIONS = 1000
LEAST_USERS = 25
LEAST_INTERACTIONS_OF_USER = 2


@dataclass(frozen=True)
class Snapshot:
    """What a training starts from."""

    interactions: Interactions
    newest_event: int
    """Number of the newest live event in it; later ones come on top when serving."""


@dataclass(frozen=True)
class Selection:
    """Which of the data a training learns from."""

    event_type: str | None = None
    """Only rows of that type, in any case, as filters have it."""
    event_value_threshold: float | None = None
    """Only rows with at least that EVENT_VALUE."""
    features: bool = False
    """Whether metadata of users and the context of interactions are wanted too."""


def load(
    workspace: Workspace,
    interactions_dataset: Dataset,
    items_dataset: Dataset | None,
    users_dataset: Dataset | None,
    selection: Selection,
) -> Snapshot:
    """Reads everything that was imported or recorded so far; raises NotEnoughData."""
    rows, newest = interactions(workspace, interactions_dataset)
    _check_floors(rows := _selected(rows, selection), selection.event_type)
    items = latest_records(workspace, items_dataset, "ITEM_ID") if items_dataset else None
    context = interactions_dataset.schema.features if selection.features else ()
    data = _encode(rows, items, context)
    if items_dataset is not None and items is not None:
        data = replace(data, item_columns=_metadata(items_dataset, "ITEM_ID", data.items, items))
    if selection.features and users_dataset is not None:
        users = latest_records(workspace, users_dataset, "USER_ID")
        data = replace(data, user_columns=_metadata(users_dataset, "USER_ID", data.users, users))
    return Snapshot(data, newest)


def _selected(rows: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    if selection.event_type is not None:
        _need_column(rows, "EVENT_TYPE", "the solution's eventType")
        rows = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == selection.event_type.lower())
    if selection.event_value_threshold is not None:
        _need_column(rows, "EVENT_VALUE", "eventValueThreshold")
        rows = rows.filter(pl.col("EVENT_VALUE") >= selection.event_value_threshold)
    return rows


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


def _encode(rows: pl.DataFrame, items: pl.DataFrame | None, context: Sequence[Field]) -> Interactions:
    users = rows["USER_ID"].unique().sort()
    known = rows["ITEM_ID"] if items is None else pl.concat([rows["ITEM_ID"], items["ITEM_ID"]])
    item_ids = known.unique().sort()
    typed = rows if "EVENT_TYPE" in rows.columns else rows.with_columns(EVENT_TYPE=pl.lit(""))
    types = typed["EVENT_TYPE"].unique().drop_nulls().sort()
    sorted_rows = typed.with_columns(
        user=pl.col("USER_ID").cast(pl.Enum(users)).to_physical(),
        item=pl.col("ITEM_ID").cast(pl.Enum(item_ids)).to_physical(),
        type=pl.col("EVENT_TYPE").cast(pl.Enum(types)).to_physical().fill_null(0),
    ).sort("user", "TIMESTAMP", maintain_order=True)
    values = sorted_rows["EVENT_VALUE"].fill_null(np.nan).to_numpy() if "EVENT_VALUE" in rows.columns else None
    return Interactions(
        users=users.to_numpy().astype(np.str_),
        items=item_ids.to_numpy().astype(np.str_),
        user=sorted_rows["user"].to_numpy().astype(np.int32),
        item=sorted_rows["item"].to_numpy().astype(np.int32),
        timestamp=sorted_rows["TIMESTAMP"].to_numpy().astype(np.int64),
        event_type=sorted_rows["type"].to_numpy().astype(np.int16),
        event_types=tuple(types),
        event_value=None if values is None else values.astype(np.float32),
        context=_columns(sorted_rows, context),
    )


def _metadata(dataset: Dataset, key: str, ids: NDArray[np.str_], records: pl.DataFrame) -> dict[str, Column]:
    wanted = pl.DataFrame({key: ids.tolist()}, schema={key: pl.String})
    return _columns(wanted.join(records, on=key, how="left", maintain_order="left"), dataset.schema.features)


def _columns(rows: pl.DataFrame, fields: Sequence[Field]) -> dict[str, Column]:
    found = {}
    for field in fields:
        name = field.name.upper()
        if name in rows.columns and field.kind is not None:  # older segments may lack a column of a newer schema
            found[name] = Column(field.kind, np.array(rows[name].to_list(), object))
    return found

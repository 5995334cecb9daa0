"""From a snapshot of a dataset group to the numbers that recipes train on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird import aws_texts
from tailorbird.data import datasets, event_rules
from tailorbird.data.datasets import STATED, Dataset, interactions, latest_records
from tailorbird.data.event_rules import EventRule
from tailorbird.data.interactions import Column, Interactions, NotEnoughData
from tailorbird.data.schema import Field, Schema
from tailorbird.numbers import counted
from tailorbird.workspace import Workspace

LEAST_INTERACTIONS = 1000
"""Spec recipes-and-runtime 1.2, "Data floors", as the next three; clients know these numbers from AWS's messages."""
LEAST_USERS = 25
"""Those who have `LEAST_INTERACTIONS_OF_USER`."""
LEAST_SHARE_OF_USERS = 0.01
"""Likewise, where that is more users: AWS's newer rule."""
LEAST_INTERACTIONS_OF_USER = 2
"""One to learn from and one to foresee."""


@dataclass(frozen=True)
class Snapshot:
    """What a training starts from."""

    interactions: Interactions
    newest_event: int
    """Number of the newest live event in it; later ones come on top when serving."""


@dataclass(frozen=True)
class Selection:
    """Which of the data a training learns from."""

    events: tuple[EventRule, ...] = ()
    """Which interactions; all where there is no rule."""
    columns: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By dataset type, the upper-case columns that recipes may see; of a type that is not here, all."""
    features: bool = False
    """Whether metadata of users and the context of interactions are wanted too."""
    most_items: int | None = None
    """Beyond so many items only the most-interacted are kept; None: all are."""
    floors: bool = True
    """Whether it takes the least of spec recipes-and-runtime 1.2, "Data floors"."""
    again: str = "create another solution version"
    """What to do where these are too few, once there are more."""

    def fields(self, schema: Schema) -> tuple[Field, ...]:
        """The columns of a dataset that recipes may learn from."""
        return tuple(each for each in schema.features if self.sees(schema.dataset_type, each.name))

    def sees(self, dataset_type: str, column: str) -> bool:
        """Whether the training may look at a column."""
        return dataset_type not in self.columns or column.upper() in self.columns[dataset_type]


def load(
    workspace: Workspace,
    interactions_dataset: Dataset,
    items_dataset: Dataset | None,
    users_dataset: Dataset | None,
    selection: Selection,
) -> Snapshot:
    """Reads everything that was imported or recorded so far; raises NotEnoughData."""
    rows, newest = interactions(workspace, interactions_dataset)
    every, rows = rows, _selected(rows, selection.events)
    if selection.floors:
        _check_floors(every, rows, selection, partial(datasets.repetitions, workspace, interactions_dataset))
    del every
    items = datasets.items(workspace, items_dataset) if items_dataset else None
    rows, items, item_ids = _within_ceiling(rows, items, selection.most_items)
    user_ids = rows["USER_ID"].unique().sort()
    rows = _in_order(_coded(rows, user_ids, item_ids))  # without the ids' texts, which take more memory than all else
    data = replace(
        _encode(rows, user_ids, item_ids, selection, interactions_dataset.schema), read=int(workspace.clock())
    )
    if items_dataset is not None and items is not None:
        fields = selection.fields(items_dataset.schema)
        data = replace(data, item_columns=metadata(fields, "ITEM_ID", data.items, items))
    if selection.features and users_dataset is not None:
        users = latest_records(workspace, users_dataset, "USER_ID")
        fields = selection.fields(users_dataset.schema)
        data = replace(data, user_columns=metadata(fields, "USER_ID", data.users, users))
    return Snapshot(data, newest)


def _selected(rows: pl.DataFrame, rules: Sequence[EventRule]) -> pl.DataFrame:
    needed = {
        "EVENT_TYPE": ("eventType", any(rule.event_type is not None for rule in rules)),
        "EVENT_VALUE": ("eventValueThreshold", any(rule.threshold is not None for rule in rules)),
    }
    for column, (member, used) in needed.items():
        if used and column not in rows.columns:
            raise NotEnoughData(f"The Interactions schema has no {column} column, which the solution's {member} needs.")
    return rows.filter(event_rules.admitted(rules)) if rules else rows


def _check_floors(
    every: pl.DataFrame, rows: pl.DataFrame, selection: Selection, repetitions: Callable[[], int]
) -> None:
    """Raises NotEnoughData. rows: those of `every` that are selected, each once. repetitions: counts those that say
    what another one says.
    """
    if len(rows) < LEAST_INTERACTIONS:
        few = aws_texts.FEW_INTERACTIONS.format(least=LEAST_INTERACTIONS)
        types = ", ".join(rule.event_type for rule in selection.events if rule.event_type is not None)
        after = aws_texts.AFTER_FILTERING.format(event_type=types) if types else ""
        raise NotEnoughData(
            f"{few}{after}: it has {len(rows)}{_besides(repetitions())}.{_present(every) if types else ''} Import more "
            f"interactions{' of the type' if types else ''} or record more events, then {selection.again}."
        )
    lengths = rows.group_by("USER_ID").len()["len"]
    active = (lengths >= LEAST_INTERACTIONS_OF_USER).sum()
    least = max(LEAST_USERS, math.ceil(LEAST_SHARE_OF_USERS * len(lengths)))
    if active < least:
        few = aws_texts.FEW_USERS.format(least=least, each=LEAST_INTERACTIONS_OF_USER)
        share = f", {LEAST_SHARE_OF_USERS:.0%} of its {len(lengths)} users" if least > LEAST_USERS else ""
        raise NotEnoughData(f"{few}{share}: it has {active}{_besides(repetitions())}.")


def _present(every: pl.DataFrame) -> str:
    """Which event types there are instead, as a sentence after a space."""
    counts = every["EVENT_TYPE"].drop_nulls().value_counts()
    if counts.is_empty():
        return " None of its interactions has an event type."
    return f" Its event types are {event_rules.listed(dict(counts.iter_rows()))}."


def _besides(repeated: int) -> str:
    rows = counted(repeated, "row repeats", "rows repeat")
    return f", and {rows} another in every column and count once" if repeated else ""


def _within_ceiling(
    rows: pl.DataFrame, items: pl.DataFrame | None, most: int | None
) -> tuple[pl.DataFrame, pl.DataFrame | None, pl.Series]:
    """Leaves out the least-interacted items beyond `most`, and their rows; and the ids of all that are left, sorted."""
    known = rows["ITEM_ID"].unique()
    if items is not None:
        known = pl.concat([known, items["ITEM_ID"]]).unique()
    if most is None or len(known) <= most:
        return rows, items, known.sort()
    counts = known.to_frame().join(rows.group_by("ITEM_ID").len(), on="ITEM_ID", how="left")
    kept = counts.sort("len", "ITEM_ID", descending=[True, False], nulls_last=True).head(most)
    rows = rows.join(kept, on="ITEM_ID", how="semi", maintain_order="left")
    items = None if items is None else items.join(kept, on="ITEM_ID", how="semi", maintain_order="left")
    return rows, items, kept["ITEM_ID"].sort()


def _coded(rows: pl.DataFrame, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """The rows with numbers, `user` and `item`, in place of the ids; both series are sorted."""
    numbers = {
        number: pl.col(column).cast(pl.Enum(ids)).to_physical()
        for number, column, ids in (("user", "USER_ID", users), ("item", "ITEM_ID", items))
    }
    return rows.select(pl.exclude("USER_ID", "ITEM_ID"), **numbers)


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows by user and time, as those of one import are already."""
    user, time = rows["user"].to_numpy(), rows["TIMESTAMP"].to_numpy()
    ascends = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (time[1:] >= time[:-1]))
    return rows if ascends.all() else rows.sort("user", "TIMESTAMP", maintain_order=True)


def _encode(
    rows: pl.DataFrame, users: pl.Series, items: pl.Series, selection: Selection, schema: Schema
) -> Interactions:
    """rows: in order, with numbers for the ids in the two series."""
    typed = rows if "EVENT_TYPE" in rows.columns else rows.with_columns(EVENT_TYPE=pl.lit(""))
    types = typed["EVENT_TYPE"].unique().drop_nulls().sort()
    type_ = typed["EVENT_TYPE"].cast(pl.Enum(types)).to_physical().fill_null(0)
    valued = "EVENT_VALUE" in rows.columns and selection.sees("INTERACTIONS", "EVENT_VALUE")
    values = rows["EVENT_VALUE"].fill_null(np.nan).to_numpy() if valued else None
    weighted = any(rule.weight is not None for rule in selection.events)
    stated = None if rows[STATED].equals(rows["TIMESTAMP"]) else rows[STATED].to_numpy()
    weight = typed.select(event_rules.weights(selection.events)).to_series().to_numpy() if weighted else None
    return Interactions(
        users=users.to_numpy().astype(np.str_),
        items=items.to_numpy().astype(np.str_),
        user=rows["user"].to_numpy().astype(np.int32),
        item=rows["item"].to_numpy().astype(np.int32),
        timestamp=rows["TIMESTAMP"].to_numpy().astype(np.int64),
        event_type=type_.to_numpy().astype(np.int16),
        event_types=tuple(types),
        event_value=None if values is None else values.astype(np.float32),
        context=columns_of(rows, selection.fields(schema) if selection.features else ()),
        weight=None if weight is None else weight.astype(np.float32),
        stated=stated,
    )


def metadata(fields: Sequence[Field], key: str, ids: NDArray[np.str_], records: pl.DataFrame) -> dict[str, Column]:
    """The columns of the records with these ids, in this order, by upper-case names."""
    wanted = pl.DataFrame({key: ids.tolist()}, schema={key: pl.String})
    return columns_of(wanted.join(records, on=key, how="left", maintain_order="left"), fields)


def columns_of(rows: pl.DataFrame, fields: Sequence[Field]) -> dict[str, Column]:
    """Returns those of the fields that recipes learn from and the rows have, by upper-case name."""
    found = {}
    for each in fields:
        name = each.name.upper()
        if name in rows.columns and each.kind is not None:  # older parts may lack a column of a newer schema
            found[name] = Column(each.kind, np.array(rows[name].to_list(), object))
    return found

"""A dataset's rows, wherever they lie: imported ones and older events in `tables`, recent ones in `live`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tailorbird.data import clocks
from tailorbird.data.schema import Field, Schema
from tailorbird.storage.live import Event
from tailorbird.storage.manifests import key_of
from tailorbird.storage.tables import Tables
from tailorbird.workspace import Workspace

DTYPES = {
    "string": pl.String,
    "int": pl.Int64,
    "long": pl.Int64,
    "float": pl.Float64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
}

# Columns beside the schema's; no field can have these names, since they hold a space.
NUMBER = "LIVE NUMBER"
"""Of a row that arrived by itself, its number; of an imported one, the newest such number at its import."""
SESSION = "LIVE SESSION"
"""The session of an event, empty for a record that was put; null in imported rows."""

IMPRESSION = "LIVE IMPRESSION"
"""What the user was shown, as a|b|c, where the schema has no IMPRESSION for it."""
SOURCE = "LIVE SOURCE"
"""What led to an event, a label or an ARN, for metrics."""

ARRIVED = "LIVE ARRIVAL"
"""Of an event whose own time cannot be believed, when it came, in epoch seconds; null in others, and in older ones."""

STATED = "STATED TIMESTAMP"
"""Of interactions that are `settled`: the TIMESTAMP that they came with."""

BESIDE = {NUMBER: pl.Int64, SESSION: pl.String, IMPRESSION: pl.String, SOURCE: pl.String, ARRIVED: pl.Int64}


@dataclass(frozen=True)
class Dataset:
    """A dataset by its ARN, with the columns it has."""

    arn: str
    schema: Schema
    incarnation: str = ""
    """What tells it from earlier datasets of the same ARN; empty for one that was created before there was this."""

    @property
    def place(self) -> str:
        """Under which name both stores keep its rows."""
        return key_of(self.arn, self.incarnation)

    @property
    def key(self) -> str:
        """The upper-case column that names a record: ITEM_ID, USER_ID or ACTION_ID; interactions have none."""
        return {"ITEMS": "ITEM_ID", "USERS": "USER_ID", "ACTIONS": "ACTION_ID"}.get(self.schema.dataset_type, "")

    @property
    def order(self) -> tuple[str, ...] | None:
        """Columns, as the schema spells them, by which parts are sorted, so that a user's rows are quick to find."""
        names = ("USER_ID",) if self.key else ("USER_ID", "TIMESTAMP")
        fields = tuple(field.name for name in names if (field := self.schema.field(name)))
        return fields or None

    def frame(self, events: Sequence[Event]) -> pl.DataFrame:
        """The events as rows of the dataset: columns in upper case, then those of `BESIDE`."""
        dtypes = {field.name.upper(): DTYPES[field.type] for field in self.schema.fields} | BESIDE
        rows = [event.row | {NUMBER: event.number, SESSION: event.session} for event in events]
        return pl.from_dicts(rows, schema=dtypes) if rows else pl.DataFrame(schema=dtypes)

    def part_frame(self, events: Sequence[Event]) -> pl.DataFrame:
        """As `frame`, with the schema's spelling of the names, as parts have it."""
        return self.frame(events).rename({field.name.upper(): field.name for field in self.schema.fields})


def no_interactions(group: str) -> Dataset:
    """Stands for the Interactions dataset of a group that has none: no rows, and the columns that all have."""
    types = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
    fields = tuple(Field(name, of, nullable=False, categorical=False, textual=False) for name, of in types.items())
    return Dataset(f"{group}/none", Schema("Interactions", fields))


def rows(
    workspace: Workspace, dataset: Dataset, *, imported: bool = True, recorded: bool = True
) -> tuple[pl.DataFrame, int]:
    """All rows in the order of their arrival, as `Dataset.frame` has them, and the number of the newest event.

    imported, recorded: whether the rows of bulk imports are among them, and those that arrived by themselves.
    """
    # In this order: an event that moves meanwhile is then found twice and told by its number, never missed.
    events = workspace.live.all(dataset.place) if recorded else []
    view = workspace.tables.view(dataset.place, number=NUMBER, streamed=None if imported and recorded else recorded)
    live = dataset.frame([event for event in events if event.number > view.moved])
    found = pl.concat([live, view.rows.rename(str.upper)], how="diagonal").select(live.columns)
    newest = max(view.moved, events[-1].number if events else 0)
    if found[SESSION].null_count() == len(found) and found[NUMBER].is_sorted():
        return found, newest  # all imported, and in their order already
    # At the same number, what was imported came later.
    return found.sort(NUMBER, pl.col(SESSION).is_null(), maintain_order=True), newest


def recorded(
    workspace: Workspace, dataset: Dataset, *, after: int, limit: int | None = None
) -> tuple[pl.DataFrame, int]:
    """Rows that arrived by themselves with numbers above `after`, in their order, and the number of the newest.

    limit: how many to take from the live store; what has moved from there meanwhile comes on top.
    """
    events = workspace.live.all(dataset.place, after, limit)
    live, moved = dataset.frame(events), workspace.tables.moved(dataset.place)
    if moved > after:
        view = workspace.tables.view(dataset.place, number=NUMBER, streamed=True)
        moved = view.moved
        old = pl.concat([dataset.frame([]), view.rows.rename(str.upper)], how="diagonal").select(live.columns)
        found = pl.concat([old.filter(pl.col(NUMBER) > after), live.filter(pl.col(NUMBER) > moved)])
        live = found.sort(NUMBER, maintain_order=True)
    return live, max(moved, events[-1].number if events else 0)


def interactions(workspace: Workspace, dataset: Dataset) -> tuple[pl.DataFrame, int]:
    """All interactions for a training, and the number of the newest event among them.

    An event of a visitor whose session later carried a user id counts as that user's, and of one who never
    told it, not at all (spec control-plane 6, "Anonymous users"); repeated rows count once. They are `settled`.
    """
    found, newest = rows(workspace, dataset)
    named = _named(found).drop(SESSION, IMPRESSION, SOURCE)
    del found  # the texts that are dropped take more memory than all others
    return settled(distinct(named), workspace.clock()).drop(NUMBER), newest


def _named(found: pl.DataFrame) -> pl.DataFrame:
    """The rows with the users that visitors turned out to be, without those of visitors who never did."""
    if found[SESSION].null_count() == len(found):
        return found
    anonymous = (pl.col(SESSION) == pl.col("USER_ID")).fill_null(False)
    session = pl.when(pl.col(SESSION) == "").then("USER_ID").otherwise(SESSION)
    known = found.filter(pl.col(SESSION).is_not_null() & ~anonymous).select(session, pl.col("USER_ID").alias("KNOWN"))
    known = known.rename({known.columns[0]: SESSION}).unique(SESSION, keep="last", maintain_order=True)
    joined = found.join(known, on=SESSION, how="left", maintain_order="left")
    user = pl.when(anonymous).then("KNOWN").otherwise("USER_ID")
    return joined.with_columns(user.alias("USER_ID")).drop("KNOWN").drop_nulls("USER_ID")


def distinct(named: pl.DataFrame) -> pl.DataFrame:
    """The rows without those that repeat an earlier one in all columns of the schema.

    Rows that are in the order of users and times, as those of one import are, repeat only what has the same of both:
    these few are looked at, a tenth of the work.
    """
    columns = [name for name in named.columns if name not in BESIDE]
    user, time = named["USER_ID"], named["TIMESTAMP"]
    same = user[1:] == user[:-1]
    if not ((user[1:] > user[:-1]) | (same & (time[1:] >= time[:-1]))).all():
        return named.unique(columns, keep="first", maintain_order=True)
    met = np.flatnonzero((same & (time[1:] == time[:-1])).to_numpy())
    if not len(met):
        return named
    keep = np.ones(len(named), bool)
    keep[met], keep[met + 1] = False, False
    twins = pl.DataFrame({"ROW NUMBER": np.flatnonzero(~keep)}).hstack(named.select(columns).filter(~keep))
    keep[twins.unique(columns, keep="first")["ROW NUMBER"].to_numpy()] = True
    return named.filter(keep)


def repetitions(workspace: Workspace, dataset: Dataset) -> int:
    """How many rows say in every column what an earlier one says: they count once."""
    found, _ = rows(workspace, dataset)
    return len(found) - found.n_unique([name for name in found.columns if name not in BESIDE])


def settled(found: pl.DataFrame, now: float, alone: float | None = None) -> pl.DataFrame:
    """Interactions, as `rows` has them, without times after `now` (epoch seconds; see `clocks`), and with `STATED`.

    alone: which time they have where none can be believed; now, unless given.
    """
    stated = found["TIMESTAMP"]
    times = stated.to_numpy()
    if clocks.ahead(times, now).any():
        user = found["USER_ID"].rank("dense").to_numpy().astype(np.int64) - 1
        times = clocks.settled(times, found[NUMBER].to_numpy(), now, user=user, alone=alone)
    return found.with_columns(stated.alias(STATED), pl.Series("TIMESTAMP", times, pl.Int64))


def latest_records(workspace: Workspace, dataset: Dataset, key: str) -> pl.DataFrame:
    """One row for each id in the column `key`: the newest record of that item or user, imported or put."""
    found, _ = rows(workspace, dataset)
    return found.drop(*BESIDE).unique(subset=key, keep="last", maintain_order=True)


def items(workspace: Workspace, dataset: Dataset) -> pl.DataFrame:
    """The newest record of each item, for recipes: a CREATION_TIMESTAMP after now says as little as a missing one.

    Filters see what the records say, see `latest_records`.
    """
    found = latest_records(workspace, dataset, "ITEM_ID")
    if "CREATION_TIMESTAMP" not in found.columns:
        return found
    created = pl.col("CREATION_TIMESTAMP")
    believed = clocks.believed(workspace.clock())
    return found.with_columns(pl.when(created <= believed).then(created))


def stamp(workspace: Workspace, dataset: Dataset) -> tuple[str, int]:
    """Changes whenever rows come or go, but not when they only move from one store into the other."""
    recorded = workspace.live.newest(dataset.place)  # first: what moves meanwhile is in the manifest then
    imported, moved = workspace.tables.bulk_version_and_moved(dataset.place)
    return imported, max(recorded, moved)


def arrival(workspace: Workspace, dataset: Dataset) -> int:
    """The place of an import that is committed now in the order of arrival; looks at the live store first."""
    return max(workspace.live.newest(dataset.place), workspace.tables.moved(dataset.place))


def of_user(tables: Tables, dataset: Dataset, user: str) -> tuple[pl.DataFrame, int]:
    """A user's rows in the tables, in the order of arrival, and the number up to which events moved there."""
    field = dataset.schema.field("USER_ID")
    assert field is not None, "only datasets with users are asked for one"
    view = tables.view(dataset.place, where=(field.name, user), number=NUMBER)
    empty = dataset.frame([])
    found = pl.concat([empty, view.rows.rename(str.upper)], how="diagonal").select(empty.columns)
    return found.sort(NUMBER, pl.col(SESSION).is_null(), maintain_order=True), view.moved

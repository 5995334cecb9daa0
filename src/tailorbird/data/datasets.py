"""A dataset's rows, wherever they lie: imported ones in `tables`, recent events in `live`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tailorbird.data.schema import Schema
from tailorbird.workspace import Workspace

DTYPES = {
    "string": pl.String,
    "int": pl.Int64,
    "long": pl.Int64,
    "float": pl.Float64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
}


@dataclass(frozen=True)
class Dataset:
    """A dataset by its ARN, with the columns it has."""

    arn: str
    schema: Schema

    def empty(self) -> pl.DataFrame:
        """A frame without rows, columns in upper case whatever the schema's spelling."""
        return pl.DataFrame(schema={field.name.upper(): DTYPES[field.type] for field in self.schema.fields})


def imported(workspace: Workspace, dataset: Dataset, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """All imported rows, oldest import first, columns in upper case."""
    if not workspace.tables.version(dataset.arn):
        return dataset.empty()
    return workspace.tables.read(dataset.arn, columns).rename(str.upper)


def interactions(workspace: Workspace, dataset: Dataset) -> tuple[pl.DataFrame, int]:
    """Imported rows and recorded events together, and the number of the newest event among them.

    An event of a visitor whose session later carried a user id counts as that user's (spec control-plane 6,
    "Anonymous users"); repeated rows count once.
    """
    events = workspace.live.all(dataset.arn)
    users = {event.session: event.user for event in events if event.user != event.session}
    rows = [event.row | {"USER_ID": users.get(event.user, event.user)} for event in events]
    empty = dataset.empty()
    recorded = pl.from_dicts(rows, schema=empty.schema) if rows else empty
    both = pl.concat([imported(workspace, dataset), recorded], how="diagonal")
    return both.unique(maintain_order=True), events[-1].number if events else 0


def latest_records(workspace: Workspace, dataset: Dataset, key: str) -> pl.DataFrame:
    """One row for each id in the column `key`: the newest record of that item or user."""
    return imported(workspace, dataset).unique(subset=key, keep="last", maintain_order=True)

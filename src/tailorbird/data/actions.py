"""Actions and what users did with them: for training, and for the next answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from tailorbird.data import clocks, datasets
from tailorbird.data.datasets import ARRIVED, STATED, Dataset, interactions, latest_records
from tailorbird.data.interactions import ActionResponses, Interactions
from tailorbird.workspace import Workspace

TAKEN = "taken"
DECLINED = ("not_taken", "viewed")


class ActionResponse(NamedTuple):
    """What a user did with an action."""

    timestamp: int
    """Epoch seconds."""
    kind: str
    """taken, not_taken or viewed."""
    action: str
    wrong: bool = False
    """Whether the time that it came with could not be believed."""


def kind_of(event_type: str) -> str:
    """An event type as filters and recipes compare it: Not Taken is NOT_TAKEN (spec recipes-and-runtime 1.4)."""
    return event_type.lower().replace(" ", "_")


def responses(workspace: Workspace, actions: Dataset, dataset: Dataset | None, data: Interactions) -> ActionResponses:
    """All responses that were imported or recorded so far.

    actions, dataset: the Actions dataset and that of action interactions, if there is one. data: numbers the users.
    """
    rows = pl.DataFrame(schema={"USER_ID": pl.String, "ACTION_ID": pl.String, "TIMESTAMP": pl.Int64, "kind": pl.String})
    if dataset is not None:
        found, _ = interactions(workspace, dataset)
        kind = pl.col("EVENT_TYPE").str.to_lowercase().str.replace_all(" ", "_").alias("kind")
        rows = found.select("USER_ID", "ACTION_ID", "TIMESTAMP", kind).filter(pl.col("kind").is_in([TAKEN, *DECLINED]))
    known = latest_records(workspace, actions, "ACTION_ID")["ACTION_ID"]
    ids = pl.concat([known, rows["ACTION_ID"]]).unique().sort()
    users = pl.DataFrame({"USER_ID": data.users.tolist()}, schema={"USER_ID": pl.String}).with_row_index("user")
    rows = rows.join(users.with_columns(pl.col("user").cast(pl.Int32)), on="USER_ID", how="left")
    rows = rows.sort("TIMESTAMP", maintain_order=True)
    return ActionResponses(
        actions=ids.to_numpy().astype(np.str_),
        user=rows["user"].fill_null(-1).to_numpy().astype(np.int32),
        action=rows["ACTION_ID"].cast(pl.Enum(ids)).to_physical().to_numpy().astype(np.int32),
        timestamp=rows["TIMESTAMP"].to_numpy().astype(np.int64),
        taken=(rows["kind"] == TAKEN).to_numpy(),
    )


def of_user(workspace: Workspace, dataset: Dataset, user: str) -> list[ActionResponse]:
    """A user's responses, imported and recorded, newest first."""
    # In this order: what moves meanwhile is then found twice and told by its number.
    events = workspace.live.of_subject(dataset.place, user)
    rows, moved = datasets.of_user(workspace.tables, dataset, user)
    recorded = dataset.frame([event for event in events if event.number > moved])
    now = workspace.clock()
    # Where no time can be believed nothing tells when it was: as of now at every look, no REPEAT_FREQUENCY would end.
    found = datasets.settled(pl.concat([rows, recorded]), now, alone=0.0)
    arrived = pl.when(pl.col(STATED) > clocks.believed(now)).then(ARRIVED)
    found = found.with_columns(pl.coalesce(arrived, "TIMESTAMP").alias("TIMESTAMP"))
    found = found[clocks.newest_first(found["TIMESTAMP"].to_numpy())]
    wrong = clocks.ahead(found[STATED].to_numpy(), now).tolist()
    return list(map(ActionResponse, found["TIMESTAMP"], map(kind_of, found["EVENT_TYPE"]), found["ACTION_ID"], wrong))

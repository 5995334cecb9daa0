"""Of which actions a training learns something: those with enough responses of both kinds."""

from __future__ import annotations

import polars as pl

from tailorbird.data.interactions import LEAST_NOT_TAKEN, LEAST_TAKEN
from tailorbird.numbers import counted

TAKEN = "TAKEN"


class ResponseCheckup:
    """Counts the responses of each action; there are few actions."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"ACTION_ID": pl.String, "taken": pl.UInt32, "others": pl.UInt32})

    def add(self, frame: pl.DataFrame) -> None:
        """Takes note of some rows of action interactions."""
        taken = pl.col("EVENT_TYPE") == TAKEN
        counts = frame.group_by("ACTION_ID").agg(taken.sum().alias("taken"), (~taken).sum().alias("others"))
        self._counts = pl.concat([self._counts, counts]).group_by("ACTION_ID").sum()

    def warnings(self) -> list[str]:
        """One, where some actions have too few."""
        enough = int(((self._counts["taken"] >= LEAST_TAKEN) & (self._counts["others"] >= LEAST_NOT_TAKEN)).sum())
        if enough == len(self._counts):
            return []
        return [
            f"{enough:,} of {counted(len(self._counts), 'action has', 'actions have')} {LEAST_TAKEN} rows {TAKEN} and "
            f"{LEAST_NOT_TAKEN} others: how likely the rest are to be taken nobody learns from fewer, recorded events "
            "included."
        ]

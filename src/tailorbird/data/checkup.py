"""What is odd about imported data though every row is right: said before anyone trains on them."""

from __future__ import annotations

import polars as pl

from tailorbird.data import clocks
from tailorbird.data.schema import Schema

FEW_INTERACTIONS = 1000
"""Rows of interactions below which no recipe can be trained (spec control-plane 2.4)."""
MANY_SINGLES = 0.5
"""Share of users with one row from which it is worth a word."""
POOR_COVERAGE = 0.9
"""Share of items with metadata below which it is worth a word."""
FUTURE = {
    "TIMESTAMP": "they count as of the newest time that is not; check the unit (seconds), the time zone and the clock.",
    "CREATION_TIMESTAMP": "they count as if they had none.",
}
"""What becomes of the rows whose time in a column is after now (see `clocks`)."""
PENDING_ROWS = 1 << 20
"""Rows whose ids are gathered before they are counted together."""

_IDS = ("USER_ID", "ITEM_ID", "ACTION_ID")


class Checkup:
    """Looks at the good rows frame by frame; keeps a hash and a count of every id, and no rows."""

    def __init__(self, schema: Schema, now: float) -> None:
        """now: epoch seconds, after which a timestamp is in the future."""
        self.schema = schema
        self._now = now
        self._ids = {name: _Counts() for name in _IDS if schema.field(name)}
        self._rows = self._bare = 0
        self._future = dict.fromkeys(FUTURE, 0)
        self._stray = dict.fromkeys(self._ids, 0)
        self._bounds = pl.Series("TIMESTAMP", [], pl.Int64)
        self._types: set[str] = set()

    def see(self, frame: pl.DataFrame) -> None:
        """Takes note of some rows, columns as the schema spells them."""
        frame = frame.rename(str.upper)
        self._rows += len(frame)
        for name, counts in self._ids.items():
            counts.add(frame[name])
            self._stray[name] += int((frame[name] != frame[name].str.strip_chars()).sum())
        for name in self._future.keys() & set(frame.columns):
            self._future[name] += int((frame[name] > clocks.believed(self._now)).sum())
        if "TIMESTAMP" in frame.columns:
            times = frame["TIMESTAMP"]
            bounds = pl.concat([self._bounds, times])
            self._bounds = pl.concat([bounds.bottom_k(1), bounds.top_k(1)])
        if "EVENT_TYPE" in frame.columns:
            self._types.update(frame["EVENT_TYPE"].drop_nulls().unique())
        if self.schema.dataset_type == "ITEMS":
            self._bare += int(frame.select(pl.all_horizontal(pl.exclude("ITEM_ID").is_null())).to_series().sum())

    def warnings(self) -> list[str]:
        """What to look at before training, each with the reason."""
        told = [
            f"{count:,} rows have a {name} in the future: {FUTURE[name]}"
            for name, count in self._future.items()
            if count
        ]
        return [
            *self._of_ids(),
            *told,
            *(self._of_interactions() if "TIMESTAMP" in self._fields else self._of_records()),
        ]

    def unknown_items(self, known: pl.Series) -> list[str]:
        """A warning where many items of the interactions are not among `known`, the ids that have metadata."""
        items = self._ids["ITEM_ID"].total()
        covered = int(items["id"].is_in(_hashed(known).implode()).sum())
        if covered >= POOR_COVERAGE * len(items):
            return []
        return [
            f"{covered:,} of {len(items):,} items have a record in the Items dataset: filters on metadata cannot "
            "judge the others. Import them too, and check that both files spell the ids alike."
        ]

    @property
    def _fields(self) -> set[str]:
        return {field.name.upper() for field in self.schema.fields}

    def _of_ids(self) -> list[str]:
        return [
            f"{count:,} rows have a space before or after their {name}, which makes it another id: remove it."
            for name, count in self._stray.items()
            if count
        ]

    def _of_interactions(self) -> list[str]:
        users = self._ids["USER_ID"].total()
        singles = int((users["count"] == 1).sum())
        return _holding(
            (
                self._rows > 1 and self._bounds.n_unique() == 1,
                "All rows have the same TIMESTAMP: without an order of events next to nothing can be learnt from them.",
            ),
            (
                len(self._types) == 1,
                f"All rows have the EVENT_TYPE {', '.join(self._types)}: tell kinds of events apart if there are more.",
            ),
            (
                singles >= MANY_SINGLES * max(1, len(users)),
                f"{singles:,} of {len(users):,} users have one row only: nothing can be learnt or measured on them.",
            ),
            (
                self._rows < FEW_INTERACTIONS,
                f"There are {self._rows:,} rows; a training needs {FEW_INTERACTIONS:,}, recorded events included.",
            ),
        )

    def _of_records(self) -> list[str]:
        repeated = self._rows - len(next(iter(self._ids.values())).total())
        return _holding(
            (repeated > 0, f"{repeated:,} rows repeat an earlier id: the last row of an id counts."),
            (self._bare > 0, f"{self._bare:,} of {self._rows:,} items have no metadata: all their columns are empty."),
        )


def _holding(*found: tuple[bool, str]) -> list[str]:
    return [text for holds, text in found if holds]


class _Counts:
    """How often each id occurred, by its hash; 16 bytes an id."""

    def __init__(self) -> None:
        self._total = pl.DataFrame(schema={"id": pl.UInt64, "count": pl.UInt64})
        self._pending: list[pl.Series] = []
        self._waiting = 0

    def add(self, ids: pl.Series) -> None:
        self._pending.append(_hashed(ids))
        self._waiting += len(ids)
        # Counted anew only when the pending ids are as many as the counted ones: the work stays linear.
        if self._waiting > max(PENDING_ROWS, len(self._total)):
            self.total()

    def total(self) -> pl.DataFrame:
        """`id` (a hash) and `count`."""
        if self._pending:
            fresh = pl.DataFrame({"id": pl.concat(self._pending)}).with_columns(count=pl.lit(1, pl.UInt64))
            self._total = pl.concat([self._total, fresh]).group_by("id").agg(pl.col("count").sum())
            self._pending, self._waiting = [], 0
        return self._total


def _hashed(ids: pl.Series) -> pl.Series:
    return ids.hash(seed=0).alias("id")

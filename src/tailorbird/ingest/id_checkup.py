"""What is odd about the ids of imported rows: why many users may come to be one, or one to be two."""

from __future__ import annotations

import polars as pl

from tailorbird.blanks import bare
from tailorbird.ingest.spellings import Twins, hashed, shown
from tailorbird.numbers import counted

LARGE_SHARE = 0.1
"""Share of all rows from which an id is worth a word: in MovieLens the busiest user has .027, the busiest item .003."""
TIMES_MEAN = 5
"""How often the rows of such an id must be the mean's, since of five items one has a fifth of all rows at least."""
TIMES_RUNNER_UP = {"USER_ID": 3}
"""How often its rows must be those of the busiest id without such a share: MovieLens' busiest user has .027."""
TIMES_NEXT_ITEM = 8
"""As `TIMES_RUNNER_UP`, for items and actions: the most popular is no fault. Where popularity falls as steeply as by
Zipf's law with an exponent of 1.5, it has five times as many rows as the third."""
STAND_INS = ("unknown", "anonymous", "anon", "guest", "visitor", "nobody", "default", "dummy", "test", "-1")
"""Words, in lower case, that stand for whoever or whatever is not known: of these the share alone is worth a word."""
ADVICE = {
    "USER_ID": "where it stands for all who are unknown, or for a robot, leave these rows out, since one taste is "
    "learnt from them."
}
OF_ITEMS = "where it stands for what is unknown, or for a default such as a shopping bag, leave these rows out."
PENDING = 1 << 20
"""Counts of ids that are gathered before they are added up, which costs a pass over all ids so far; not tuned."""


class IdCheckup:
    """Looks at the ids of one column; keeps a hash and a count of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = IdCounts()
        self._twins = Twins(name)
        self._frequent: dict[int, str] = {}
        """By hash, the ids with a large share of some frame's rows, as those of all rows are."""

    def add(self, counts: pl.DataFrame) -> None:
        """Takes note of some rows' ids: each of them, none null, and in the column `count` how often it occurs."""
        self.counts.add(counts[self.name], counts["count"])
        self._twins.add(counts[self.name])
        # A little below the share, so that rounding loses none.
        often = counts.filter(pl.col("count") >= 0.99 * LARGE_SHARE * pl.col("count").sum())[self.name]
        self._frequent.update(zip(hashed(often), often, strict=True))

    def warnings(self) -> list[str]:
        """Each with the number of rows, or ids, and one of them."""
        return [*self._twins.warnings(self.counts.total()["id"]), *self._frequent_ids()]

    def _frequent_ids(self) -> list[str]:
        total = self.counts.total()
        rows = int(total["count"].sum())
        large = pl.col("count") >= LARGE_SHARE * rows
        next_ = int(total.filter(~large)["count"].max() or 0)  # type: ignore[arg-type]
        times = TIMES_RUNNER_UP.get(self.name, TIMES_NEXT_ITEM)
        least = max(TIMES_MEAN * rows / max(1, len(total)), times * next_)
        stand_ins = [id_ for id_, text in self._frequent.items() if bare(text).lower() in STAND_INS]
        told = large & (
            (pl.col("count") >= least) | pl.col("id").is_in(pl.Series(stand_ins, dtype=pl.UInt64).implode())
        )
        return [
            f"{count:,} of {counted(rows, 'row has', 'rows have')} the {self.name} {shown(self._frequent[id_])}: "
            f"{ADVICE.get(self.name, OF_ITEMS)}"
            for id_, count in total.filter(told).sort("count", descending=True).iter_rows()
        ]


class IdCounts:
    """How often each id occurred, by its hash; 16 bytes an id."""

    def __init__(self) -> None:
        self._total = pl.DataFrame(schema={"id": pl.UInt64, "count": pl.UInt64})
        self._pending: list[pl.DataFrame] = []
        self._waiting = 0

    def add(self, ids: pl.Series, counts: pl.Series) -> None:
        """Counts each id so many times more."""
        self._pending.append(pl.DataFrame({"id": hashed(ids), "count": counts.cast(pl.UInt64)}))
        self._waiting += len(ids)
        # Counted anew only when the pending ids are as many as the counted ones: the work stays linear.
        if self._waiting > max(PENDING, len(self._total)):
            self.total()

    def total(self) -> pl.DataFrame:
        """`id` (a hash) and `count`."""
        if self._pending:
            self._total = pl.concat([self._total, *self._pending]).group_by("id").agg(pl.col("count").sum())
            self._pending, self._waiting = [], 0
        return self._total

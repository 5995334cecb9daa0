"""What is odd about the times of imported rows: in the future, or numbers that were never seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from tailorbird.data import clocks

FUTURE = {
    "TIMESTAMP": "they count as of the newest time that is not; check the unit (seconds), the time zone and the clock.",
    "CREATION_TIMESTAMP": "they count as if they had none.",
}
"""What becomes of the rows whose time in a column is after now (see `clocks`)."""

_TIME = pl.col("time")
SHAPES: dict[str, tuple[pl.Expr, float]] = {
    "a date such as 20231114": (
        _TIME.is_between(19_000_101, 21_001_231)
        & (_TIME // 100 % 100).is_between(1, 12)
        & (_TIME % 100).is_between(1, 31),
        0.0,
    ),
    "one of Excel's day numbers": (_TIME.is_between(30_000, 60_000), 0.9),
    "a number of days since 1970": (_TIME.is_between(10_000, 25_000), 0.9),
    "a year": (_TIME.is_between(1900, 2100), 0.9),
}
"""What a number that is no epoch second may be, and the share of the rows from which that is said: in data whose times
are only an order, 1, 2, 3, some are such numbers too. As seconds all of them lie in 1970."""


class TimeCheckup:
    """Looks at the times of one column."""

    def __init__(self, name: str, now: float) -> None:
        """now: epoch seconds."""
        self.name = name
        self._now = now
        self._rows = 0
        self._counts = dict.fromkeys([*SHAPES, "future"], 0)
        self._examples: dict[str, int] = {}

    def add(self, times: pl.Series) -> None:
        """Takes note of some rows' times; null where there is none."""
        times = times.drop_nulls().alias("time")
        self._rows += len(times)
        conditions = {shape: condition for shape, (condition, _) in SHAPES.items()}
        if self.name in FUTURE:
            conditions["future"] = clocks.believed(self._now) < _TIME
        for name, condition in conditions.items():
            found = times.to_frame().filter(condition)["time"]
            if len(found):
                self._counts[name] += len(found)
                self._examples.setdefault(name, found[0])

    def warnings(self) -> list[str]:
        """Each with the number of rows and the first such time."""
        told = []
        if count := self._counts["future"]:
            first = self._shown("future")
            told.append(f"{count:,} rows have a {self.name} in the future: the first is {first}; {FUTURE[self.name]}")
        for shape, (_, share) in SHAPES.items():
            count = self._counts[shape]
            if count and count >= share * self._rows:
                told.append(
                    f"{count:,} rows have a {self.name} that looks like {shape}, the first {self._shown(shape)}: write "
                    "epoch seconds such as 1717243200."
                )
        return told

    def _shown(self, name: str) -> str:
        time = self._examples[name]
        return f"{time} ({datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC)"

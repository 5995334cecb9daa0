"""What is odd about the times of imported rows: in the future, or numbers that were never seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from tailorbird.data import clocks
from tailorbird.ingest import pandas_times
from tailorbird.ingest.pandas_times import Reading
from tailorbird.numbers import counted

FUTURE = {
    "TIMESTAMP": "that counts as the newest time that is not; check the unit (seconds), the time zone and the clock.",
    "CREATION_TIMESTAMP": "that counts as none.",
}
"""What becomes of the rows whose time in a column is after now (see `clocks`)."""

_TIME = pl.col("time")
_HARMLESS = ", unless they are only an order"
SHAPES: dict[str, tuple[pl.Expr, float, str, str]] = {
    "a date such as 20231114": (
        _TIME.is_between(19_000_101, 21_001_231)
        & (_TIME // 100 % 100).is_between(1, 12)
        & (_TIME % 100).is_between(1, 31),
        0.0,
        'format="%Y%m%d"',
        "",
    ),
    "a year and a day such as 2023318": (
        _TIME.is_between(1_900_001, 2_100_366) & (_TIME % 1000).is_between(1, 366),
        0.9,
        'format="%Y%j"',
        "",
    ),
    "one of Excel's day numbers": (_TIME.is_between(30_000, 60_000), 0.9, 'unit="D", origin="1899-12-30"', ""),
    "a number of days since 1970": (_TIME.is_between(10_000, 25_000), 0.9, 'unit="D"', ""),
    # From 1995 to 2100.
    "a number of hours since 1970": (_TIME.is_between(219_000, 1_140_000), 0.9, 'unit="h"', _HARMLESS),
    "a number of minutes since 1970": (_TIME.is_between(13_100_000, 68_400_000), 0.9, 'unit="m"', _HARMLESS),
    "a year": (_TIME.is_between(1900, 2100), 0.9, 'format="%Y"', ""),
}
"""What a number that is no epoch second may be, the share of the rows from which that is said, how pandas reads
it, and what is added: in
data whose times are only an order, 1, 2, 3, some are such numbers too. As seconds all of them lie in 1970."""


def wider(bounds: pl.Series, times: pl.Series) -> pl.Series:
    """The least and the greatest of some times and of those so far, nothing where there is none."""
    ends = pl.Series(bounds.name, [times.min(), times.max()], pl.Int64).drop_nulls()
    return pl.concat([bounds, ends]).sort()[[0, -1]] if len(bounds) or len(ends) else bounds


class TimeCheckup:
    """Looks at the times of one column."""

    def __init__(self, name: str, now: float) -> None:
        """now: epoch seconds."""
        self.name = name
        self._now = now
        self._rows = 0
        self._counts = dict.fromkeys([*SHAPES, "future", "early"], 0)
        self._examples: dict[str, int] = {}
        self._bounds = pl.Series("time", [], pl.Int64)
        """The first and the last time."""

    def add(self, times: pl.Series) -> None:
        """Takes note of some rows' times; null where there is none."""
        times = times.drop_nulls().alias("time")
        self._rows += len(times)
        bounds = wider(self._bounds, times)
        self._bounds = bounds
        if bounds.is_between(clocks.EARLIEST, clocks.believed(self._now)).all():
            return  # all shapes are of smaller numbers, or of times to come
        conditions = {shape: condition for shape, (condition, _, _, _) in SHAPES.items()}
        conditions["early"] = clocks.EARLIEST > _TIME
        if self.name in FUTURE:
            conditions["future"] = clocks.believed(self._now) < _TIME
        for name, condition in conditions.items():
            found = times.to_frame().filter(condition)["time"]
            if len(found):
                self._counts[name] += len(found)
                self._examples.setdefault(name, found[0])

    @property
    def same(self) -> bool:
        """Whether all times are the same."""
        return self._rows > 0 and self._bounds.n_unique() == 1

    def warnings(self) -> list[str]:
        """Each with the number of rows and the first such time."""
        told = []
        if count := self._counts["future"]:
            first = self._shown("future")
            told.append(
                f"{counted(count, 'row has', 'rows have')} "
                f"a {self.name} in the future: the first is {first}; {FUTURE[self.name]}"
            )
        return [*told, *(self._shape() or self._early())]

    def _shape(self) -> list[str]:
        """What most of the times look like; a date may be a number of minutes, too."""
        least = {shape: 0.9 if self._is_order() else share for shape, (_, share, _, _) in SHAPES.items()}
        found = [
            shape for shape in SHAPES if self._counts[shape] > 0 and self._counts[shape] >= least[shape] * self._rows
        ]
        if not found:
            return []
        shape = max(found, key=lambda name: self._counts[name])
        return [
            f"{counted(self._counts[shape], 'row has', 'rows have')} "
            f"a {self.name} that looks like {shape}, the first {self._shown(shape)}: "
            f"write epoch seconds such as 1717243200{SHAPES[shape][3]}. {pandas_times.ADVICE}"
            + pandas_times.recipe(self.name, [Reading(SHAPES[shape][2])], numbers=self._counts[shape] < self._rows)
        ]

    def _early(self) -> list[str]:
        """Of events only: items may well be older."""
        count = self._counts["early"]
        if not count or self.name != "TIMESTAMP" or self._is_order() or self.same:
            return []
        mixed = count < self._rows
        return [
            f"{counted(count, 'row has', 'rows have')} "
            f"a {self.name} before 1995{', and others after' if mixed else ''}, the first "
            f"{self._shown('early')}: check the unit, and write epoch seconds such as 1717243200"
            f"{'' if mixed else _HARMLESS}."
        ]

    def _is_order(self) -> bool:
        """Whether the times are only an order: numbers from near zero on, none of them a second after 1995."""
        first, last = self._bounds.min(), self._bounds.max()
        return isinstance(first, int) and isinstance(last, int) and first <= last - first and last < clocks.EARLIEST

    def _shown(self, name: str) -> str:
        time = self._examples[name]
        return f"{time} ({datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC)"

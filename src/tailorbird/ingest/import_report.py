"""What an import has to say about the data: its problems, its counts, or why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

EXAMPLES_SHOWN = 5
"""Problems of one reason that a report quotes, which all look alike; the rest are only counted. Not tuned."""

LOST = 0.5
"""Share of a column's values that may be emptied without a warning: beyond, it is hardly the column that was meant. Not
tuned."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the data, and what to do."""

    file: str
    line: int
    """From 1; the first line of a record over several lines."""
    column: str
    """Empty where the record or the file as a whole is wrong."""
    value: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What became of the rows."""

    rows_read: int
    rows_kept: int
    rows_dropped: int
    cells_emptied: int
    problems: tuple[Problem, ...]
    """The first `EXAMPLES_SHOWN` of each reason, in the order of the files."""
    counts: dict[str, int]
    """How often each reason occurred in all, commonest first."""
    ignored: tuple[str, ...] = ()
    """Columns that the schema has not, and that are not read."""
    emptied: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By column, how many values were emptied, and of how many that were not blank."""
    times: tuple[str, ...] = ()
    """Of each column of times that has texts in their place, what they are and how pandas reads them."""

    def warnings(self) -> list[str]:
        """Which columns are next to lost though their rows are kept, and how to mend times."""
        return [*self._lost(), *self.times]

    def _lost(self) -> list[str]:
        return [
            f"{_share(count, whole, column)} emptied, so that the column says "
            f"{'nothing' if count == whole else 'little'}: correct the file and import it again."
            for column, (count, whole) in self.emptied.items()
            if count > LOST * whole
        ]

    def as_document(self) -> dict[str, Any]:
        """The report as JSON values with camelCase keys."""
        return {
            "rowsRead": self.rows_read,
            "rowsKept": self.rows_kept,
            "rowsDropped": self.rows_dropped,
            "cellsEmptied": self.cells_emptied,
            "columnsIgnored": list(self.ignored),
            "problems": [asdict(problem) for problem in self.problems],
            "counts": [{"reason": reason, "count": count} for reason, count in self.counts.items()],
        }


def _share(count: int, whole: int, column: str) -> str:
    if whole == 1:
        return f"The only value of {column} is"
    return f"{'All' if count == whole else f'{count:,} of'} {whole:,} values of {column} are"


class ImportFailed(Exception):
    """The data as a whole cannot be used; `reason` is the job's failureReason.

    `report` is there when the files were read to the end; `cause` is the reason without what the report tells too.
    """

    def __init__(self, reason: str, report: Report | None = None, cause: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.report = report
        self.cause = cause or reason

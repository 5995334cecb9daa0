"""What is found while files are read, counted by cause, and what becomes of the import for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import polars as pl

from tailorbird.data import values
from tailorbird.ingest.csv_header import shown
from tailorbird.ingest.import_report import EXAMPLES_SHOWN, ImportFailed, Problem, Report
from tailorbird.ingest.time_texts import TimeTexts
from tailorbird.numbers import counted

LARGEST_BAD_SHARE = 0.5
"""With a larger share of dropped rows the import fails: the file is hardly what it was taken for; not tuned."""
REASONS_NAMED = 3
"""Reasons that the message of such a failure names; the report has all."""

TIMES = (values.NO_TIME, values.DATE)
"""Faults of texts that may be times."""
COLUMNS_NAMED = 50
"""Columns outside the schema that a report names, which a client may have any number of; not tuned."""


class Tally:
    """What was found so far, over all files."""

    def __init__(self) -> None:
        self.read = 0
        self.dropped = 0
        self.emptied: Counter[str] = Counter()
        """Values emptied, by column."""
        self.filled: Counter[str] = Counter()
        """Values kept, by column."""
        self.counts: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.examples: dict[str, Problem] = {}
        self.failures: list[str] = []
        """Why files cannot be read."""
        self.fatal: list[Problem] = []
        """The first of each reason for which an import fails."""
        self.ignored: list[str] = []
        """Columns that are not in the schema."""
        self._times: dict[str, TimeTexts] = {}
        self._settled = 0

    def ignore(self, columns: Iterable[str]) -> None:
        """Takes note of columns that are not read."""
        self.ignored += [column for column in columns if column not in self.ignored]

    def note(self, first: list[Problem], count: int) -> None:
        """Counts one reason's `count` occurrences in a batch, of which `first` are the first ones."""
        reason = first[0].reason
        self.problems += first[: max(0, EXAMPLES_SHOWN - self.counts[reason])]
        self.counts[reason] += count
        self.examples.setdefault(reason, first[0])

    def see(self, column: str, reason: str, texts: pl.Series) -> None:
        """Looks at all texts of a column that have one fault in a batch."""
        if any(reason == words.format(name=column) for words in TIMES):
            self._times.setdefault(column, TimeTexts(column)).add(texts)

    def end_batch(self) -> None:
        """Orders the batch's problems by line."""
        self.problems[self._settled :] = sorted(self.problems[self._settled :], key=lambda found: found.line)
        self._settled = len(self.problems)

    def report(self) -> Report:
        counts = dict(self.counts.most_common())
        kept = self.read - self.dropped
        ignored = tuple(shown(column) for column in self.ignored[:COLUMNS_NAMED])
        lost = {name: (count, count + self.filled[name]) for name, count in self.emptied.items()}
        times = (seen.warning(numbers=self.filled[name] > 0) for name, seen in self._times.items())
        return Report(
            self.read,
            kept,
            self.dropped,
            self.emptied.total(),
            tuple(self.problems),
            counts,
            ignored,
            lost,
            tuple(filter(None, times)),
        )


def usable_report(tally: Tally) -> Report:
    """The report, unless the rows as a whole cannot be used."""
    report = tally.report()
    causes = [*tally.failures]
    causes += [f"{found.reason} First at line {found.line} of {found.file}." for found in tally.fatal]
    told = {found.reason for found in tally.fatal}
    few = "Besides:"
    if report.rows_dropped > LARGEST_BAD_SHARE * report.rows_read:
        causes.append(f"{report.rows_dropped:,} of {counted(report.rows_read, 'row')} cannot be used.")
        few = "Commonest problems:"
    elif not causes and report.rows_read == 0:
        causes.append("The input has no rows: write the rows below the header line.")
    if not causes:
        return report
    advice = "Correct the data and import it again."
    cause = " ".join([*causes, advice])
    others = [tally.examples[reason] for reason in report.counts if reason not in told][:REASONS_NAMED]
    if others:
        causes.append(f"{few} {'; '.join(_with_count(found, report.counts) for found in others)}.")
    raise ImportFailed(" ".join([*causes, advice]), report, cause)


def _with_count(found: Problem, counts: dict[str, int]) -> str:
    value = json.dumps(found.value, ensure_ascii=False)
    times = counted(counts[found.reason], "time")
    return f"{found.reason} ({times}, first at line {found.line} of {found.file}: {value})"

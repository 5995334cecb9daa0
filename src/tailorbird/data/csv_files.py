"""Bulk data: CSV files, checked row by row against a schema, to data frames and a report.

A bad cell is emptied, a row without its keys is dropped, and both are reported; the import as a whole fails
only where the data cannot be meant (spec control-plane 5.1; spec clients, "Imports").
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from tailorbird.data import csv_records
from tailorbird.data.csv_columns import ACTION_EVENTS, Conversion, Effect, conversion
from tailorbird.data.csv_records import Records
from tailorbird.data.import_report import PROBLEMS_SHOWN
from tailorbird.data.import_report import ImportFailed as ImportFailed
from tailorbird.data.import_report import Problem as Problem
from tailorbird.data.import_report import Report as Report
from tailorbird.data.schema import Field, Schema

VALUE_SHOWN = 100
"""Characters of a value that a problem quotes."""
LARGEST_BAD_SHARE = 0.5
"""With a larger share of dropped rows the import fails."""
REASONS_NAMED = 3
"""Reasons that the message of such a failure names."""

TOO_FEW = "the row has fewer values than the header: leave unknown values empty, but write their commas"
TOO_MANY = "the row has more values than the header: put a value that holds commas into double quotes"


@dataclass(frozen=True)
class Source:
    """A file to read."""

    name: str
    """As messages call it."""
    size: int
    """Bytes."""
    open: Callable[[], BinaryIO]


def read(
    files: Sequence[Source],
    schema: Schema,
    sink: Callable[[pl.DataFrame], None],
    progress: Callable[[float, str], None],
) -> Report:
    """Streams the files, in order, as frames into `sink`; memory does not grow with their size.

    The frames have the schema's field names in its order, as String, Int64, Float64 or Boolean. `progress`
    gets the share of bytes read. Raises ImportFailed as soon as a file cannot be read, or at the end where
    the rows as a whole cannot be used; what `sink` got must then be thrown away.
    """
    if not files:
        raise ImportFailed("There is no CSV file at the data location. Check the bucket and the path.")
    tally = _Tally()
    size = max(1, sum(source.size for source in files))
    done = 0
    for source in files:
        with source.open() as stream:
            metered = _Metered(stream)
            for frame in _frames(metered, source.name, schema, tally):
                if frame.height:
                    sink(frame)
                progress(min(1.0, (done + metered.count) / size), f"{tally.read:,} rows read")
        done += source.size
    return _judged(tally)


class _Metered:
    """A stream that counts the bytes read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data


class _Tally:
    """What was found so far, over all files."""

    def __init__(self) -> None:
        self.read = 0
        self.dropped = 0
        self.emptied = 0
        self.counts: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self.examples: dict[str, Problem] = {}
        self.failure: Problem | None = None
        self._settled = 0

    def note(self, first: list[Problem], count: int) -> None:
        """Counts one reason's `count` occurrences in a batch, of which `first` are the first ones."""
        self.counts[first[0].reason] += count
        self.examples.setdefault(first[0].reason, first[0])
        self.problems += first

    def end_batch(self) -> None:
        """Orders the batch's problems by line, and forgets those beyond the limit."""
        self.problems[self._settled :] = sorted(self.problems[self._settled :], key=lambda found: found.line)
        del self.problems[PROBLEMS_SHOWN:]
        self._settled = len(self.problems)

    def report(self) -> Report:
        counts = dict(self.counts.most_common())
        kept = self.read - self.dropped
        return Report(self.read, kept, self.dropped, self.emptied, tuple(self.problems), counts)


def _judged(tally: _Tally) -> Report:
    """The report, unless the rows as a whole cannot be used."""
    report = tally.report()
    if tally.failure is not None:
        found = tally.failure
        raise ImportFailed(f"{found.reason} First at line {found.line} of {found.file}.", report)
    if report.rows_read == 0:
        raise ImportFailed("The input has no rows: write the rows below the header line.", report)
    if report.rows_dropped > LARGEST_BAD_SHARE * report.rows_read:
        reasons = [tally.examples[reason] for reason in report.counts][:REASONS_NAMED]
        raise ImportFailed(
            f"{report.rows_dropped:,} of {report.rows_read:,} rows cannot be used. Commonest problems: "
            + "; ".join(
                f"{found.reason} ({report.counts[found.reason]:,} times, first at line {found.line} of "
                f"{found.file}: {json.dumps(found.value, ensure_ascii=False)})"
                for found in reasons
            )
            + ". Correct the data and import it again.",
            report,
        )
    return report


def _frames(stream: _Metered, name: str, schema: Schema, tally: _Tally) -> Iterator[pl.DataFrame]:
    """The good rows of one file, a frame a batch."""
    conversions = [conversion(field, key=schema.is_key(field), words=_words(schema, field)) for field in schema.fields]
    places: list[int] | None = None
    width = 0
    for records in csv_records.read(stream, name):
        if places is None and records.cells:
            header = records.cells.pop(0)
            del records.lines[0]
            places, width = _places(header, schema, name), len(header)
        if places is not None and records.cells:
            tally.read += len(records.cells)
            even = _even(records, width, name, tally)
            texts = list(zip(*even.cells, strict=True)) or [()] * width
            table = pl.DataFrame(
                {field.name: texts[at] for field, at in zip(schema.fields, places, strict=True)},
                dict.fromkeys((field.name for field in schema.fields), pl.String),
            )
            yield _checked(table, even.lines, conversions, name, tally)
            tally.end_batch()
    if places is None:
        tally.note([Problem(name, 1, "", "", "the file is empty: it needs a header line and rows")], 1)
        tally.end_batch()


def _words(schema: Schema, field: Field) -> tuple[str, ...]:
    """The values that the column may have; empty for any."""
    of_actions = schema.dataset_type == "ACTION_INTERACTIONS" and field.name.upper() == "EVENT_TYPE"
    return ACTION_EVENTS if of_actions else ()


def _places(header: list[str], schema: Schema, name: str) -> list[int]:
    """Where in the header each field is; case, order and further columns do not matter."""
    names = [cell.strip().upper() for cell in header]
    wanted = [field.name.upper() for field in schema.fields]
    missing = [field.name for field in schema.fields if field.name.upper() not in names]
    if missing:
        raise ImportFailed(
            f"Input CSV is missing the following columns:[{', '.join(missing)}]. "
            f"The header of {name} reads {_shown(','.join(header))}"
        )
    for column in wanted:
        if names.count(column) > 1:
            raise ImportFailed(f"The header of {name} names the column {column} more than once. Remove one.")
    return [names.index(column) for column in wanted]


def _even(records: Records, width: int, name: str, tally: _Tally) -> Records:
    """The records of `width` cells; the others are noted and left out."""
    if {len(cells) for cells in records.cells} == {width}:
        return records
    even = Records([], [])
    short: list[Problem] = []
    long: list[Problem] = []
    for line, cells in zip(records.lines, records.cells, strict=True):
        if len(cells) < width:
            short.append(Problem(name, line, "", _shown(",".join(cells)), TOO_FEW))
        elif any(cells[width:]):
            long.append(Problem(name, line, "", _shown(",".join(cells)), TOO_MANY))
        else:
            even.lines.append(line)
            even.cells.append(cells[:width])
    for problems in (short, long):
        if problems:
            tally.dropped += len(problems)
            tally.note(problems[:PROBLEMS_SHOWN], len(problems))
    return even


def _checked(
    table: pl.DataFrame, lines: list[int], columns: list[Conversion], name: str, tally: _Tally
) -> pl.DataFrame:
    """The good rows of a table of texts, converted; what is wrong goes to the tally."""
    result = (
        table.lazy()
        .with_columns(column.code for column in columns)
        .select(*(column.cell for column in columns), *(pl.col(column.code_name) for column in columns))
        .collect()
    )
    keep = result.select(~pl.any_horizontal(column.dropped for column in columns)).to_series()
    tally.dropped += len(keep) - int(keep.sum())
    for column in columns:
        codes = result[column.code_name]
        if codes.null_count() < len(codes):
            _note(column, codes, table[column.field.name], lines, keep, name, tally)
    return result.select(table.columns).filter(keep)


def _note(
    column: Conversion,
    codes: pl.Series,
    texts: pl.Series,
    lines: list[int],
    keep: pl.Series,
    name: str,
    tally: _Tally,
) -> None:
    """Tells the tally of the faults of one column in a batch."""
    for index, fault in enumerate(column.faults):
        found = (codes == index).fill_null(False)
        rows = found.arg_true()
        if rows.is_empty():
            continue
        first = [
            Problem(name, lines[row], column.field.name, _shown(texts[row]), fault.reason)
            for row in rows.head(PROBLEMS_SHOWN)
        ]
        tally.note(first, len(rows))
        if fault.effect is Effect.EMPTY:
            tally.emptied += int((found & keep).sum())
        if fault.effect is Effect.FAIL and tally.failure is None:
            tally.failure = first[0]


def _shown(text: str) -> str:
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "…"

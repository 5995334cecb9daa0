"""Bulk data: CSV files, checked row by row against a schema, to data frames and a report.

A bad cell is emptied, a row without its keys is dropped, and both are reported; the import as a whole fails
only where the data cannot be meant (spec control-plane 5.1; spec clients, "Imports").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from tailorbird.blanks import BLANKS
from tailorbird.data import namesakes
from tailorbird.data.schema import Field, Schema
from tailorbird.data.values import IDS
from tailorbird.ingest import csv_header, csv_records
from tailorbird.ingest.csv_blocks import Plain, Records
from tailorbird.ingest.csv_columns import ACTION_EVENTS, Conversion, Effect, conversion, looks
from tailorbird.ingest.csv_dialect import is_spaced
from tailorbird.ingest.csv_header import shown, visible
from tailorbird.ingest.csv_streams import Batch, Metered
from tailorbird.ingest.encodings import Spoilt
from tailorbird.ingest.import_report import EXAMPLES_SHOWN
from tailorbird.ingest.import_report import ImportFailed as ImportFailed
from tailorbird.ingest.import_report import Problem as Problem
from tailorbird.ingest.import_report import Report as Report
from tailorbird.ingest.tally import Tally, usable_report
from tailorbird.numbers import counted

TOO_FEW = "the row has fewer values than the header: leave unknown values empty, but write their commas"
TOO_MANY = "the row has more values than the header: put a value that holds commas into double quotes"
HEADER_AGAIN = "the row is the header again, as where files were joined: it is left out"
SPACED = "the header has blanks around its names, so those around the values are left out, too"
SPANS = (
    "a value in double quotes goes on over lines that look like rows: close its quote, and write a quote inside a "
    "value as two quotes"
)


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
    left_out: Sequence[str] = (),
) -> Report:
    """Streams the files, in order, as frames into `sink`; memory does not grow with their size.

    The frames have the schema's field names in its order, as String, Int64, Float64 or Boolean. `progress`
    gets the share of bytes read. left_out: names of other files at the location, to tell of where there are no
    `files`. Raises ImportFailed at the end, with all that was found, where a file cannot be read or the rows as a
    whole cannot be used; what `sink` got must then be thrown away.
    """
    if not files:
        raise ImportFailed(_no_files(left_out))
    tally = Tally()
    batch = Batch(sink)
    size = max(1, sum(source.size for source in files))
    done = 0
    for source in files:
        with source.open() as stream:
            metered = Metered(stream)
            try:
                for frame in _frames(metered, source.name, schema, tally):
                    batch.add(frame)
                    progress(min(1.0, (done + metered.count) / size), f"{counted(tally.read, 'row')} read")
            except ImportFailed as error:
                tally.failures.append(error.reason)
        done += source.size
    batch.end()
    return usable_report(tally)


def _no_files(names: Sequence[str]) -> str:
    """What to say of a location with no CSV file, but files with other names or in subfolders."""
    below = [name for name in names if "/" in name]
    other = [name for name in names if "/" not in name]
    # Markers such as _SUCCESS and .part-0.crc tell nothing where there are others.
    other = [name for name in other if name[0] not in "_."] or other
    below = [name for name in below if name.rpartition("/")[2][:1] not in ("_", ".")] or below
    seen = []
    if other:
        seen.append(
            f"It holds {counted(len(other), 'file whose name does', 'files whose names do')} "
            "not end in .csv or .csv.gz, "
            f"the first {other[0]}: rename it, or name it as the location."
        )
    if below:
        folder = below[0].rpartition("/")[0]
        seen.append(
            f"{counted(len(below), 'file is', 'files are')} "
            f"in subfolders, the first {below[0]}, and those are not read: give the location "
            f"of the subfolder, {folder}/ with the slash at its end."
        )
    advice = " ".join(seen) or "Nor is there any other file: check the bucket and the path."
    return f"There is no CSV file at the data location. {advice}"


def _frames(stream: Metered, name: str, schema: Schema, tally: Tally) -> Iterator[pl.DataFrame]:
    """The good rows of one file, a frame a batch; of a file that lacks columns there are none, only the problems."""
    spoilt = Spoilt()
    try:
        yield from _read_frames(csv_records.read(stream, name, spoilt), spoilt, name, schema, tally)
    finally:
        spoilt.tell(name, tally.failures)


def _read_frames(
    blocks: Iterator[Records | Plain], spoilt: Spoilt, name: str, schema: Schema, tally: Tally
) -> Iterator[pl.DataFrame]:
    """As `_frames`, of the file's records."""
    layout: _Layout | None = None
    for found in blocks:
        if isinstance(found, Plain) and layout is not None:
            frame = _plain_frame(found, layout, name, tally)
        else:
            records = found.records() if isinstance(found, Plain) else found
            if layout is None and records.cells:
                layout = _layout(records.cells.pop(0), records.lines.pop(0), schema, name, spoilt, tally)
                if not layout.places:
                    return
            if layout is None or not records.cells:
                continue
            frame = _frame(records, layout, name, tally)
        if len(layout.places) == len(schema.fields):
            yield frame
    if layout is None:
        tally.note([Problem(name, 1, "", "", "the file is empty: it needs a header line and rows")], 1)
        tally.end_batch()


@dataclass(frozen=True)
class _Layout:
    """How the rows of one file are laid out."""

    header: list[str]
    places: dict[str, int]
    """Of each field in the header."""
    columns: list[Conversion]
    spaced: bool
    """Whether blanks around values are only the file's style."""


def _layout(header: list[str], line: int, schema: Schema, name: str, spoilt: Spoilt, tally: Tally) -> _Layout:
    """The layout that a header says, with no places for other separators; tells what is wrong or odd about it."""
    separator = csv_header.separator(header, schema)
    if separator != "," and not csv_header.no_header(",".join(header), header, schema):
        # Alone: what else is seen of such a file is mostly of its separators.
        codec, reason = spoilt.handed_over()
        tally.failures.append(csv_header.other_separator(header, separator, name, schema, codec))
        tally.failures += filter(None, [reason])
        return _Layout(header, {}, [], False)
    spoilt.tell(name, tally.failures)
    places = _places(header, schema, name, tally)
    columns = [
        conversion(field, key=schema.is_key(field), words=_words(schema, field))
        for field in schema.fields
        if field.name in places
    ]
    spaced = is_spaced(header)
    if spaced and places:
        tally.note([Problem(name, line, "", shown(",".join(header)), SPACED)], 1)
    return _Layout(header, places, columns, spaced)


def _frame(records: Records, layout: _Layout, name: str, tally: Tally) -> pl.DataFrame:
    """The good rows among some records."""
    tally.read += len(records.cells)
    if records.spans:
        tally.note([Problem(name, line, "", shown(text), SPANS) for line, text in records.spans], len(records.spans))
    width, places = len(layout.header), layout.places
    even = _even(_rows(records, layout, name, tally), width, name, tally)
    texts = list(zip(*even.cells, strict=True)) or [()] * width
    table = pl.DataFrame({field: texts[at] for field, at in places.items()}, dict.fromkeys(places, pl.String))
    return _checked(table, even.lines, layout, name, tally)


def _plain_frame(block: Plain, layout: _Layout, name: str, tally: Tally) -> pl.DataFrame:
    """As `_frame`, of a block of plain records."""
    texts = block.table([0, *layout.places.values()])
    firsts = texts["0"].unique().str.strip_chars(BLANKS).str.to_uppercase()
    many = [cells for cells in block.odd.cells if len(cells) > block.width]
    again = firsts.is_in([*map(visible, layout.header)]).any()
    if again or not all(any(map(str.strip, cells[block.width :])) for cells in many):
        return _frame(block.records(), layout, name, tally)
    tally.read += len(block.lines) + len(block.odd.cells)
    _even(_rows(block.odd, layout, name, tally), block.width, name, tally)
    table = texts.select(pl.col(str(at)).alias(field) for field, at in layout.places.items())
    return _checked(table, block.lines, layout, name, tally)


def _words(schema: Schema, field: Field) -> tuple[str, ...]:
    """The values that the column may have; empty for any."""
    of_actions = schema.dataset_type == "ACTION_INTERACTIONS" and field.name.upper() == "EVENT_TYPE"
    return ACTION_EVENTS if of_actions else ()


def _places(header: list[str], schema: Schema, name: str, tally: Tally) -> dict[str, int]:
    """Where in the header each field is; case, order and further columns do not matter. Tells what is wrong with it.

    A field that is missing is where its likely namesake is, so that its values are looked at too.
    """
    names = [visible(cell) for cell in header]
    fields = [field.name for field in schema.fields]
    absent = [field for field in fields if field.upper() not in names]
    own = {field.upper() for field in fields}
    others = [cell for cell, seen in zip(header, names, strict=True) if seen and seen not in own]
    if absent:
        if words := csv_header.no_header(",".join(header), header, schema):
            hint = f"The first line of {name} {words}"
        else:
            hint = csv_header.header_hint(header, name) + namesakes.rename_hint(absent, map(str.strip, others))
        tally.failures.append(f"Input CSV is missing the following columns:[{', '.join(absent)}]. {hint}")
    likely = namesakes.of(absent, others)
    tally.ignore(other for other in others if other not in likely.values())
    places = {field: names.index(field.upper()) for field in fields if field not in absent}
    places |= {field: header.index(other) for field, other in likely.items()}
    twice = [field for field in places if names.count(field.upper()) > 1]
    if twice:
        tally.failures.append(f"The header of {name} names the column {', '.join(twice)} more than once. Remove one.")
    return places


def _rows(records: Records, layout: _Layout, name: str, tally: Tally) -> Records:
    """The records but those that are the header again, of which it tells; raises ImportFailed for another header."""
    names = [*map(visible, layout.header)]
    known = frozenset(names)
    ids = frozenset(names[place] for field, place in layout.places.items() if field.upper() in IDS)
    again = {number for number, cells in enumerate(records.cells) if csv_header.is_header(cells, known, ids)}
    if not again:
        return records
    told = []
    for line, cells in ((records.lines[number], records.cells[number]) for number in sorted(again)):
        if [*map(visible, cells)] != names:
            reason = f"Line {line} of {name} is a second header, with other columns or places: split the file there."
            raise ImportFailed(reason)
        told.append(Problem(name, line, "", shown(",".join(cells)), HEADER_AGAIN))
    tally.dropped += len(told)
    tally.note(told[:EXAMPLES_SHOWN], len(told))
    kept = [number for number in range(len(records.cells)) if number not in again]
    return Records([records.lines[number] for number in kept], [records.cells[number] for number in kept])


def _even(records: Records, width: int, name: str, tally: Tally) -> Records:
    """The records of `width` cells; the others are noted and left out."""
    if {len(cells) for cells in records.cells} == {width}:
        return records
    even = Records([], [])
    short: list[Problem] = []
    long: list[Problem] = []
    for line, cells in zip(records.lines, records.cells, strict=True):
        if len(cells) < width:
            short.append(Problem(name, line, "", shown(",".join(cells)), TOO_FEW))
        elif any(map(str.strip, cells[width:])):
            long.append(Problem(name, line, "", shown(",".join(cells)), TOO_MANY))
        else:
            even.lines.append(line)
            even.cells.append(cells[:width])
    for problems in (short, long):
        if problems:
            tally.dropped += len(problems)
            tally.note(problems[:EXAMPLES_SHOWN], len(problems))
    return even


def _checked(table: pl.DataFrame, lines: Sequence[int], layout: _Layout, name: str, tally: Tally) -> pl.DataFrame:
    """The good rows of a table of texts, converted; what is wrong goes to the tally."""
    columns = layout.columns
    if layout.spaced:
        table = table.with_columns(pl.all().str.strip_chars(" \t"))
    found = looks(columns, table)
    result = pl.DataFrame([cells for cells, _ in found])
    faulty = [(column, codes) for column, (_, codes) in zip(columns, found, strict=True) if codes is not None]
    if faulty:
        keep = (
            pl.DataFrame([codes for _, codes in faulty])
            .select(~pl.any_horizontal(column.dropped for column, _ in faulty))
            .to_series()
        )
        tally.dropped += len(keep) - int(keep.sum())
        for column, codes in faulty:
            _note(column, codes, table[column.field.name], lines, keep, name, tally)
        result = result.filter(keep)
    tally.end_batch()
    kept = result.select(table.columns)
    tally.filled.update({each.name: len(kept) - each.null_count() for each in kept})
    return kept


def _note(
    column: Conversion,
    codes: pl.Series,
    texts: pl.Series,
    lines: Sequence[int],
    keep: pl.Series,
    name: str,
    tally: Tally,
) -> None:
    """Tells the tally of the faults of one column in a batch."""
    for index, fault in enumerate(column.faults):
        faulty = (codes == index).fill_null(False)
        rows = faulty.arg_true()
        if rows.is_empty():
            continue
        first = [
            Problem(name, lines[row], column.field.name, shown(texts[row]), fault.reason)
            for row in rows.head(EXAMPLES_SHOWN)
        ]
        tally.note(first, len(rows))
        tally.see(column.field.name, fault.reason, texts.filter(faulty))
        if fault.effect is Effect.EMPTY:
            tally.emptied[column.field.name] += int((faulty & keep).sum())
        if fault.effect is Effect.FAIL and all(found.reason != fault.reason for found in tally.fatal):
            tally.fatal.append(first[0])

"""The texts of a time column that are no numbers: how they are written, all of them, and how pandas reads that."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from tailorbird.blanks import BLANKS
from tailorbird.ingest import pandas_times, time_forms
from tailorbird.ingest.csv_header import shown
from tailorbird.ingest.pandas_times import Reading
from tailorbird.ingest.time_forms import Form
from tailorbird.numbers import counted

MOST_SHAPES = 256
"""Texts of a block that are looked at, of those that differ in more than digits: of months and weekdays there are
84. Not tuned."""
STRAY_SHARE = 0.01
"""Share of the dates up to which those with day and month in the other order are slips; beyond, two kinds of data were
joined. Not tuned."""


@dataclass
class _Dates:
    """What was seen of the dates that may have the same formats."""

    rows: int = 0
    read: Counter[str] = field(default_factory=Counter)
    """By format, how many it reads."""
    examples: dict[str, str] = field(default_factory=dict)
    """By format, a text that no other one reads."""
    any: str = ""
    """A text that some format reads."""

    def best(self) -> list[str]:
        """The formats that read most of them."""
        most = max(self.read.values(), default=0)
        return [date for date, count in self.read.items() if count == most > 0]


class TimeTexts:
    """Looks at the texts of one column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows = 0
        self._wide = False
        self._forms: Counter[Form] = Counter()
        self._dates: dict[tuple[str, ...], _Dates] = {}
        self._stray = ""
        """The first text that is no date."""

    def add(self, texts: pl.Series) -> None:
        """Takes note of some texts, which are neither blank nor numbers."""
        self._rows += len(texts)
        plain = texts.str.normalize("NFKC")
        self._wide = self._wide or bool((plain != texts).any())
        shape = pl.col("text").str.replace_all("[0-9]", "0").alias("shape")
        found = plain.str.strip_chars(BLANKS).alias("text").to_frame().with_columns(shape)
        shapes = found["shape"].unique(maintain_order=True).head(MOST_SHAPES)
        for _, rows in found.filter(pl.col("shape").is_in(shapes.implode())).group_by("shape", maintain_order=True):
            form = time_forms.of(rows["text"][0])
            if form is None:
                self._stray = self._stray or rows["text"][0]
            else:
                self._add(rows["text"], *form)

    def _add(self, texts: pl.Series, form: Form, place: slice) -> None:
        """As `add`, of texts that differ in digits alone."""
        seen = self._dates.setdefault(form.dates, _Dates())
        days = texts.str.slice(place.start, place.stop - place.start)
        read = {date: days.str.to_date(date, strict=False).is_not_null() for date in form.dates}
        known = pl.DataFrame(read).select(pl.sum_horizontal(pl.all().cast(pl.UInt8))).to_series()
        self._forms[form] += (rows := int((known > 0).sum()))
        seen.rows += rows
        for date, reads in read.items():
            seen.read[date] += int(reads.sum())
            if (alone := texts.filter(reads & (known == 1))).len():
                seen.examples.setdefault(date, alone[0])
        if (no_dates := texts.filter(known == 0)).len():
            self._stray = self._stray or no_dates[0]
        if (dates := texts.filter(known > 0)).len():
            seen.any = seen.any or dates[0]

    def warning(self, numbers: bool) -> str:
        """What they are, and the lines for pandas; empty where there is nothing like a time among them.

        numbers: whether the column has epoch seconds as well.
        """
        chosen = {dates: best for dates, seen in self._dates.items() if (best := seen.best())}
        if not chosen:
            return self._unknown()
        count = sum(self._dates[dates].read[best[0]] for dates, best in chosen.items())
        example = _quoted(max((self._dates[dates] for dates in chosen), key=lambda seen: seen.rows).any)
        told = [
            f"{counted(count, f'value of {self.name} is a date', f'values of {self.name} are dates')} such as "
            f"{example}, not epoch seconds."
        ]
        told += [words for dates, best in chosen.items() if (words := _order(self._dates[dates], best))]
        if lost := self._rows - count:
            told.append(f"Of {counted(lost, 'other value')} no time can be made{self._shown_stray()}.")
        readings = [
            Reading(f'format="{form.format(chosen[form.dates][0])}"', form.zoned)
            for form, rows in self._forms.most_common()
            if rows and form.dates in chosen
        ]
        lines = pandas_times.recipe(self.name, list(dict.fromkeys(readings)), numbers=numbers, wide=self._wide)
        return f"{' '.join([*told, pandas_times.ADVICE])}{lines}"

    def _shown_stray(self) -> str:
        return f", such as {_quoted(self._stray)}" if self._stray else ""

    def _unknown(self) -> str:
        if not any(map(str.isdigit, self._stray)):
            return ""
        return (
            f"Values of {self.name} such as {_quoted(self._stray)} are neither epoch seconds nor written as dates "
            "mostly are: tell pandas' to_datetime their format=, since without one it guesses which number is the day."
        )


def _order(seen: _Dates, best: list[str]) -> str:
    """Which number is the day, and how that is known; empty where it can be nothing else."""
    if len(seen.read) == 1:
        return ""
    other = seen.rows - seen.read[best[0]]
    if other > STRAY_SHARE * seen.rows:
        date, example = next((date, text) for date, text in seen.examples.items() if date != best[0])
        return (
            f"They are written in two ways: {_quoted(seen.examples[best[0]])} is of the form {best[0]}, and "
            f"{_quoted(example)} of {date}. Convert each source by itself before they are joined: nothing tells which "
            "the others are, and the lines below are right for the first alone."
        )
    if len(best) > 1:
        return (
            f"Which number is the day no value tells: {_quoted(seen.any)} may be of the form {' or '.join(best)}. The "
            "lines below take the first; look where the data come from, and put the other in its place if it is that."
        )
    return f"They are of the form {best[0]}, as {_quoted(seen.examples[best[0]])} shows."


def _quoted(text: str) -> str:
    return json.dumps(shown(text), ensure_ascii=False)

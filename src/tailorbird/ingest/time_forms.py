"""How a time is written that is no number: from one such text to the format by which pandas reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

_DAY = r"\d\d?"
_YEARS = {r"\d{4}": "%Y", r"\d\d": "%y"}
_MONTHS = {
    "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)": "%b",
    "(?:january|february|march|april|june|july|august|september|october|november|december)": "%B",
}
_WEEKDAYS = {
    "": "",
    "(?:mon|tue|wed|thu|fri|sat|sun)(?P<w>,? )": "%a{w}",
    "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)(?P<w>,? )": "%A{w}",
}
_DATES: dict[str, tuple[str, ...]] = {
    rf"\d{{4}}(?P<s>[-/.]){_DAY}(?P=s){_DAY}": ("%Y{s}%m{s}%d",),
    rf"{_DAY}(?P<s>[-/]|\. ?){_DAY}(?P=s)\d{{4}}": ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y"),
    rf"{_DAY}(?P<s>/|\. ?){_DAY}(?P=s)\d\d": ("%d{s}%m{s}%y", "%m{s}%d{s}%y"),
    rf"{_DAY}-{_DAY}-\d\d": ("%d-%m-%y", "%y-%m-%d", "%m-%d-%y"),
    rf"\d{{4}}(?P<y>[年년])(?P<s> ?){_DAY}(?P<m>[月월])(?P=s){_DAY}(?P<d>[日号號일])": ("%Y{y}{s}%m{m}{s}%d{d}",),
    r"\d{8}": ("%Y%m%d",),
    **{
        rf"{_DAY}(?P<s>[-/ ]|\. ?){month}(?P<r>[-/ ]){year}": (f"%d{{s}}{month_read}{{r}}{year_read}",)
        for month, month_read in _MONTHS.items()
        for year, year_read in _YEARS.items()
    },
    **{rf"{month} {_DAY}(?P<s>,? )\d{{4}}": (f"{read} %d{{s}}%Y",) for month, read in _MONTHS.items()},
}
"""Patterns of dates, and the formats that each may have, likeliest first."""
_HOUR = rf"(?P<j> ?){_DAY}(?P<h>[时時点點시])(?P<g> ?)"
_SECONDS = {"": "", r":\d\d": ":%S", r":\d\d(?P<f>[.,])\d{1,9}": ":%S{f}%f"}
_CLOCKS = {
    "": "",
    **{
        rf"(?P<j>T| +|, ?|:|-|){_DAY}:\d\d{seconds}": f"{{j}}%H:%M{read}" for seconds, read in _SECONDS.items()
    },
    **{
        rf"(?P<j> +|, ?){_DAY}:\d\d{seconds}(?P<g> ?)[ap]m": f"{{j}}%I:%M{read}{{g}}%p"
        for seconds, read in _SECONDS.items()
    },
    rf"{_HOUR}{_DAY}(?P<m>[分분])": "{j}%H{h}{g}%M{m}",
    rf"{_HOUR}{_DAY}(?P<m>[分분])(?P=g){_DAY}(?P<s>[秒초])": "{j}%H{h}{g}%M{m}{g}%S{s}",
    r"(?P<j>T?)\d{6}": "{j}%H%M%S",
    r"(?P<j>T?)\d{4}": "{j}%H%M",
}  # fmt: skip
_ZONES = {"": "", r"(?P<z> ?)(?:Z|[+-]\d\d(?::?\d\d)?)": "{z}%z", r"(?P<z> ?(?:UTC|GMT))": "{z}"}


@dataclass(frozen=True)
class Form:
    """How a text is written."""

    before: str
    """The format of what is before the date."""
    dates: tuple[str, ...]
    """The formats that the date may have, likeliest first."""
    after: str
    """The format of what is after it."""
    zoned: bool

    def format(self, date: str) -> str:
        """The whole format, where the date has one of `dates`."""
        return self.before + date + self.after


@lru_cache(1024)
def of(text: str) -> tuple[Form, slice] | None:
    """The form of a text, and where its date is; None where none is known. Of texts that differ in digits it is one."""
    for before, start in _read(_WEEKDAYS, text, 0):
        for pattern, dates in _DATES.items():
            found = re.compile(pattern, re.IGNORECASE).match(text, start)
            if not found:
                continue
            given = tuple(date.format(**found.groupdict()) for date in dates)
            for clock, middle in _read(_CLOCKS, text, found.end()):
                for zone, end in _read(_ZONES, text, middle):
                    if end == len(text):
                        return Form(before, given, clock + zone, bool(zone)), slice(start, found.end())
    return None


def _read(table: Mapping[str, str], text: str, at: int) -> Iterator[tuple[str, int]]:
    """Each format of a table whose pattern the text has at a place, and where that ends."""
    for pattern, read in table.items():
        if found := re.compile(pattern, re.IGNORECASE).match(text, at):
            yield read.format(**found.groupdict()), found.end()

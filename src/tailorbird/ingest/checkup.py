"""What is odd about imported data though every row is right: said before anyone trains on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tailorbird.data import event_rules, training, values
from tailorbird.data.null_words import NOTHING
from tailorbird.data.schema import Schema
from tailorbird.ingest.category_checkup import CategoryCheckup
from tailorbird.ingest.id_checkup import IdCheckup
from tailorbird.ingest.response_checkup import ResponseCheckup
from tailorbird.ingest.row_checkup import RowCheckup
from tailorbird.ingest.spellings import Oddities, Twins, hashed, odd_spellings
from tailorbird.ingest.time_checkup import TimeCheckup, wider
from tailorbird.numbers import counted

REPEATED = 0.1
"""Share of interactions that repeat an earlier row from which it is worth a word: the Online Retail data have .01."""
MANY_SINGLES = 0.5
"""Share of users with one row from which it is worth a word: of these sequences teach nothing. Not tuned."""
POOR_COVERAGE = 0.9
"""Share of items with metadata below which it is worth a word: the rest cannot be filtered by them. Not tuned."""


class Checkup:
    """Looks at the good rows frame by frame; keeps a hash and a count of every id, and no rows."""

    def __init__(self, schema: Schema, now: float) -> None:
        """now: epoch seconds, after which a timestamp is in the future."""
        self.schema = schema
        self._ids = {name: IdCheckup(name) for name in values.IDS if schema.field(name)}
        self._times = {name: TimeCheckup(name, now) for name in sorted(values.TIMES) if schema.field(name)}
        self._odd = {field.name.upper(): Oddities(field) for field in schema.fields if odd_spellings(field)}
        self._categories = {
            field.name.upper(): CategoryCheckup(field.name.upper()) for field in schema.fields if field.categorical
        }
        self._texts = [
            field.name.upper()
            for field in schema.fields
            if field.type == "string" and field.name.upper() not in values.NAMES
        ]
        self._words: dict[str, tuple[int, str]] = {}
        """Of a column of texts: how many are null words, and the first of them."""
        self._rows = self._bare = 0
        self._equal = RowCheckup()
        self._responses = ResponseCheckup() if schema.dataset_type == "ACTION_INTERACTIONS" else None
        self._bounds = pl.Series("TIMESTAMP", [], pl.Int64)
        self._types: Counter[str] = Counter()

    def see(self, frame: pl.DataFrame) -> None:
        """Takes note of some rows, columns as the schema spells them."""
        frame = frame.rename(str.upper)
        self._rows += len(frame)
        counts = {name: frame[name].value_counts() for name in self._ids}
        for name, ids in self._ids.items():
            ids.add(counts[name])
        for name, odd in self._odd.items():
            if name not in counts or odd.may_be_in(counts[name][name]):
                odd.add(frame[name])
        for parts in (self._categories, self._times):
            for name, part in parts.items():
                part.add(frame[name])
        for name in self._texts:
            self._see_words(frame[name])
        self._see_rows(frame)

    def _see_rows(self, frame: pl.DataFrame) -> None:
        if "TIMESTAMP" in frame.columns:
            self._bounds = wider(self._bounds, frame["TIMESTAMP"])
            self._equal.add(frame)
        if self._responses is not None:
            self._responses.add(frame)
        if "EVENT_TYPE" in frame.columns:
            self._types.update(dict(frame["EVENT_TYPE"].drop_nulls().value_counts().iter_rows()))
        if self.schema.dataset_type == "ITEMS":
            self._bare += int(frame.select(pl.all_horizontal(pl.exclude("ITEM_ID").is_null())).to_series().sum())

    def _see_words(self, texts: pl.Series) -> None:
        found = texts.filter(texts.str.contains(NOTHING))
        if len(found):
            count, first = self._words.get(texts.name, (0, found[0]))
            self._words[texts.name] = count + len(found), first

    def warnings(self) -> list[str]:
        """What to look at before training, each with the reason; nothing where no row was seen."""
        if not self._rows:
            return []
        return [
            *(text for odd in self._odd.values() for text in odd.warnings()),
            *(text for ids in self._ids.values() for text in ids.warnings()),
            *self._of_types(),
            *(text for categories in self._categories.values() for text in categories.warnings()),
            *(text for times in self._times.values() for text in times.warnings()),
            *(
                f"{counted(count, 'row has', 'rows have')} "
                f"the word {first} as {name}, where it is a value like any other: leave the cell "
                "empty where there is none."
                for name, (count, first) in self._words.items()
            ),
            *(self._of_events() if "TIMESTAMP" in self._times else self._of_records()),
            *(self._responses.warnings() if self._responses is not None else ()),
        ]

    def summary(self) -> str:
        """What the rows are, in a sentence; empty where no row was seen."""
        if not self._rows:
            return ""
        ids = [counted(len(each.counts.total()), name.removesuffix("_ID").lower()) for name, each in self._ids.items()]
        if "TIMESTAMP" not in self._times:
            return f"{', '.join(ids)}."
        first, last = (_date(time) for time in (self._bounds.min(), self._bounds.max()))
        return f"{counted(self._rows, 'event')}, {', '.join(ids)}, from {first} to {last} (UTC)."

    def unknown_items(self, known: pl.Series) -> list[str]:
        """A warning where many items of the interactions are not among `known`, the ids that have metadata."""
        items = self._ids["ITEM_ID"].counts.total()
        covered = int(items["id"].is_in(hashed(known).implode()).sum())
        if covered >= POOR_COVERAGE * len(items):
            return []
        return [
            f"{covered:,} of {counted(len(items), 'item has', 'items have')} "
            "a record in the Items dataset: filters on metadata cannot "
            "judge the others. Import them too, and check that both files spell the ids alike."
        ]

    def missing_types(self, needed: Mapping[str, Sequence[str]]) -> list[str]:
        """A warning where no row has an event type that a domain's use cases need, in any case; needed: their names."""
        there = {name.lower() for name in self._types}
        missing = {name: cases for name, cases in needed.items() if name.lower() not in there}
        if not self._rows or self.schema.dataset_type != "INTERACTIONS" or not missing:
            return []
        wanted = "; ".join(
            f"{name}, which {', '.join(cases)} ask{'s' * (len(cases) == 1)} for" for name, cases in missing.items()
        )
        present = event_rules.listed(self._types) if self._types else "none at all"
        return [
            f"No row has the EVENT_TYPE {wanted}. The event types are {present}: give those that mean the same the "
            "domain's names before recommenders are created."
        ]

    def _of_types(self) -> list[str]:
        types = pl.Series("EVENT_TYPE", sorted(self._types), pl.String)
        twins = Twins("EVENT_TYPE")
        twins.add(types)
        return twins.warnings(hashed(types))

    def _of_events(self) -> list[str]:
        share = self._equal.repeated()
        return _holding(
            (
                self._rows > 1 and self._times["TIMESTAMP"].same,
                "All rows have the same TIMESTAMP: without an order of events next to nothing can be learnt from them.",
            ),
            (
                len(self._types) == 1,
                f"All rows have the EVENT_TYPE {', '.join(self._types)}: tell kinds of events apart if there are more.",
            ),
            (
                share >= REPEATED,
                f"{share:.0%} of the rows repeat an earlier one in every column, and count once: look whether the "
                "data were exported or joined twice.",
            ),
        ) + (self._floors() if self.schema.dataset_type == "INTERACTIONS" else [])

    def _floors(self) -> list[str]:
        """What a training of item recipes needs; it counts different rows, as here."""
        lengths = self._equal.lengths()
        users = self._ids["USER_ID"].counts.total()["count"] if lengths is None else lengths
        singles, rows = int((users == 1).sum()), self._equal.distinct()
        different = "" if rows == self._rows else "different "
        return _holding(
            (
                singles >= MANY_SINGLES * max(1, len(users)),
                f"{singles:,} of {counted(len(users), 'user has', 'users have')} "
                "one row only: nothing can be learnt or measured on them.",
            ),
            (
                rows < training.LEAST_INTERACTIONS,
                f"There {'is' if rows == 1 else 'are'} {counted(rows, different + 'row')}; "
                f"a training needs {training.LEAST_INTERACTIONS:,}, recorded events "
                "included.",
            ),
            (
                len(users) - singles < training.LEAST_USERS,
                f"{counted(len(users) - singles, 'user has', 'users have')} "
                f"{training.LEAST_INTERACTIONS_OF_USER} rows or more; "
                f"a training needs {training.LEAST_USERS} such users, recorded events included.",
            ),
        )

    def _of_records(self) -> list[str]:
        repeated = self._rows - len(next(iter(self._ids.values())).counts.total())
        return _holding(
            (
                repeated > 0,
                f"{counted(repeated, 'row repeats', 'rows repeat')} an earlier id: the last row of an id counts.",
            ),
            (
                self._bare > 0,
                f"{self._bare:,} of {counted(self._rows, 'item has', 'items have')} "
                "no metadata: all their columns are empty.",
            ),
        )


def _date(time: Any) -> str:
    """time: epoch seconds, within those that an import keeps."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def _holding(*found: tuple[bool, str]) -> list[str]:
    return [text for holds, text in found if holds]

"""What is odd about the ids of imported rows: why many users, or all, may come to be one."""

from __future__ import annotations

import json

import polars as pl

LARGE_SHARE = 0.1
"""Share of all rows from which an id is worth a word: in MovieLens the busiest user has .027, the busiest item .003."""
TIMES_MEAN = 5
"""How often the rows of such an id must be the mean's, since of five items one has a fifth of all rows at least."""
PENDING_ROWS = 1 << 20
"""Rows whose ids are gathered before they are counted together; also the most ids kept as texts."""

ODD = {
    r"^\s|\s$": "a space before or after their {name}, which makes it another id: remove it",
    r"^-?\d+\.0+$|^\d(\.\d+)?[eE]\+\d+$": "a {name} that some program made a number, and so another id: write it as "
    'text, as pandas does after astype("Int64") or when it reads with dtype=str',
    r"[\p{Cc}\p{Cf}]": "a {name} with characters that cannot be seen, such as a zero-width space, which make it "
    "another id: remove them",
}
"""Patterns of ids, and what rows with such an id have."""


class IdCheckup:
    """Looks at the ids of one column; keeps a hash and a count of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = Counts()
        self._odd = dict.fromkeys(ODD, 0)
        self._examples: dict[str, str] = {}
        self._frequent: dict[int, str] = {}
        """By hash, the ids with a large share of some frame's rows, as those of all rows are."""
        self._decomposed = pl.DataFrame(schema={"id": pl.UInt64, "text": pl.String})
        """Ids that Unicode can write shorter, with the hash of that form."""

    def add(self, ids: pl.Series) -> None:
        """Takes note of some rows' ids, none of them null."""
        self.counts.add(ids)
        for pattern in ODD:
            found = ids.filter(ids.str.contains(pattern))
            if len(found):
                self._odd[pattern] += len(found)
                self._examples.setdefault(pattern, found[0])
        # A little below the share, so that rounding loses none.
        often = ids.value_counts().filter(pl.col("count") >= 0.99 * LARGE_SHARE * len(ids))[ids.name]
        self._frequent.update(zip(hashed(often), often, strict=True))
        other = ids.filter(ids.str.len_bytes() != ids.str.len_chars())
        composed = other.str.normalize("NFC")
        longer = pl.DataFrame({"id": hashed(composed), "text": other}).filter(other != composed).unique()
        if len(longer) and len(self._decomposed) < PENDING_ROWS:
            self._decomposed = pl.concat([self._decomposed, longer]).unique()

    def warnings(self) -> list[str]:
        """Each with the number of rows, or ids, and the first of them."""
        odd = [
            f"{count:,} rows have {ODD[pattern].format(name=self.name)}; the first is {_shown(self._examples[pattern])}"
            for pattern, count in self._odd.items()
            if count
        ]
        return [*odd, *self._twins(), *self._frequent_ids()]

    def _twins(self) -> list[str]:
        known = self.counts.total()["id"].implode()
        twins = self._decomposed.filter(pl.col("id").is_in(known) | pl.col("id").is_duplicated())
        if twins.is_empty():
            return []
        first = ascii(twins["text"].min())
        return [
            f"{twins['id'].n_unique():,} ids of {self.name} occur in two spellings that look the same (Unicode NFC and "
            f"NFD), and count as two; one is {first}. Normalise the ids to NFC."
        ]

    def _frequent_ids(self) -> list[str]:
        total = self.counts.total()
        rows = int(total["count"].sum())
        least = max(LARGE_SHARE * rows, TIMES_MEAN * rows / max(1, len(total)))
        return [
            f"{count:,} of {rows:,} rows have the {self.name} {_shown(self._frequent[id_])}: where it stands for all "
            "who are unknown, or for a robot, leave these rows out, since one taste is learnt from them."
            for id_, count in total.filter(pl.col("count") >= least).sort("count", descending=True).iter_rows()
        ]


class Counts:
    """How often each id occurred, by its hash; 16 bytes an id."""

    def __init__(self) -> None:
        self._total = pl.DataFrame(schema={"id": pl.UInt64, "count": pl.UInt64})
        self._pending: list[pl.Series] = []
        self._waiting = 0

    def add(self, ids: pl.Series) -> None:
        """Counts each id once more."""
        self._pending.append(hashed(ids))
        self._waiting += len(ids)
        # Counted anew only when the pending ids are as many as the counted ones: the work stays linear.
        if self._waiting > max(PENDING_ROWS, len(self._total)):
            self.total()

    def total(self) -> pl.DataFrame:
        """`id` (a hash) and `count`."""
        if self._pending:
            fresh = pl.DataFrame({"id": pl.concat(self._pending)}).with_columns(count=pl.lit(1, pl.UInt64))
            self._total = pl.concat([self._total, fresh]).group_by("id").agg(pl.col("count").sum())
            self._pending, self._waiting = [], 0
        return self._total


def hashed(ids: pl.Series) -> pl.Series:
    """A number for each id, the same in each series."""
    return ids.hash(seed=0).alias("id")


def _shown(text: str) -> str:
    """The id in quotes, with what cannot be seen as escapes."""
    return json.dumps(text, ensure_ascii=not text.isprintable())

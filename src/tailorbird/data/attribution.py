"""From rows of interactions to what each metric of an attribution adds up to (spec recipes-and-runtime 6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tailorbird.data.datasets import SOURCE
from tailorbird.storage.metric_counters import PERIOD

SAMPLE_COUNT = "SAMPLECOUNT()"
UNDEFINED = "SOURCE_NAME_UNDEFINED"
"""The source of an event that names none, and no answer that is known."""
MOST_SOURCES = 100
"""Distinct sources of a dataset group (spec control-plane 2.4); AWS does not say what becomes of others: here they
count as undefined."""

_SUM = re.compile(r"SUM\(\s*(items|interactions)\.([A-Za-z_][A-Za-z\d_]*)\s*\)", re.IGNORECASE)
_EMPTY = {"METRIC": pl.Int64, SOURCE: pl.String, "BUCKET": pl.Int64, "VALUE": pl.Float64}


@dataclass(frozen=True)
class Metric:
    """What is added up over events of a type."""

    name: str
    event_type: str
    """In any case."""
    dataset: str = ""
    """ITEMS or INTERACTIONS where a column is added up; empty where events are counted."""
    column: str = ""
    """In upper case."""

    @property
    def function(self) -> str:
        """As reports name it."""
        return "sum" if self.column else "samplecount"

    @property
    def summed(self) -> str:
        """The column of the rows once the items' are joined to them."""
        return f"ITEMS {self.column}" if self.dataset == "ITEMS" else self.column


def read(name: str, event_type: str, expression: str) -> Metric | None:
    """The metric of an expression; None where it is none of the three that there are."""
    if expression.strip().upper() == SAMPLE_COUNT:
        return Metric(name, event_type)
    found = _SUM.fullmatch(expression.strip())
    return Metric(name, event_type, found[1].upper(), found[2].upper()) if found else None


def totals(metrics: Sequence[Metric], rows: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame:
    """What the rows add to each metric: its number in METRIC, SOURCE, BUCKET (epoch seconds) and VALUE.

    rows: interactions by upper-case columns, with their `SOURCE`. items: one record an item, likewise; a missing
    value adds nothing.
    """
    of_items = sorted({metric.column for metric in metrics if metric.dataset == "ITEMS"})
    known = [name for name in of_items if items is not None and name in items.columns]
    if items is not None and known:
        renamed = items.select("ITEM_ID", *(pl.col(name).alias(f"ITEMS {name}") for name in known))
        rows = rows.join(renamed, on="ITEM_ID", how="left", maintain_order="left")
    keys = [pl.col(SOURCE).fill_null(UNDEFINED), (pl.col("TIMESTAMP") // PERIOD * PERIOD).alias("BUCKET")]
    parts = [pl.DataFrame(schema=_EMPTY)]
    for number, metric in enumerate(metrics):
        if metric.column and metric.summed not in rows.columns:
            continue
        chosen = rows.filter(pl.col("EVENT_TYPE").str.to_lowercase() == metric.event_type.lower())
        # Sums of whole numbers wrap at 64 bits without a word.
        value = pl.col(metric.summed).cast(pl.Float64).sum() if metric.column else pl.len().cast(pl.Float64)
        found = chosen.group_by(keys, maintain_order=True).agg(value.alias("VALUE"))
        parts.append(found.select(pl.lit(number, pl.Int64).alias("METRIC"), SOURCE, "BUCKET", "VALUE"))
    return pl.concat(parts)


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Totals of parts of the rows as those of all."""
    every = pl.concat([pl.DataFrame(schema=_EMPTY), *parts])
    return every.group_by("METRIC", SOURCE, "BUCKET", maintain_order=True).agg(pl.col("VALUE").sum())


def within_quota(found: pl.DataFrame, known: set[str]) -> pl.DataFrame:
    """Totals whose sources are at most `MOST_SOURCES` together with the `known` ones; what is over is `UNDEFINED`.

    Sources are told apart in upper case, as CloudWatch has them.
    """
    labels = pl.col(SOURCE).str.to_uppercase()
    new = [label for label in found.select(labels.unique(maintain_order=True)).to_series() if label not in known]
    over = [label for label in new if label != UNDEFINED][max(0, MOST_SOURCES - len(known - {UNDEFINED})) :]
    is_over = labels.is_in(pl.Series(over, dtype=pl.String).implode())
    return together([found.with_columns(pl.when(is_over).then(pl.lit(UNDEFINED)).otherwise(SOURCE).alias(SOURCE))])

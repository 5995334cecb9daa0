"""Impressions: what users were shown, told by events or known from the answer that an event names.

Source: spec recipes-and-runtime 7. Their order says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data.datasets import IMPRESSION, Dataset, rows
from tailorbird.data.null_words import is_null_name, null_names
from tailorbird.data.schema import STRING_LENGTH
from tailorbird.workspace import Workspace

MOST_SHOWN = 25
"""Items of one impression (spec control-plane 6)."""
SEPARATOR = "|"


@dataclass(frozen=True)
class ImpressionCounts:
    """How often items were shown."""

    items: NDArray[np.str_]
    """Sorted ids, those of items that were shown."""
    count: NDArray[np.int64]


def joined(items: Iterable[str]) -> str:
    """The first items as the column IMPRESSION has them, as many as it takes, without ids that hold the separator.

    Words for no value are none of them.
    """
    text = ""
    for item in [each for each in items if SEPARATOR not in each and not is_null_name(each)][:MOST_SHOWN]:
        longer = f"{text}{SEPARATOR}{item}" if text else item
        if len(longer) > STRING_LENGTH:
            break
        text = longer
    return text


def counts(workspace: Workspace, dataset: Dataset) -> ImpressionCounts:
    """Of all rows of interactions, imported and recorded: in how many impressions each item was."""
    found, _ = rows(workspace, dataset)
    told = [pl.col(name) for name in ("IMPRESSION", IMPRESSION) if name in found.columns]
    shown = found.select(pl.coalesce(told).str.split(SEPARATOR).list.unique().alias("ITEM_ID")).explode("ITEM_ID")
    counted = shown.filter(~null_names(pl.col("ITEM_ID"))).group_by("ITEM_ID").len().sort("ITEM_ID")
    return ImpressionCounts(counted["ITEM_ID"].to_numpy().astype(np.str_), counted["len"].to_numpy().astype(np.int64))

"""Impressions: what users were shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data.datasets import Dataset, rows
from tailorbird.workspace import Workspace


@dataclass(frozen=True)
class Counts:
    """How often items were shown."""

    items: NDArray[np.str_]
    """Sorted ids, those of items that were shown."""
    count: NDArray[np.int64]


def counts(workspace: Workspace, dataset: Dataset) -> Counts:
    """Of all rows of interactions, imported and recorded: in how many impressions each item was."""
    found, _ = rows(workspace, dataset)
    told = pl.col("IMPRESSION") if "IMPRESSION" in found.columns else pl.lit(None, pl.String)
    shown = found.select(told.str.split("|").list.unique().alias("ITEM_ID")).explode("ITEM_ID")
    counted = shown.filter(pl.col("ITEM_ID") != "").group_by("ITEM_ID").len().sort("ITEM_ID")
    return Counts(counted["ITEM_ID"].to_numpy().astype(np.str_), counted["len"].to_numpy().astype(np.int64))

"""Made-up interactions of any number: popular items are popular as in real data, users repeat and follow chains."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Interactions",
        "fields": [
            {"name": "USER_ID", "type": "string"},
            {"name": "ITEM_ID", "type": "string"},
            {"name": "TIMESTAMP", "type": "long"},
        ],
        "version": "1.0",
    }
)
EXPONENT = 0.8
"""Of Zipf's law for the items' popularity."""
FOLLOWED = 0.5
"""Share of the rows whose item comes next in the catalogue to the one before."""


def write(path: Path, rows: int, users: int, items: int, seed: int = 0) -> None:
    """Writes a CSV file; the lengths of histories are log-normal."""
    rng = np.random.default_rng(seed)
    weights = rng.lognormal(sigma=1.0, size=users)
    user = np.sort(rng.choice(users, rows, p=weights / weights.sum()))
    shares = np.arange(1, items + 1) ** -EXPONENT
    item = rng.choice(items, rows, p=shares / shares.sum())
    follows = np.flatnonzero((rng.random(rows) < FOLLOWED) & (user == np.roll(user, 1)))
    item[follows] = (item[follows - 1] + 1) % items
    frame = pl.DataFrame({"USER_ID": user, "ITEM_ID": item, "TIMESTAMP": 1_600_000_000 + np.arange(rows) * 30})
    frame.write_csv(path)

"""Shops of any size, made up, imported, briefly trained and in service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import installation
from serving import generated
from tailorbird.workspace import Workspace

RECIPE = "aws-user-personalization-v2"
"""It takes five million items, where the first generation leaves out all but 750,000; and it explores nothing, so that
its answers can be compared with the exact ones."""
GENRES, GENRES_OF_ITEM = 100, 3
FILTER = "EXCLUDE ItemID WHERE Items.GENRES IN ($GENRES)"
LENGTHS = (1, 10, 50, 200, 1000)
"""Of histories of some users, beside the others."""
STATIC = 64
"""Filters without parameters, at most."""


@dataclass(frozen=True)
class Size:
    """How large a shop is."""

    items: int
    users: int
    rows: int
    of_length: int = 20
    """Users with each of the `LENGTHS`, beside those; and their rows."""


@dataclass(frozen=True)
class Shop:
    """What is asked of an installation."""

    place: Path
    version: str
    campaign: str
    filter: str
    """With the parameter GENRES."""
    filters: list[str]
    """Without parameters."""


def shop(place: Path, size: Size, filters: int = 0) -> Shop:
    """Imports, trains briefly, and takes into service; filters: how many without parameters."""
    workspace = installation.installed(place)
    files = {"INTERACTIONS": place / "rows.csv", "ITEMS": place / "items.csv"}
    _write_interactions(files["INTERACTIONS"], size)
    _write_items(files["ITEMS"], size.items)
    group = installation.take_in(workspace, files)
    with installation.brief():
        version = installation.train(workspace, group, RECIPE)
    made = Shop(
        place,
        version,
        installation.serve(workspace, "shop", version),
        installation.filter_by(workspace, group, "genres", FILTER),
        [_static(workspace, group, number) for number in range(filters)],
    )
    workspace.close()
    return made


def _static(workspace: Workspace, group: str, number: int) -> str:
    expression = f'EXCLUDE ItemID WHERE Items.GENRES IN ("g{number}")'
    return installation.filter_by(workspace, group, f"without-{number}", expression)


def _write_interactions(file: Path, size: Size) -> None:
    """The usual made-up rows, and users with histories of set lengths: `h10-3` is the fourth with ten."""
    generated.write(file, size.rows, size.users, size.items)
    rng = np.random.default_rng(1)
    rows = [
        (f"h{length}-{number}", str(item), 1_500_000_000 + 60 * at)
        for length in LENGTHS
        for number in range(size.of_length)
        for at, item in enumerate(rng.integers(size.items, size=length))
    ]
    with file.open("a") as out:
        out.writelines(f"{user},{item},{time}\n" for user, item, time in rows)


def _write_items(file: Path, items: int) -> None:
    rng = np.random.default_rng(2)
    drawn = rng.integers(GENRES, size=(GENRES_OF_ITEM, items))
    names = np.array([f"g{number}" for number in range(GENRES)])
    texts = ["|".join(dict.fromkeys(each)) for each in names[drawn].T.tolist()]
    pl.DataFrame({"ITEM_ID": [str(item) for item in range(items)], "GENRES": texts}).write_csv(file)

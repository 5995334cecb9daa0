"""What a training costs, from imported data to the artifact, as a worker does it; aws-sims beside implicit's item-kNN.

    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m training complete-journey aws-user-personalization aws-sims
    PYTHONPATH=src:bench python -m training generated aws-sims --rows 5000000 --items 1000000
    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m training networks

The data are imported into an installation in a temporary folder; then every recipe is trained in a fresh process. A
training trains twice, to be measured and on everyone. The peer reads the CSV file, encodes the ids, and keeps as many
neighbours of each item; what a process takes that only loads the modules is taken off where they are compared. For
`networks` see networks.py.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

import costs
import installation
from costs import Cost
from installation import call, installed, take_in
from performance import results
from performance.results import Result, Table, say
from serving import generated
from tailorbird.recipes import sims
from training import networks

ROWS_OF_USER, ITEMS = 165, 20_000
"""Of generated data; users have as many rows as in MovieLens 1M."""
PEER, PEER_OF = "implicit item-kNN", "aws-sims"
NETWORKS = "networks"


def write(data: str, path: Path, rows: int, items: int) -> None:
    """Writes the interactions of a data set as CSV."""
    if data == "generated":
        generated.write(path, rows, max(100, rows // ROWS_OF_USER), items)
        return
    frame = pl.read_parquet(Path(os.environ["TAILORBIRD_DATA"]) / data / "interactions.parquet")
    time_of = pl.col("timestamp").dt.epoch("s") if frame["timestamp"].dtype == pl.Datetime else pl.col("timestamp")
    frame.select(USER_ID="user_id", ITEM_ID="item_id", TIMESTAMP=time_of).drop_nulls().write_csv(path)


def imported(place: Path, name: str) -> None:
    """Imports the CSV file."""
    take_in(installed(place), {"INTERACTIONS": place / "rows.csv"})


def trained(place: Path, recipe: str) -> None:
    """Trains a solution version of the recipe."""
    workspace = installed(place)
    (group,) = call(workspace, "list_dataset_groups")["datasetGroups"]
    installation.train(workspace, group["datasetGroupArn"], recipe)


def by_implicit(place: Path, name: str) -> None:
    """Finds each item's neighbours by the cosine, on all cores, and saves them."""
    from implicit.nearest_neighbours import CosineRecommender

    read = pl.read_csv(place / "rows.csv", columns=["USER_ID", "ITEM_ID"], infer_schema=False)
    # Categories would number the ids of all columns, and of frames before, together.
    coded = read.select(column.cast(pl.Enum(column.unique())).to_physical() for column in read.iter_columns())
    user, item = (coded[column].to_numpy() for column in coded.columns)
    matrix = sparse.coo_matrix((np.ones(len(user), np.float32), (user, item))).tocsr()
    model = CosineRecommender(K=sims.NEIGHBOURS, num_threads=0)
    matrix.data[:] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # implicit converts what it made itself, and says so
        model.fit(matrix, show_progress=False)
    model.save(str(place / "peer.npz"))


def by_nothing(place: Path, name: str) -> None:
    """What a process takes that only loads all these modules."""


STEPS: dict[str, Callable[[Path, str], None]] = {
    "import": imported,
    "train": trained,
    "peer": by_implicit,
    "nothing": by_nothing,
    networks.OURS: lambda place, users: networks.by_transformer(place, int(users)),
    networks.PEER: lambda place, users: networks.by_sasrec(place, int(users)),
}


def measured(data: str, recipes: Sequence[str], rows: int, items: int) -> dict[str, Cost]:
    """What the import, each training and the peer's cost, each in a fresh process."""
    steps = [("import", "import"), *(("train", recipe) for recipe in recipes)]
    if PEER_OF in recipes:
        steps += [("peer", PEER), ("nothing", "nothing")]
    found: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="tailorbird-training-") as folder:
        write(data, Path(folder) / "rows.csv", rows, items)
        for step, name in steps:
            found[name] = costs.of("training", data, name, "--step", step, "--place", folder)
            say(f"{name}: {found[name].cpu:.1f} s of CPU, {found[name].wall:.1f} s, {found[name].peak:.2f} GB")
    return found


def told(data: str, rows: int, items: int, found: Mapping[str, Cost]) -> Result:
    """The result, of the costs by what was done."""
    size = f"{rows:,} rows, {items:,} items" if data == "generated" else ""
    table = Table(f"{data} {size}".strip(), costs.COLUMNS, {name: list(cost) for name, cost in found.items()})
    if PEER not in found:
        return results.result([table], {})
    ours, theirs, start = found[PEER_OF], found[PEER], found["nothing"]
    measures = {}
    if data == "generated" and items == ITEMS:
        measures[f"SIMS, {rows:,} rows"] = (theirs.wall - start.wall) / (ours.wall - start.wall)
        measures[f"SIMS, {rows:,} rows, memory"] = ours.peak / theirs.peak
    elif data == "generated":
        measures |= {f"SIMS, {items:,} items": ours.wall, f"SIMS, {items:,} items, memory": ours.peak}
    return results.result([table], measures)


def learned(users: int) -> Result:
    """How fast networks learn."""
    with tempfile.TemporaryDirectory(prefix="tailorbird-training-") as folder:
        for step in (networks.OURS, networks.PEER):
            costs.of("training", NETWORKS, str(users), "--step", step, "--place", folder)
        rows = networks.told(Path(folder))
    ours, theirs = (rows[name][-1] or 0.0 for name in (networks.OURS, networks.PEER))
    note = (
        f"Ours learns from {ours / theirs:.1f} times as many rows in the same time; {networks.ADVANTAGE} times before "
        "answers and trainings were made quicker."
    )
    table = Table(f"an epoch of {users:,} users of ml-1m", networks.COLUMNS, rows, note)
    return results.result([table], {"v2 on ml-1m": networks.ADVANTAGE / (ours / theirs)})


def main() -> None:
    """Reads the command line and prints a line for the import, for each recipe and for a peer."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("data", help=f"generated, a folder of the data sets that has interactions, or {NETWORKS}")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of generated data (default 10,000,000)")
    parser.add_argument("--items", type=int, default=ITEMS, help=f"likewise (default {ITEMS:,})")
    parser.add_argument("--users", type=int, default=networks.USERS, help=f"of {NETWORKS} ({networks.USERS:,})")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        STEPS[arguments.step](arguments.place, arguments.recipes[0])
        return
    if arguments.data == NETWORKS:
        found = learned(arguments.users)
    else:
        given = arguments.data, arguments.rows, arguments.items
        found = told(*given, measured(arguments.data, arguments.recipes, arguments.rows, arguments.items))
    results.finish(arguments.write, "training", found, joined=True)


if __name__ == "__main__":
    main()

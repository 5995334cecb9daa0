"""What a training costs, from imported data to the artifact, as a worker does it; aws-sims beside implicit's item-kNN.

    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m training complete-journey aws-user-personalization aws-sims
    PYTHONPATH=src:bench python -m training generated aws-sims --rows 5000000 --items 1000000

The data are imported into an installation in a temporary folder; then every recipe is trained in a fresh process. A
training trains twice, to be measured and on everyone. The peer reads the CSV file, encodes the ids, and keeps as many
neighbours of each item; it is told as a share of ours, without what a process takes that only loads the modules.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

import costs
from costs import Cost
from installation import call, installed, take_in, work
from serving import generated
from tailorbird.recipes import sims

ROWS_OF_USER, ITEMS = 165, 20_000
"""Of generated data; users have as many rows as in MovieLens 1M."""
PEER, PEER_OF = "implicit item-kNN", "aws-sims"


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
    take_in(installed(place), place / "rows.csv")


def trained(place: Path, recipe: str) -> None:
    """Trains a solution version of the recipe."""
    workspace = installed(place)
    (group,) = call(workspace, "list_dataset_groups")["datasetGroups"]
    names = {"name": recipe, "recipeArn": f"arn:aws:personalize:::recipe/{recipe}"}
    solution = call(workspace, "create_solution", datasetGroupArn=group["datasetGroupArn"], **names)["solutionArn"]
    call(workspace, "create_solution_version", solutionArn=solution)
    work(workspace)


def by_implicit(place: Path, name: str) -> None:
    """Finds each item's neighbours by the cosine, on all cores, and saves them."""
    from implicit.nearest_neighbours import CosineRecommender

    read = pl.read_csv(place / "rows.csv", columns=["USER_ID", "ITEM_ID"], infer_schema=False)
    coded = read.select(pl.all().cast(pl.Categorical).to_physical())
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
}


def main() -> None:
    """Reads the command line and prints a line for the import, for each recipe and for a peer, and its share."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("data", help="generated, or a folder of the data sets that has users, items and timestamps")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of generated data (default 10,000,000)")
    parser.add_argument("--items", type=int, default=ITEMS, help=f"likewise (default {ITEMS:,})")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        STEPS[arguments.step](arguments.place, arguments.recipes[0])
        return
    steps = [("import", "import"), *(("train", recipe) for recipe in arguments.recipes)]
    if PEER_OF in arguments.recipes:
        steps += [("peer", PEER), ("nothing", "nothing")]
    found: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="tailorbird-training-") as folder:
        write(arguments.data, Path(folder) / "rows.csv", arguments.rows, arguments.items)
        print(f"{arguments.data:36}{costs.HEAD}")
        for step, name in steps:
            found[name] = costs.of("training", arguments.data, name, "--step", step, "--place", folder)
            print(f"{name:36}{found[name]}", flush=True)
    if PEER in found:
        ours, theirs, start = found[PEER_OF], found[PEER], found["nothing"].cpu
        print(
            f"{PEER} takes {(theirs.cpu - start) / (ours.cpu - start):.0%} of the CPU time, "
            f"{theirs.wall / ours.wall:.0%} of the wall time and {theirs.peak / ours.peak:.0%} of the memory"
        )


if __name__ == "__main__":
    main()

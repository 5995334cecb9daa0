"""Peak memory and wall time of a training, from imported data to the artifact, as a worker does it.

    PYTHONPATH=src:bench TAILORBIRD_DATA=... python -m training complete-journey aws-user-personalization aws-sims
    PYTHONPATH=src:bench python -m training generated aws-sims --rows 10000000

The data are imported into an installation in a temporary folder; then every recipe is trained in a fresh process,
whose greatest resident memory the kernel tells (Linux).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from serving import generated
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.resources import RESOURCES
from tailorbird.config import load
from tailorbird.jobs import worker
from tailorbird.workspace import Workspace, open_workspace

ROLE = "arn:aws:iam::123456789012:role/any"
ROWS_OF_USER, ITEMS = 165, 20_000
"""Of generated data; users have as many rows as in MovieLens 1M."""


def write(data: str, path: Path, rows: int) -> None:
    """Writes the interactions of a data set as CSV."""
    if data == "generated":
        generated.write(path, rows, max(100, rows // ROWS_OF_USER), ITEMS)
        return
    frame = pl.read_parquet(Path(os.environ["TAILORBIRD_DATA"]) / data / "interactions.parquet")
    time_of = pl.col("timestamp").dt.epoch("s") if frame["timestamp"].dtype == pl.Datetime else pl.col("timestamp")
    frame.select(USER_ID="user_id", ITEM_ID="item_id", TIMESTAMP=time_of).drop_nulls().write_csv(path)


def call(workspace: Workspace, function: str, **request: Any) -> dict[str, Any]:
    """One operation, as the server would carry it out."""
    return OPERATIONS[function](workspace, request) or {}


def work(workspace: Workspace) -> None:
    """Does the waiting jobs in this process; raises RuntimeError where one fails."""
    for arn, kind, _ in workspace.catalogue.with_status(["CREATE PENDING"]):
        worker.work(workspace, RESOURCES[kind], arn)
        ended = workspace.catalogue.get(arn) or {}
        if ended["status"] != "ACTIVE":
            raise RuntimeError(f"{arn}: {ended.get('failureReason')}")


def take_in(workspace: Workspace, file: Path) -> None:
    """Imports the CSV file."""
    schema = call(workspace, "create_schema", name="clicks", schema=generated.SCHEMA)["schemaArn"]
    group = call(workspace, "create_dataset_group", name="shop")["datasetGroupArn"]
    names = {"name": "clicks", "datasetType": "INTERACTIONS"}
    dataset = call(workspace, "create_dataset", datasetGroupArn=group, schemaArn=schema, **names)["datasetArn"]
    source = {"dataLocation": f"file://{file}"}
    call(workspace, "create_dataset_import_job", jobName="all", datasetArn=dataset, roleArn=ROLE, dataSource=source)
    work(workspace)


def train(workspace: Workspace, recipe: str) -> None:
    """Trains a solution version of the recipe."""
    (group,) = call(workspace, "list_dataset_groups")["datasetGroups"]
    arn = f"arn:aws:personalize:::recipe/{recipe}"
    solution = call(workspace, "create_solution", name=recipe, datasetGroupArn=group["datasetGroupArn"], recipeArn=arn)[
        "solutionArn"
    ]
    call(workspace, "create_solution_version", solutionArn=solution)
    work(workspace)


def cost(*arguments: str) -> tuple[float, float]:
    """Runs this program again with a step to do; returns its peak memory in GB and its seconds."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "training", *arguments])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {child.returncode}")
    return usage.ru_maxrss * 1024 / 1e9, time.monotonic() - began


def main() -> None:
    """Reads the command line and prints a line for the import and for each recipe."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("data", help="generated, or a folder of the data sets that has users, items and timestamps")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of generated data (default 10,000,000)")
    parser.add_argument("--step", choices=("import", "train"), help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        place: Path = arguments.place
        workspace = open_workspace(load({}, data_dir=place / "data", file_roots=(place,), executor="inline"))
        if arguments.step == "import":
            take_in(workspace, place / "rows.csv")
        else:
            train(workspace, arguments.recipes[0])
        return
    with tempfile.TemporaryDirectory(prefix="tailorbird-training-") as folder:
        write(arguments.data, Path(folder) / "rows.csv", arguments.rows)
        print(f"{arguments.data:36}{'peak GB':>9}{'seconds':>9}")
        for step, recipe in [("import", "import"), *(("train", recipe) for recipe in arguments.recipes)]:
            peak, seconds = cost(arguments.data, recipe, "--step", step, "--place", folder)
            print(f"{recipe:36}{peak:>9.2f}{seconds:>9.0f}", flush=True)


main()

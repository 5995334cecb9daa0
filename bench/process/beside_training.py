"""p50 and p99 of GetRecommendations over HTTP, idle and during a training of aws-user-personalization.

A server with the default configuration, on all cores, on generated data; one client asks without a pause.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import installation
from batch.__main__ import client_of
from serving import generated
from serving.cases import ANSWERS, PATH, check
from serving.load import one_by_one
from serving.servers import CORES, Server, free_port, tailorbird
from serving.shop import signed
from tailorbird.cli.variables import environment
from tailorbird.config import load

RECIPE = "aws-user-personalization"
SERVED = {"rows": 100_000, "users": 2000, "items": 4000}
TRAINED = {"rows": 1_000_000, "users": 6000, "items": 4000}
"""Large enough for the transformer to take part: minutes of work for all cores."""
SETTLE_SECONDS = 10.0
"""Then reading the data is over, and the network is being trained."""
SIGNED = 2000
"""Requests at a time, so that signatures are made beforehand and are not counted."""
Percentiles = tuple[float, float, float]
"""Answers, and milliseconds of p50 and p99."""


def measured(place: Path, seconds: float, trained: dict[str, int] = TRAINED) -> dict[str, Percentiles]:
    """What answers take, idle and beside; raises RuntimeError where the training ended before they did."""
    workspace = installation.installed(place)
    generated.write(place / "served.csv", **SERVED)
    generated.write(place / "trained.csv", **trained)
    group = installation.take_in(workspace, {"INTERACTIONS": place / "served.csv"}, "served")
    campaign = installation.serve(workspace, "served", installation.train(workspace, group, RECIPE))
    other = installation.take_in(workspace, {"INTERACTIONS": place / "trained.csv"}, "trained")
    workspace.close()
    with tailorbird(place / "data", free_port(), {"TAILORBIRD_FILE_ROOTS": str(place)}, CORES) as server:
        values = environment(load({}, data_dir=place / "data"))
        client = client_of(values)
        bodies = [{"campaignArn": campaign, "userId": str(at), "numResults": ANSWERS} for at in range(SERVED["users"])]
        asked(server, values, bodies, 2.0)
        idle = asked(server, values, bodies, seconds)
        arn = f"arn:aws:personalize:::recipe/{RECIPE}"
        solution = client.create_solution(name="trained", datasetGroupArn=other, recipeArn=arn)["solutionArn"]
        version = client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        time.sleep(SETTLE_SECONDS)
        busy = asked(server, values, bodies, seconds)
        status = client.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"]
        if status != "CREATE IN_PROGRESS":
            raise RuntimeError(f"the training beside is {status}: give it more rows")
        client.stop_solution_version_creation(solutionVersionArn=version)
    return {"idle": _percentiles(idle), "beside a training": _percentiles(busy)}


def asked(
    server: Server, values: dict[str, str], bodies: Sequence[dict[str, object]], seconds: float
) -> NDArray[np.float64]:
    """Milliseconds of each answer."""
    took, end = list[NDArray[np.float64]](), time.monotonic() + seconds
    while time.monotonic() < end:
        at = len(took) * SIGNED % len(bodies)
        took.append(one_by_one(server, signed(values, PATH, bodies[at : at + SIGNED]), check))
    return np.concatenate(took)


def _percentiles(took: NDArray[np.float64]) -> Percentiles:
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return float(len(took)), p50, p99

"""Users a second of batch inference jobs, beside models of `implicit` and RecTools' SASRec on the same users.

    PYTHONPATH=src:bench python -m batch --data ml-1m --kept build/bench

Jobs go to a server over its socket; they are done by its worker, which all cores are for. The time of a job of one line
is taken off. The data sets' folder comes from the environment variable TAILORBIRD_DATA. With --kept, the installation
of bench/serving is used.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

import costs
from batch import peers
from installation import ROLE
from performance import results
from performance.results import Result, Table, say
from serving import shop
from serving.bench import install
from serving.cases import ANSWERS, PERSONAL, Installed
from serving.servers import CORES, free_port, tailorbird
from serving.shop import Films
from tailorbird.cli.variables import environment
from tailorbird.config import load

COLUMNS = {"users/s": ",.0f", "× SASRec": ".1f"}
SASREC = "SASRec (RecTools)"
LOOK_SECONDS = 0.02
"""Between two looks at whether a job is done."""


def ours(installed: Installed, folder: Path, users: Sequence[str], rounds: int) -> dict[str, float]:
    """Users a second by recipe."""
    found = {}
    with (
        tailorbird(folder / "data", free_port(), {"TAILORBIRD_FILE_ROOTS": str(folder)}, CORES),
        tempfile.TemporaryDirectory(prefix="batch-", dir=folder) as place,
    ):
        client = client_of(environment(load({}, data_dir=folder / "data")))
        for recipe, name in PERSONAL.items():
            if recipe not in installed.campaigns:
                continue
            campaign = client.describe_campaign(campaignArn=installed.campaigns[recipe])["campaign"]
            version = campaign["solutionVersionArn"]
            job_seconds(client, version, users[:1], Path(place))  # so that a worker has its modules
            start = statistics.median(job_seconds(client, version, users[:1], Path(place)) for _ in range(rounds))
            whole = statistics.median(job_seconds(client, version, users, Path(place)) for _ in range(rounds))
            found[name] = (len(users) - 1) / max(whole - start, LOOK_SECONDS)
            say(f"{name}: {found[name]:,.0f} users/s; a job of one line takes {start:.2f} s")
    return found


def job_seconds(client: Any, version: str, users: Sequence[str], place: Path) -> float:
    """How long a batch inference job for these users takes; raises RuntimeError where a line has no whole answer."""
    name = f"bench-{secrets.token_hex(6)}"
    (place / f"{name}.json").write_text("".join(json.dumps({"userId": user}) + "\n" for user in users))
    began = time.perf_counter()
    arn = client.create_batch_inference_job(
        jobName=name,
        solutionVersionArn=version,
        roleArn=ROLE,
        numResults=ANSWERS,
        jobInput={"s3DataSource": {"path": (place / f"{name}.json").as_uri()}},
        jobOutput={"s3DataDestination": {"path": f"{place.as_uri()}/"}},
    )["batchInferenceJobArn"]
    while (job := client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"])[
        "status"
    ] != "ACTIVE":
        if job["status"] == "CREATE FAILED":
            raise RuntimeError(job["failureReason"])
        time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - began
    answers = list(map(json.loads, (place / f"{name}.json.out").read_text().splitlines()))
    if len(answers) != len(users) or any(len(each["output"]["recommendedItems"]) != ANSWERS for each in answers):
        raise RuntimeError(f"{name}: not every user of {len(users)} has {ANSWERS} items")
    return took


def client_of(values: Mapping[str, str]) -> Any:
    """A client of the server; values are the variables that `tailorbird env` prints."""
    return boto3.client(
        "personalize",
        endpoint_url=values["AWS_ENDPOINT_URL"],
        region_name=values["AWS_DEFAULT_REGION"],
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
    )


def theirs(films: Films, users: Sequence[str]) -> dict[str, float]:
    """Users a second by peer, each in a fresh process."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="tailorbird-batch-") as folder:
        place = Path(folder)
        films.save_matrix(place / "matrix.npz")
        (place / peers.INPUT).write_text("".join(json.dumps({"userId": user}) + "\n" for user in users))
        for name in peers.PEERS:
            costs.of("batch", "--step", name, "--place", folder)
            found[name] = len(users) / float(json.loads((place / peers.TAKEN).read_text()))
            say(f"{name}: {found[name]:,.0f} users/s")
    return found


def told(data: str, users: int, ours: Mapping[str, float], theirs: Mapping[str, float]) -> Result:
    """The result, of users a second."""
    rates = dict(ours) | dict(theirs)
    rows: dict[str, list[float | None]] = {name: [rate, rate / theirs[SASREC]] for name, rate in rates.items()}
    measures = {name: rate / theirs[SASREC] for name, rate in ours.items()}
    measures |= {f"{name}, a second": rate for name, rate in ours.items()}
    return results.result([Table(f"{users:,} users of {data}", COLUMNS, rows)], measures)


def main() -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(prog="batch", description=__doc__)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-latest-small"])
    parser.add_argument("--users", type=int, help="only the first so many users, for a quick try")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are told (default 3)")
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="where installations are kept between runs")
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    parser.add_argument("--step", choices=peers.PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        peers.answer(arguments.step, arguments.place, ANSWERS)
        return
    data = os.environ.get("TAILORBIRD_DATA")
    if not data:
        sys.exit("Set TAILORBIRD_DATA to the folder that holds the data sets, such as ml-1m.")
    films = shop.read(Path(data), arguments.data)
    users = films.users[: arguments.users]
    with tempfile.TemporaryDirectory(prefix="tailorbird-batch-") as place:
        folder = (arguments.kept or Path(place)).absolute() / arguments.data
        installed = install(films, folder)
        found = told(arguments.data, len(users), ours(installed, folder, users, arguments.rounds), theirs(films, users))
    results.finish(arguments.write, f"batch {arguments.data}", found)


if __name__ == "__main__":
    main()

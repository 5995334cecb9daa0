"""p50 and p99 of GetRecommendations over HTTP, idle and during a training of aws-user-personalization.

    PYTHONPATH=src:bench python -m serving.beside_training --seconds 20

Starts a server of its own on generated data, with the default configuration; one client asks without a pause. The
signatures are made beforehand and are not counted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from numpy.typing import NDArray

from serving import generated
from tailorbird.cli.variables import environment
from tailorbird.config import load

RECIPE = "arn:aws:personalize:::recipe/aws-user-personalization"
ROLE = "arn:aws:iam::123456789012:role/any"
SERVED = {"rows": 100_000, "users": 2000, "items": 4000}
TRAINED = {"rows": 1_000_000, "users": 6000, "items": 4000}
"""Large enough for the transformer to take part: minutes of work for all cores."""


class Shop:
    """A client of the server, and what it made there."""

    def __init__(self, folder: Path, values: dict[str, str]) -> None:
        self.folder, self.values = folder, values
        self.client = boto3.client(
            "personalize",
            endpoint_url=values["AWS_ENDPOINT_URL"],
            region_name=values["AWS_DEFAULT_REGION"],
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        )
        self.schema = self.client.create_schema(name="clicks", schema=generated.SCHEMA)["schemaArn"]

    def version(self, name: str, size: dict[str, int]) -> str:
        """Begins a training on generated data and returns the version's ARN."""
        generated.write(self.folder / f"{name}.csv", **size)
        group = self.client.create_dataset_group(name=name)["datasetGroupArn"]
        dataset = self.client.create_dataset(
            name=name, datasetType="INTERACTIONS", datasetGroupArn=group, schemaArn=self.schema
        )["datasetArn"]
        job = self.client.create_dataset_import_job(
            jobName=name,
            datasetArn=dataset,
            roleArn=ROLE,
            dataSource={"dataLocation": f"file://{self.folder}/{name}.csv"},
        )["datasetImportJobArn"]
        reached(lambda: self.client.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"], "ACTIVE")
        solution = self.client.create_solution(name=name, datasetGroupArn=group, recipeArn=RECIPE)["solutionArn"]
        arn: str = self.client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return arn

    def reach(self, version: str, status: str) -> None:
        """Waits for a version's status."""
        reached(lambda: self.client.describe_solution_version(solutionVersionArn=version)["solutionVersion"], status)

    def ask(self, campaign: str, seconds: float) -> NDArray[np.float64]:
        """Returns milliseconds of each answer."""
        url = urlsplit(self.values["AWS_ENDPOINT_URL"])
        key = Credentials(self.values["AWS_ACCESS_KEY_ID"], self.values["AWS_SECRET_ACCESS_KEY"])
        connection = http.client.HTTPConnection(url.netloc)
        took: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            user = len(took) * 7919 % SERVED["users"]
            body = json.dumps({"campaignArn": campaign, "userId": str(user), "numResults": 25}).encode()
            request = AWSRequest("POST", f"http://{url.netloc}/recommendations", {}, body)
            SigV4Auth(key, "personalize", self.values["AWS_DEFAULT_REGION"]).add_auth(request)
            began = time.perf_counter()
            connection.request("POST", "/recommendations", body, dict(request.headers.items()))
            answer = connection.getresponse()
            text = answer.read()
            took.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                raise RuntimeError(text.decode())
        connection.close()
        return np.array(took)


def reached(look: Callable[[], Mapping[str, Any]], status: str) -> None:
    """Waits until a resource has that status; raises RuntimeError where it fails."""
    while (found := look())["status"] != status:
        if found["status"] == "CREATE FAILED":
            raise RuntimeError(found["failureReason"])
        time.sleep(0.2)


def measure(shop: Shop, seconds: float) -> None:
    """Prints the table."""
    served = shop.version("served", SERVED)
    shop.reach(served, "ACTIVE")
    campaign = shop.client.create_campaign(name="served", solutionVersionArn=served)["campaignArn"]
    shop.ask(campaign, 2.0)
    idle = shop.ask(campaign, seconds)
    training = shop.version("trained", TRAINED)
    shop.reach(training, "CREATE IN_PROGRESS")
    time.sleep(10)  # reading the data is over, the network is being trained
    busy = shop.ask(campaign, seconds)
    shop.reach(training, "CREATE IN_PROGRESS")
    shop.client.stop_solution_version_creation(solutionVersionArn=training)
    print(f"{'':10}{'answers':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, took in {"idle": idle, "training": busy}.items():
        print(f"{name:10}{len(took):>9}" + "".join(f"{np.percentile(took, at):>9.2f}" for at in (50, 99)))
    ratios = [np.percentile(busy, at) / np.percentile(idle, at) for at in (50, 99)]
    print(f"{'ratio':19}" + "".join(f"{ratio:>9.2f}" for ratio in ratios))


def main() -> None:
    """Reads the command line, runs a server, measures."""
    parser = argparse.ArgumentParser(prog="serving.beside_training", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to ask each time (default 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tailorbird-serving-") as place:
        folder = Path(place)
        config = load({}, data_dir=folder / "data")
        command = [sys.executable, "-m", "tailorbird", "serve", "--port", "0", "--data-dir", str(config.data_dir)]
        variables = {"TAILORBIRD_FILE_ROOTS": str(folder), "TAILORBIRD_LOG_LEVEL": "WARNING"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os_environment() | variables) as server:
            assert server.stdout is not None
            try:
                if "ready at" not in server.stdout.readline():
                    raise RuntimeError("the server did not start")
                measure(Shop(folder, environment(config)), arguments.seconds)
            finally:
                server.terminate()


def os_environment() -> dict[str, str]:
    """The environment without settings of AWS or ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAILORBIRD_"))}


main()

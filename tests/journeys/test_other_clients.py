"""The AWS CLI and the AWS SDK for JavaScript v3, each with a round of their own against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import Journey
from support import Server, clean_environment

JAVASCRIPT = Path(__file__).parents[1] / "javascript"


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    way = Journey(server, "clients")
    way.data()
    way.train("aws-user-personalization")
    way.deploy("aws-user-personalization")
    return way


def aws(server: Server, *words: str, fails: bool = False) -> Any:
    """Runs the AWS CLI; its answer, or its error text."""
    command = [str(Path(sys.executable).with_name("aws")), *words, "--output", "json"]
    environment = clean_environment() | server.environment() | {"AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode != 0) is fails, done.stderr
    return done.stderr if fails else json.loads(done.stdout or "null")


def test_the_aws_cli(server: Server, journey: Journey) -> None:
    group = aws(server, "personalize", "create-dataset-group", "--name", "from-cli")["datasetGroupArn"]
    described = aws(server, "personalize", "describe-dataset-group", "--dataset-group-arn", group)
    assert described["datasetGroup"]["status"] == "ACTIVE"
    listed = aws(server, "personalize", "list-dataset-groups")["datasetGroups"]
    assert {"clients", "from-cli"} <= {each["name"] for each in listed}
    tracker = aws(
        server, "personalize", "create-event-tracker", "--name", "cli", "--dataset-group-arn", journey.arns["group"]
    )
    ask = ("personalize-runtime", "get-recommendations", "--campaign-arn", journey.arns["aws-user-personalization"])
    before = aws(server, *ask, "--user-id", "from cli", "--num-results", "5")["itemList"]
    event = {"eventType": "click", "sentAt": int(time.time()), "properties": json.dumps({"itemId": "9"})}
    put = ("personalize-events", "put-events", "--tracking-id", tracker["trackingId"], "--session-id", "s")
    aws(server, *put, "--user-id", "from cli", "--event-list", json.dumps([event]))
    after = aws(server, *ask, "--user-id", "from cli", "--num-results", "5")["itemList"]
    assert len(before) == len(after) == 5
    assert before != after
    aws(server, "personalize", "delete-event-tracker", "--event-tracker-arn", tracker["eventTrackerArn"])
    aws(server, "personalize", "delete-dataset-group", "--dataset-group-arn", group)
    time.sleep(2)
    told = aws(server, "personalize", "describe-dataset-group", "--dataset-group-arn", group, fails=True)
    assert "ResourceNotFoundException" in told
    assert aws(server, "sts", "get-caller-identity")["Account"] == group.split(":")[4]


def test_the_javascript_sdk(server: Server, journey: Journey) -> None:
    ready = shutil.which("node") and (JAVASCRIPT / "node_modules").exists()
    if not ready and not os.environ.get("CI"):
        pytest.skip("needs node and `npm install` in tests/javascript, which `make test` does")
    environment = clean_environment() | server.environment()
    environment["AWS_REGION"] = environment["AWS_DEFAULT_REGION"]
    command = ["node", "round.mjs", journey.arns["group"], journey.arns["aws-user-personalization"]]
    done = subprocess.run(command, cwd=JAVASCRIPT, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "the round is complete" in done.stdout

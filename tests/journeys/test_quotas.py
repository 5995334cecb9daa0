"""AWS's quotas, with `aws_quotas` and without (spec control-plane 1.3, 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey, items_csv
from support import ROLE, Server, settled


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "data", aws_quotas="true", workers=1).start()
    yield running
    running.stop()


def refused(words: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == "LimitExceededException"
    assert error.value.response["Error"]["Message"] == words


def test_aws_quotas_are_enforced_where_wanted(strict: Server) -> None:
    way = Journey(strict, "g0")
    way.data()
    client = way.personalize
    for number in range(1, 5):
        client.create_dataset_group(name=f"g{number}")
    text = "Cannot create a {}. More than {} resources in ACTIVE state. Please delete some and try again."
    refused(text.format("dataset group", 5), client.create_dataset_group, name="g5")
    head, _, rows = items_csv().partition(b"\r\n")
    way.s3.put_object(Bucket=way.bucket, Key="long.csv", Body=head + b"\r\n" + rows * 300)
    request = {"datasetArn": way.arns["ITEMS"], "dataSource": {"dataLocation": f"s3://{way.bucket}/long.csv"}}
    for number in range(5):
        client.create_dataset_import_job(jobName=f"j{number}", roleArn=ROLE, **request)
    waits = "More than 5 resources with PENDING or IN_PROGRESS status."
    refused(waits, client.create_dataset_import_job, jobName="j5", roleArn=ROLE, **request)
    way.train("aws-popularity-count")
    for number in range(5):
        client.create_campaign(name=f"c{number}", solutionVersionArn=way.arns["aws-popularity-count version"])
    create = {"name": "c5", "solutionVersionArn": way.arns["aws-popularity-count version"]}
    refused(text.format("campaign", 5), client.create_campaign, **create)
    client.delete_campaign(campaignArn=client.list_campaigns()["campaigns"][0]["campaignArn"])
    created = client.create_campaign(**create)["campaignArn"]
    assert settled(client.describe_campaign, "campaign", campaignArn=created)["status"] == "ACTIVE"


def test_quotas_are_generous_by_default(server: Server) -> None:
    way = Journey(server, "generous")
    for number in range(20):
        group = way.personalize.create_dataset_group(name=f"many-{number}")["datasetGroupArn"]
    way.arns["group"] = group
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    for number in range(31):
        way.filter(str(number), 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")')

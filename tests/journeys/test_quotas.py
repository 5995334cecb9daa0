"""AWS's quotas, with `aws_quotas` and without (spec control-plane 1.3, 2.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey, field, items_csv, schema
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
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException):
        client.create_dataset_group(name="g4")
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
    way = Journey(server, "generous", region_name="eu-north-1")
    for number in range(20):
        group = way.personalize.create_dataset_group(name=f"many-{number}")["datasetGroupArn"]
    way.arns["group"] = group
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    for number in range(31):
        way.filter(str(number), 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")')


def test_filter_fields_and_request_rates_of_aws(strict: Server) -> None:
    way = Journey(strict, "fields")
    way.arns["group"] = way.personalize.create_dataset_group(name="fields")["datasetGroupArn"]
    names = [f"F{number}" for number in range(21)]
    way.dataset("ITEMS", schema("Items", field("ITEM_ID"), *(field(name, "int") for name in names)))
    for part in (names[:10], names[10:19], names[5:15], names[19:20]):
        way.filter(part[0], f"INCLUDE ItemID WHERE {' AND '.join(f'Items.{name} = 1' for name in part)}")
    words = "The filters of the dataset group would use 21 distinct fields; at most 20 are allowed."
    expression = f"EXCLUDE ItemID WHERE Items.{names[20]} = 1"
    request = {"name": "more", "datasetGroupArn": way.arns["group"], "filterExpression": expression}
    refused(words, way.personalize.create_filter, **request)
    item = {"itemId": "1", "properties": json.dumps(dict.fromkeys(names, 1))}

    def put(_: int) -> str:
        try:
            way.events.put_items(datasetArn=way.arns["ITEMS"], items=[item])
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put, range(200))) == {"", "ThrottlingException"}

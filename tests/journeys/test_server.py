"""What an operator relies on: health, keys, limits, pages, tags, regions, other people's S3 and files."""

from __future__ import annotations

import json
import stat
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from journeys.steps import INTERACTIONS_SCHEMA, Journey, interactions_csv
from support import ROLE, Server, settled, wait_for


def test_health_and_keys(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/healthz") as answer:
        assert answer.status == 200
    kept = server.data_dir / "access_key.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    secret = json.loads(kept.read_bytes())["secret_access_key"]
    assert server.environment()["AWS_SECRET_ACCESS_KEY"] == secret
    assert server.environment()["AWS_ENDPOINT_URL"] == server.url
    server.client("personalize").list_schemas()
    assert secret not in Path(server.log.name).read_text()


def test_only_loopback_is_listened_to(server: Server) -> None:
    assert server.url.startswith("http://127.0.0.1:")


def test_a_body_over_the_limit_is_refused_and_the_server_goes_on(server: Server) -> None:
    with pytest.raises(ClientError, match=r"RequestTooLargeException.*10485760 bytes"):
        server.client("personalize").create_schema(name="large", schema=" " * (11 << 20))
    request = urllib.request.Request(f"{server.url}/events", data=b" " * (11 << 20), method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 403  # who has no key is not told of limits
    error.value.close()
    server.client("personalize").list_schemas()


def test_pages_are_stable_while_others_insert(server: Server) -> None:
    client = server.client("personalize", region_name="eu-west-2")
    for number in range(7):
        client.create_dataset_group(name=f"page-{number}")
    first = client.list_dataset_groups(maxResults=3)
    client.create_dataset_group(name="page-late")
    names = [group["name"] for group in first["datasetGroups"]]
    pages = client.get_paginator("list_dataset_groups").paginate(
        PaginationConfig={"PageSize": 3, "StartingToken": first["nextToken"]}
    )
    names += [group["name"] for page in pages for group in page["datasetGroups"]]
    assert names == [f"page-{number}" for number in range(7)] + ["page-late"]
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.list_schemas(nextToken=first["nextToken"])


def test_tags(server: Server) -> None:
    client = server.client("personalize")
    arn = client.create_dataset_group(name="tagged", tags=[{"tagKey": "team", "tagValue": "a"}])["datasetGroupArn"]
    client.tag_resource(
        resourceArn=arn, tags=[{"tagKey": "team", "tagValue": "b"}, {"tagKey": "Ämter", "tagValue": ""}]
    )
    client.untag_resource(resourceArn=arn, tagKeys=["Ämter", "none"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"tagKey": "team", "tagValue": "b"}]
    assert "tags" not in client.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
    with pytest.raises(client.exceptions.TooManyTagsException):
        client.tag_resource(resourceArn=arn, tags=[{"tagKey": f"k{i}", "tagValue": ""} for i in range(50)])
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.list_tags_for_resource(resourceArn=arn + "x")


def test_a_region_of_its_own(server: Server) -> None:
    here, there = server.client("personalize"), server.client("personalize", region_name="eu-west-1")
    arn = there.create_dataset_group(name="regional")["datasetGroupArn"]
    assert arn == "arn:aws:personalize:eu-west-1:123456789012:dataset-group/regional"
    assert [group["name"] for group in there.list_dataset_groups()["datasetGroups"]] == ["regional"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        here.describe_dataset_group(datasetGroupArn=arn)
    for call, request in (
        (here.create_event_tracker, {"name": "regional", "datasetGroupArn": arn}),
        (here.tag_resource, {"resourceArn": arn, "tags": []}),
        (here.untag_resource, {"resourceArn": arn, "tagKeys": []}),
        (here.list_tags_for_resource, {"resourceArn": arn}),
    ):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            call(**request)
    assert here.create_dataset_group(name="regional")["datasetGroupArn"] != arn


def test_names_are_free_again_after_deletion_and_a_restart_keeps_everything(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    client = server.client("personalize")
    first = client.create_dataset_group(name="again")["datasetGroupArn"]
    client.delete_dataset_group(datasetGroupArn=first)
    wait_for(lambda: not client.list_dataset_groups()["datasetGroups"])
    client.create_dataset_group(name="again")
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="a/b", Body=b"text")
    assert server.stop() == 0
    server.start()
    assert server.client("personalize").describe_dataset_group(datasetGroupArn=first)["datasetGroup"]["name"] == "again"
    assert server.client("s3").get_object(Bucket="kept", Key="a/b")["Body"].read() == b"text"
    server.stop()


def test_s3_somewhere_else_and_files_in_allowed_folders(tmp_path: Path) -> None:
    """With an S3 endpoint of its own in the configuration, the server reads there; file:// only where allowed."""
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    other = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=other, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    s3.create_bucket(Bucket="elsewhere")
    s3.put_object(Bucket="elsewhere", Key="folder/clicks.csv", Body=interactions_csv())
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "clicks.csv").write_bytes(interactions_csv())
    (tmp_path / "secret.csv").write_bytes(interactions_csv())
    server = Server(
        tmp_path / "data", s3_endpoint=other, s3_access_key="a", s3_secret_key="b", file_roots=tmp_path / "allowed"
    ).start()
    way = Journey(server, "elsewhere")
    way.arns["group"] = way.personalize.create_dataset_group(name="elsewhere")["datasetGroupArn"]
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    outcomes = {}
    for name, location in {
        "s3": "s3://elsewhere/folder/",
        "file": f"file://{tmp_path}/allowed/clicks.csv",
        "outside": f"file://{tmp_path}/secret.csv",
        "dots": f"file://{tmp_path}/allowed/../secret.csv",
    }.items():
        job = way.personalize.create_dataset_import_job(
            jobName=name, datasetArn=way.arns["INTERACTIONS"], dataSource={"dataLocation": location}, roleArn=ROLE
        )["datasetImportJobArn"]
        ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=job)
        outcomes[name] = ended["status"]
    assert outcomes == {"s3": "ACTIVE", "file": "ACTIVE", "outside": "CREATE FAILED", "dots": "CREATE FAILED"}
    server.stop()
    moto.stop()

"""Errors of services that are here, and of those that are not, as the clients of AWS understand them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support import Server

JSON = ("UnrecognizedClientException", "UnknownOperationException")
QUERY = ("InvalidClientTokenId", "InvalidAction")
SERVICES: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "cloudformation": ("describe_stacks", {}, QUERY),
    "cloudfront": ("list_distributions", {}, QUERY),
    "dynamodb": ("list_tables", {}, JSON),
    "ec2": ("describe_instances", {}, QUERY),
    "events": ("list_rules", {}, JSON),
    "glue": ("get_databases", {}, JSON),
    "kms": ("list_keys", {}, JSON),
    "lambda": ("list_functions", {}, JSON),
    "logs": ("describe_log_groups", {}, JSON),
    "rds": ("describe_db_instances", {}, QUERY),
    "route53": ("list_hosted_zones", {}, QUERY),
    "sagemaker": ("list_models", {}, JSON),
    "secretsmanager": ("list_secrets", {}, JSON),
    "sns": ("list_topics", {}, QUERY),
    "sqs": ("list_queues", {}, JSON),
    "stepfunctions": ("list_state_machines", {}, JSON),
    "workspaces-web": ("list_portals", {}, JSON),
}
"""By service: a call, and the codes for an unknown key and for a service that is not here."""
HERE = {
    "cloudwatch": ("list_metrics", {}, JSON[0]),
    "iam": ("list_roles", {}, QUERY[0]),
    "personalize": ("list_schemas", {}, JSON[0]),
    "personalize-runtime": ("get_recommendations", {"campaignArn": "arn:aws:x"}, JSON[0]),
    "s3": ("list_buckets", {}, "InvalidAccessKeyId"),
    "sts": ("get_caller_identity", {}, QUERY[0]),
}


def told(client: Any, call: str, **request: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as error:
        getattr(client, call)(**request)
    assert error.value.response["Error"]["Message"]
    return error.value.response["Error"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_not_here_is_said_in_its_own_words(server: Server, service: str) -> None:
    call, request, (strange, missing) = SERVICES[service]
    client = server.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE", inject_host_prefix=False)
    assert told(client, call, **request)["Code"] == strange
    answer = told(server.client(service, inject_host_prefix=False), call, **request)
    assert (answer["Code"], "is not served here" in answer["Message"]) == (missing, True)


@pytest.mark.parametrize("service", HERE)
def test_a_strange_key_is_said_in_the_words_of_the_service(server: Server, service: str) -> None:
    call, request, code = HERE[service]
    client = server.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    answer = told(client, call, **request)
    assert (answer["Code"], "AKIAIOSFODNN7EXAMPLE" in answer["Message"]) == (code, True)


def test_s3_tells_errors_of_all_kinds_in_xml(server: Server) -> None:
    assert told(server.client("s3", aws_secret_access_key="wrong"), "list_buckets")["Code"] == "SignatureDoesNotMatch"
    head = told(server.client("s3", aws_secret_access_key="wrong"), "head_object", Bucket="b", Key="k")
    assert head["Code"] == "403"
    for request in (f"{server.url}/bucket/key", urllib.request.Request(f"{server.url}/bucket/key", b"", method="PUT")):
        with pytest.raises(urllib.error.HTTPError) as unsigned:
            urllib.request.urlopen(request)
        with unsigned.value as answer:
            assert (answer.code, answer.headers["content-type"]) == (403, "application/xml")
            assert b"<Error><Code>AccessDenied</Code>" in answer.read()


def test_a_body_over_the_limit_is_said_in_xml(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", s3_body_limit=100_000).start()
    server.client("s3").create_bucket(Bucket="data")
    answer = told(server.client("s3"), "put_object", Bucket="data", Key="k", Body=b" " * 200_000)
    assert answer["Code"] == "EntityTooLarge"
    server.stop()


TARGET = {"X-Amz-Target": "AmazonPersonalize.ListSchemas", "Content-Type": "application/x-amz-json-1.1"}
REST = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCOPES = [
    (service, path, headers, code)
    for service in ("s3", "iam", "sts", "monitoring", "dynamodb", "personalize-events")
    for path, headers, code in [
        ("/", TARGET, "InvalidSignatureException"),
        ("/", TARGET | {"X-Amz-Target": "AmazonPersonalize.None"}, "InvalidSignatureException"),
        ("/recommendations", REST, "InvalidSignatureException"),
        ("/events", REST, "InvalidSignatureException"),
    ]
] + [("personalize", "/", FORM, "SignatureDoesNotMatch")]


@pytest.mark.parametrize(("service", "path", "headers", "code"), SCOPES)
def test_a_request_signed_for_another_service_is_refused(
    server: Server, service: str, path: str, headers: dict[str, str], code: str
) -> None:
    values = server.environment() if not hasattr(server, "_values") else server._values
    request = AWSRequest("POST", server.url + path, headers, b"{}")
    credentials = Credentials(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    sent = urllib.request.Request(request.url, b"{}", dict(request.headers.items()), method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(sent)
    with caught.value as answer:
        text = answer.read().decode()
        assert answer.code == 403
    assert "Credential should be scoped to correct service" in text
    assert (json.loads(text)["__type"] if text.startswith("{") else code) == code
    assert code in text


def test_without_moto_the_reason_reaches_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "hidden" / "moto"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('there is no moto here')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hidden.parent), os.environ.get("PYTHONPATH", "")]))
    server = Server(tmp_path / "data").start()
    for service, call in (("s3", "list_buckets"), ("iam", "list_roles"), ("cloudwatch", "list_metrics")):
        answer = told(server.client(service), call)
        assert answer["Code"] == "ServiceUnavailable"
        assert "pip install 'tailorbird[aws-local]'" in answer["Message"]
    strange = server.client("s3", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    assert told(strange, "list_buckets")["Code"] == "InvalidAccessKeyId"
    assert server.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert server.client("personalize").list_schemas()["schemas"] == []
    server.stop()
    lines = [json.loads(line) for line in Path(server.log.name).read_text().splitlines()]
    assert len([line for line in lines if line["level"] == "ERROR"]) == 1
    assert not any("exception" in line for line in lines)


def test_clients_of_any_service_understand_that_it_is_not_here(server: Server) -> None:
    """A few of botocore's four hundred, as they come."""
    session = boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="b")
    names = session.get_available_services()
    config = Config(retries={"max_attempts": 0}, parameter_validation=False, inject_host_prefix=False)
    for name in names[::60]:
        client = session.client(name, "us-east-1", endpoint_url=server.url, config=config)
        model = client.meta.service_model
        plain = (each for each in model.operation_names if "{" not in model.operation_model(each).http["requestUri"])
        operation = next(plain, None)
        if operation is None:
            continue
        with pytest.raises(ClientError) as error:
            client._make_api_call(operation, {})
        assert error.value.response["Error"]["Message"], name

"""What the tests of the AWS services beside us share: constants, and ways to ask."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ACCOUNT = "210987654321"
KEYS = ("TAILORBIRDLOCALKEY01", "secret")
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "personalize.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def code_of(call, **arguments):
    """The code of the error that a call of a client raises."""
    return error_of(call, **arguments)["Code"]


def error_of(call, **arguments):
    """The code and the message of the error that a call of a client raises."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def plain(answer):
    """An answer without what differs from one request to the next."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def put(server, path, body, headers, word="STREAMING-UNSIGNED-PAYLOAD-TRAILER", after=lambda signed: signed):
    """Puts a body as SDKs do that stream it, signed without its hash; `after` may change the signed request."""

    class Streaming(S3SigV4Auth):
        def payload(self, request):
            return word

    request = AWSRequest("PUT", f"{server.url}{path}", headers, body)
    Streaming(Credentials(*KEYS), "s3", "us-east-1").add_auth(request)
    prepared = after(request).prepare()
    return send(prepared.url, prepared.body, dict(prepared.headers), "PUT")[1]


def send(url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = "GET") -> Any:
    """(status, headers, body); raises HTTPError for errors."""
    sent = urllib.request.Request(url, body, headers or {}, method=method)
    with urllib.request.urlopen(sent, timeout=300) as answer:
        return answer.status, dict(answer.headers), answer.read()

"""Errors as clients get them."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from typing import Any

from tailorbird.errors import InvalidInputException
from tailorbird.wire.endpoint import Endpoint, Service
from tailorbird.wire.response import failure
from tailorbird.wire.signature import Request


def test_an_error_that_quotes_what_is_no_unicode_is_told() -> None:
    answer = failure(Request("POST", "/", "", {"x-amz-target": "x"}, b""), InvalidInputException("There is no \ud800."))
    assert answer.status == 400
    assert json.loads(answer.body) == {"__type": "InvalidInputException", "message": "There is no \\ud800."}


def test_a_length_of_thousands_of_digits_is_no_defect() -> None:
    """It comes from somebody who knows the access key's id, which every presigned URL shows, and no secret."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    credential = f"Credential=AKID/{now[:8]}/us-east-1/personalize/aws4_request"
    headers = {
        "host": "localhost",
        "x-amz-date": now,
        "authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host;x-amz-date, Signature=00",
    }
    service = Service(lambda *_: {}, None, None, lambda key, token: "secret", "us-east-1")
    for length, status in (("0" * 5000 + "2", 403), ("0" * 5000 + "9" * 5000, 413), ("9" * 17, 413)):
        assert asked(Endpoint(service), headers | {"content-length": length}) == status


def test_what_is_at_hand_is_answered_in_the_loop_and_the_rest_in_a_thread() -> None:
    threads: list[int] = []

    def call(function: str, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        threads.append(threading.get_ident())
        return {"itemList": []}

    def nothing(function: str, region: str, parameters: dict[str, Any]) -> None:
        return None

    for at_hand in (call, nothing):
        service = Service(
            call, None, None, lambda key, token: None, "us-east-1", at_hand=at_hand, verify_signatures=False
        )
        assert asked(Endpoint(service), {"host": "localhost"}) == 200
    assert [thread == threading.get_ident() for thread in threads] == [True, False]


def test_only_the_own_key_is_looked_up_in_the_loop() -> None:
    """To find another one may load what knows the keys of users, for seconds."""
    threads: list[int] = []

    def secret_of(key: str, token: str) -> str:
        threads.append(threading.get_ident())
        return "secret"

    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for key in ("OWN", "OTHER", "OWNER"):
        credential = f"Credential={key}/{now[:8]}/us-east-1/personalize/aws4_request"
        headers = {
            "host": "localhost",
            "x-amz-date": now,
            "authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host;x-amz-date, Signature=00",
        }
        service = Service(lambda *_: {}, None, None, secret_of, "us-east-1", own_key="OWN")
        assert asked(Endpoint(service), headers) == 403
    assert [thread == threading.get_ident() for thread in threads] == [True, False, False]


def asked(endpoint: Endpoint, headers: dict[str, str]) -> int:
    """The status of the answer to a POST of {}."""
    found: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        found.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "raw_path": b"/recommendations", "query_string": b"", "headers": raw}
    asyncio.run(endpoint(scope, receive, send))
    return int(found[0]["status"])

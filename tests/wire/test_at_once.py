"""Answers that the connection gives by itself, since they are at hand: over a real socket."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import wait_for
from tailorbird.wire.connection import Connection, Limits
from tailorbird.wire.endpoint import Endpoint, Service

KEYS = ("AKIDEXAMPLE", "secret")
ARN = "arn:aws:personalize:us-east-1:000000000000:campaign/films"
SILENCE = 2.0


class Running:
    """A server; users that begin with "known" are at hand, and "broken" ones meet a defect."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.called: list[str] = []
        """Users that were no more at hand than anything else."""
        service = Service(
            call=self._call,
            other=None,
            preflight=None,
            secret_of=lambda key, token: KEYS[1] if key == KEYS[0] else None,
            default_region="us-east-1",
            own_key=KEYS[0],
            at_hand=self._at_hand,
            quick=frozenset({"get_recommendations"}),
        )
        endpoint = Endpoint(service)
        http: Any = partial(Connection, Limits(100, SILENCE), endpoint.at_once)
        settings = uvicorn.Config(endpoint, http=http, lifespan="off", access_log=False, log_level="error")
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]})
        self._thread.start()
        wait_for(lambda: self._server.started)

    def _call(self, function: str, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.called.append(parameters["userId"])
        return {"recommendationId": parameters["userId"]}

    def _at_hand(self, function: str, region: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        user = parameters["userId"]
        if user == "broken":
            raise KeyError(user)
        return {"recommendationId": user} if user.startswith("known") else None

    def opened(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = Running()
    yield server
    server.stop()


def request(user: str, *headers: str, secret: str = KEYS[1], version: str = "1.1") -> bytes:
    body = json.dumps({"campaignArn": ARN, "userId": user}).encode()
    signed = AWSRequest("POST", "http://localhost/recommendations", {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials(KEYS[0], secret), "personalize", "us-east-1").add_auth(signed)
    given = {"Host": "localhost", **dict(signed.headers.items()), "Content-Length": str(len(body))}
    lines = [f"POST /recommendations HTTP/{version}", *(f"{name}: {value}" for name, value in given.items()), *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read(connection: socket.socket) -> tuple[str, Any]:
    """The head of the next answer, and its body."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(1) or pytest.fail(f"the server closed after {found!r}")
    head = found.decode()
    length = re.search(r"content-length: (\d+)", head)
    assert length, head
    body = b""
    while len(body) < int(length[1]):
        body += connection.recv(int(length[1]) - len(body))
    return head, json.loads(body) if body else None


def test_it_is_as_the_application_answers(running: Running) -> None:
    with running.opened() as connection:
        told = []
        for user in ("known", "new"):
            connection.sendall(request(user))
            head, body = read(connection)
            assert body == {"recommendationId": user}
            told.append(re.sub(r"(date|requestid|content-length): [^\r]+", r"\1", head).splitlines())
            assert re.search(r"x-amzn-requestid: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-", head)
    assert running.called[-1:] == ["new"]
    assert told[0][0] == told[1][0] == "HTTP/1.1 200 OK"
    assert sorted(told[0]) == sorted(told[1])


def test_a_request_in_pieces_is_answered(running: Running) -> None:
    whole = request("known in pieces")
    for place in (1, whole.index(b"\r\n\r\n"), whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
        with running.opened() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(whole[:place])
            time.sleep(0.02)
            connection.sendall(whole[place:])
            assert read(connection)[1] == {"recommendationId": "known in pieces"}


def test_requests_sent_together_are_answered_in_their_order(running: Running) -> None:
    users = ["known 1", "new 2", "known 3", "known 4", "new 5"]
    with running.opened() as connection:
        connection.sendall(b"".join(map(request, users)))
        assert [read(connection)[1]["recommendationId"] for _ in users] == users


@pytest.mark.parametrize(("version", "headers"), [("1.1", ["Connection: close"]), ("1.0", [])])
def test_a_connection_ends_where_the_client_asks(running: Running, version: str, headers: list[str]) -> None:
    with running.opened() as connection:
        connection.sendall(request("known", *headers, version=version))
        assert read(connection)[1] == {"recommendationId": "known"}
        assert connection.recv(1) == b""


def test_an_expectation_is_met(running: Running) -> None:
    head, _, body = request("known", "Expect: 100-continue").partition(b"\r\n\r\n")
    with running.opened() as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read(connection)[1] == {"recommendationId": "known"}


@pytest.mark.parametrize(
    "offer",
    [
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
        ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="],
        ["Upgrade: a", "Connection: keep-alive", "Connection: Upgrade", "Upgrade: b"],
    ],
    ids=["h2c", "websocket", "in two headers"],
)
def test_an_offer_to_speak_otherwise_is_ignored(running: Running, offer: list[str]) -> None:
    users = ["known 1", "new 2", "known 3", "known 4"]
    whole = b"".join(request(user, *offer) for user in users)
    for place in (len(whole), whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, whole.index(b"{") + 5):
        with running.opened() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(whole[:place])
            time.sleep(0.02)
            connection.sendall(whole[place:])
            assert [read(connection)[1]["recommendationId"] for _ in users] == users


def test_what_is_wrong_is_told_and_the_connection_stays(running: Running) -> None:
    with running.opened() as connection:
        for sent, status, code in (
            (request("known", secret="guessed"), 403, "InvalidSignatureException"),
            (request("u" * 300), 400, "InvalidInputException"),
            (request("broken"), 500, "InternalFailure"),
        ):
            connection.sendall(sent)
            head, body = read(connection)
            assert head.startswith(f"HTTP/1.1 {status} ")
            assert body["__type"] == code
            assert f"x-amzn-errortype: {code}" in head
        connection.sendall(request("known"))
        assert read(connection)[1] == {"recommendationId": "known"}


def test_a_client_that_has_its_answer_is_silent_for_so_long_only(running: Running) -> None:
    with running.opened() as connection:
        connection.sendall(request("known"))
        read(connection)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began > SILENCE / 2

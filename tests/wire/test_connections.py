"""What clients may cost before they are known, and what else than proper HTTP comes in: over real sockets."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import Server, wait_for

SILENCE = 1.0
CONNECTIONS = 40
BODIES = 48 << 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with little patience, beginning with few descriptors."""
    folder = tmp_path_factory.mktemp("strict")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = Server(
            folder / "data", silence_seconds=SILENCE, connections=CONNECTIONS, bodies_limit=BODIES, s3_body_limit=BODIES
        ).start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    put(server, signed(server, b""), b"")  # waits for the built-in S3, which loads in the background and takes memory
    yield server
    server.stop()


def opened(server: Server) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=300)


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def told(server: Server, sent: bytes) -> bytes:
    with opened(server) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(sent)
        return answer(connection)


def head(*headers: str, method: str = "PUT", target: str = "/bkt/k") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "host: localhost", *headers, "", ""]).encode()


def memory(server: Server) -> int:
    """The most bytes that the server had in memory so far."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) << 10


def signed(server: Server, body: bytes, key: str = "k", secret: str | None = None, **headers: str) -> dict[str, str]:
    """The headers of an upload to the built-in S3."""
    key_file = json.loads((server.data_dir / "access_key.json").read_bytes())
    credentials = Credentials(key_file["access_key_id"], secret or key_file["secret_access_key"])
    request = AWSRequest("PUT", f"{server.url}/bkt/{key}", headers, body)
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def put(server: Server, headers: dict[str, str], body: Any) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=300)
    with contextlib.closing(connection):
        connection.request("PUT", "/bkt/k", body, headers)
        found = connection.getresponse()
        return found.status, found.read()


CLAIMS = {
    "no signature": {},
    "no such key": {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAX/20250101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00",
        "X-Amz-Date": "20250101T000000Z",
    },
}


@pytest.mark.parametrize("name", [*CLAIMS, "old date"])
def test_a_body_of_nobody_costs_no_memory(strict: Server, name: str) -> None:
    claim = (
        CLAIMS.get(name) or signed(strict, b"") | {"X-Amz-Date": "20250101T000000Z"} if name != "no signature" else {}
    )
    # Also what a first request loads.
    refused = told(strict, head(*(f"{key}: {value}" for key, value in claim.items())))
    assert refused.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    before = memory(strict)
    sent = head(*(f"{key}: {value}" for key, value in claim.items()), "content-length: 41943040")
    with opened(strict) as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # a busy machine takes longer than a drain
            for _ in range(40):
                connection.sendall(bytes(MIB))
            assert connection.recv(65536).startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert memory(strict) - before < 12 * MIB


def test_a_bad_signature_over_a_large_body_costs_no_memory(strict: Server) -> None:
    body = bytes(40 * MIB)
    put(strict, signed(strict, b"x"), b"x")  # what a first request loads
    before = memory(strict)
    status, text = put(strict, signed(strict, body, secret="wrong"), body)
    assert status == 403
    assert b"InvalidSignature" in text or b"SignatureDoesNotMatch" in text
    assert memory(strict) - before < 12 * MIB
    status, text = put(strict, signed(strict, b"other"), body)
    assert status == 403
    assert memory(strict) - before < 12 * MIB


def test_large_bodies_arrive_whole(strict: Server) -> None:
    s3 = strict.client("s3")
    s3.create_bucket(Bucket="whole")
    body = os.urandom(5 * MIB + 7)
    s3.put_object(Bucket="whole", Key="k", Body=body)
    assert s3.get_object(Bucket="whole", Key="k")["Body"].read() == body


def test_a_body_that_breaks_off_is_no_object(strict: Server) -> None:
    s3 = strict.client("s3")
    s3.create_bucket(Bucket="bkt")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "torn"})
    target = url.partition(strict.url)[2]
    host = strict.url.removeprefix("http://")
    with opened(strict) as connection:
        connection.sendall(f"PUT {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100\r\n\r\n".encode() + b"x" * 50)
    with opened(strict) as connection:  # the same, but the client only falls silent
        connection.sendall(f"PUT {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100\r\n\r\n".encode() + b"x" * 50)
        assert answer(connection).startswith(b"HTTP/1.1 408")
    assert "Contents" not in s3.list_objects_v2(Bucket="bkt")


def test_a_length_over_the_limit_is_refused_before_the_body(strict: Server) -> None:
    headers = signed(strict, b"") | {"Content-Length": str(BODIES + 1), "Expect": "100-continue"}
    answered = told(strict, head(*(f"{key}: {value}" for key, value in headers.items()), target="/bkt/k"))
    assert answered.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answered


def test_all_bodies_together_are_bounded(strict: Server) -> None:
    """One upload holds most of what there may be; another is told to come again, and may once the first is gone."""
    strict.client("s3").create_bucket(Bucket="bkt")
    body = bytes(BODIES // 2 + 2 * MIB)
    headers = signed(strict, body)
    lines = "\r\n".join(f"{key}: {value}" for key, value in (headers | {"Content-Length": str(len(body))}).items())
    host = strict.url.removeprefix("http://")
    sent, done = threading.Event(), threading.Event()
    with opened(strict) as first:

        def drip() -> None:
            with contextlib.suppress(OSError):
                first.sendall(f"PUT /bkt/k HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n\r\n".encode() + body[:-MIB])
                sent.set()
                while not done.wait(SILENCE / 5):
                    first.sendall(bytes(1024))

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert sent.wait(60)  # else the other might be the first
        status, text = wait_for(lambda: found if (found := put(strict, headers, body))[0] == 503 else None)
        done.set()
        dripping.join()
        assert b"Try again" in text, (status, text)
    assert wait_for(lambda: put(strict, headers, body)[0] == 200)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(head("a: " + "x" * 200_000), id="a long header"),
        pytest.param(head(*(f"h{number}: {'x' * 50}" for number in range(5000))), id="many headers"),
        pytest.param(head(target="/" + "x" * 200_000), id="a long target"),
        pytest.param(b"PUT / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 200_000, id="a header that does not end"),
        pytest.param(
            head("transfer-encoding: chunked") + b"1\r\nx\r\n0\r\na: " + b"x" * 200_000,
            id="a trailer that does not end",
        ),
        pytest.param(
            head("transfer-encoding: chunked") + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 50_000, id="trailers without end"
        ),
        pytest.param(
            head("transfer-encoding: chunked") + b"1;a=" + b"x" * 200_000, id="an extension of a chunk without end"
        ),
    ],
)
def test_heads_are_bounded(strict: Server, sent: bytes) -> None:
    assert b"HTTP/1.1 431" in told(strict, sent)


def test_the_number_of_headers_is_bounded(strict: Server) -> None:
    sent = head(*(f"h{number}: x" for number in range(300)), "connection: close")
    assert b"RequestHeaderSectionTooLarge" in told(strict, sent)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"GET /healthz HT", b"HTTP/1.1 408", id="half a head"),
        pytest.param(head("content-length: 10", method="POST", target="/healthz"), b"HTTP/1.1 403", id="no body"),
    ],
)
def test_silent_connections_are_closed(strict: Server, sent: bytes, status: bytes) -> None:
    """They are read to their end, which comes only by the server."""
    assert told(strict, sent).startswith(status)


def test_a_head_that_drips_is_cut(strict: Server) -> None:
    began = time.monotonic()
    with opened(strict) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while time.monotonic() - began < 20 * SILENCE:
            connection.sendall(b"G" if time.monotonic() == began else b"x")
            time.sleep(SILENCE / 10)
        pytest.fail("a head may take for ever")


def test_a_body_that_drips_is_cut(strict: Server) -> None:
    began = time.monotonic()
    headers = signed(strict, bytes(10_000)) | {"Content-Length": "10000"}
    with opened(strict) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(head(*(f"{key}: {value}" for key, value in headers.items())))
        while time.monotonic() - began < 20 * SILENCE:
            connection.sendall(b"x")
            time.sleep(SILENCE / 10)
        pytest.fail("a body may take for ever")


def test_a_body_that_takes_longer_than_the_silence_but_moves_is_taken(strict: Server) -> None:
    strict.client("s3").create_bucket(Bucket="bkt")
    body = os.urandom(30_000)

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(body), 3000):
            time.sleep(SILENCE / 3)
            yield body[start : start + 3000]

    assert put(strict, signed(strict, body) | {"Content-Length": str(len(body))}, slowly())[0] == 200


def test_an_answer_that_is_not_taken_is_cut(strict: Server) -> None:
    s3 = strict.client("s3")
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="big", Body=bytes(30 * MIB))
    target = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "big"}).partition(strict.url)[2]
    with opened(strict) as connection:
        host = strict.url.removeprefix("http://")
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        port = connection.getsockname()[1]
        assert connection.recv(1)
        wait_for(lambda: port not in peers(strict))


def peers(server: Server) -> set[int]:
    """The clients' ports of the server's open connections."""
    own = int(server.url.rpartition(":")[2])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if int(local.rpartition(":")[2], 16) == own and state == "01":
            found.add(int(remote.rpartition(":")[2], 16))
    return found


def test_more_connections_than_there_may_be(strict: Server) -> None:
    """Idle ones make place; a request that is under way is not cut off."""
    with contextlib.ExitStack() as stack:
        begun = stack.enter_context(opened(strict))
        begun.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        for _ in range(3 * CONNECTIONS):
            stack.enter_context(opened(strict))
        wait_for(lambda: len(peers(strict)) <= CONNECTIONS + 1)
        strict.client("personalize").list_schemas()
        begun.sendall(b"connection: close\r\n\r\n")
        assert answer(begun).startswith(b"HTTP/1.1 200")
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(opened(strict)) for _ in range(CONNECTIONS)]
        for each in busy:
            each.sendall(b"GET / HTTP/1.1\r\n")
        statuses = [told(strict, b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n")[:12] for _ in range(3)]
        assert b"HTTP/1.1 503" in statuses
    wait_for(lambda: told(strict, b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").startswith(b"HTTP/1.1 200"))


def test_refused_bodies_that_drip_keep_nobody_out(strict: Server) -> None:
    """Whoever shows no signature may not hold a place by a long body, however many of him there are."""
    host = strict.url.removeprefix("http://")
    done = threading.Event()

    def drip() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError), opened(strict) as connection:
                connection.settimeout(1)
                connection.sendall(f"POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 16000000\r\n\r\n".encode())
                while not done.wait(SILENCE / 20):
                    connection.sendall(bytes(400))

    dripping = [threading.Thread(target=drip) for _ in range(CONNECTIONS)]
    for each in dripping:
        each.start()
    try:
        wait_for(lambda: len(peers(strict)) >= CONNECTIONS)
        for _ in range(5):
            statuses = told(strict, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert statuses.startswith(b"HTTP/1.1 200")
    finally:
        done.set()
        for each in dripping:
            each.join()


def test_a_refused_body_is_drained_for_a_short_time_only(strict: Server) -> None:
    """It moves, but would take hours: the answer is whole long before."""
    with opened(strict) as connection:
        connection.settimeout(SILENCE / 10)
        connection.sendall(head("content-length: 16000000", "connection: close", method="POST", target="/"))
        found = b""
        for _ in range(100):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(bytes(1000))
            try:
                part = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:  # what was sent after the answer met a closed connection
                break
            found += part
            if not part:
                break
        else:
            pytest.fail("a refused body is drained for ever")
    assert found.startswith(b"HTTP/1.1 403")
    assert found.endswith(b"}")


def test_the_soft_limit_of_descriptors_is_raised(strict: Server) -> None:
    limits = Path(f"/proc/{strict.process.pid}/limits").read_text()
    soft, hard = limits.partition("Max open files")[2].split()[:2]
    assert soft == hard


def test_requests_without_waiting_for_answers_are_bounded(strict: Server) -> None:
    before = memory(strict)
    few = b"GET /healthz HTTP/1.1\r\n\r\n" * 4 + b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"
    assert told(strict, few).count(b"HTTP/1.1 200") == 5
    told(strict, b"GET /healthz HTTP/1.1\r\n\r\n" * 100_000)
    assert memory(strict) - before < 12 * MIB


def form(parameter: str, body: bytes = b"x") -> bytes:
    """An upload by a form."""
    lines = (f"content-type: multipart/form-data; {parameter}", f"content-length: {len(body)}", "connection: close")
    return head(*lines, method="POST", target="/bucket") + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(
            head(
                "upgrade: websocket",
                "connection: upgrade, close",
                "sec-websocket-version: 13",
                "sec-websocket-key: eA==",
            ),
            b"HTTP/1.1 403",
            id="websocket",
        ),
        pytest.param(
            head("upgrade: websocket", "connection: upgrade, close", method="GET", target="/healthz"),
            b"HTTP/1.1 200",
            id="websocket to health",
        ),
        pytest.param(
            head("upgrade: h2c", "connection: upgrade, close", "content-length: 2", method="POST", target="/") + b"{}",
            b"HTTP/1.1 403",
            id="h2c with a body",
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 400", id="HTTP/2 by itself"),
        pytest.param(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n", b"HTTP/1.1 400", id="CONNECT"),
        pytest.param(head("connection: close", target="http://example.com"), b"HTTP/1.1 40", id="a URL without a path"),
        pytest.param(
            head("connection: close", method="GET", target="http://example.com/healthz?x"), b"HTTP/1.1 200", id="a URL"
        ),
        pytest.param(head("connection: close", method="OPTIONS", target="*"), b"HTTP/1.1 40", id="asterisk"),
        pytest.param(b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.1 200", id="HTTP/1.0"),
        pytest.param(b"POST / HTTP/1.0\r\n\r\n", b"HTTP/1.1 403", id="HTTP/1.0 unsigned"),
        pytest.param(b"GET /healthz\r\n\r\n", b"HTTP/1.1 200", id="HTTP/0.9"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 400", id="bytes in the target"),
        pytest.param(
            b"GET / HTTP/1.1\r\nhost: \xff\r\nconnection: close\r\n\r\n", b"HTTP/1.1 40", id="bytes in the host"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", b"HTTP/1.1 40", id="two hosts"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", b"HTTP/1.1 40", id="no host"),
        pytest.param(head("content-length: -1"), b"HTTP/1.1 400", id="a negative length"),
        pytest.param(head("content-length: 1", "content-length: 2"), b"HTTP/1.1 400", id="two lengths"),
        pytest.param(
            head("content-length: 3", "transfer-encoding: chunked") + b"0\r\n\r\n",
            b"HTTP/1.1 400",
            id="length and chunks",
        ),
        pytest.param(head("content-length: " + "9" * 30), b"HTTP/1.1 400", id="a huge length"),
        pytest.param(form("boundary*=idna''x"), b"HTTP/1.1 400", id="a boundary in an odd character set"),
        pytest.param(form("boundary*" + "0" * 5000 + "=x"), b"HTTP/1.1 400", id="a boundary of many parts"),
        pytest.param(
            form("boundary=b", b"--b\r\nContent-Disposition: form-data; name*" + b"0" * 5000 + b"=x\r\n\r\n\r\n--b--"),
            b"HTTP/1.1 400",
            id="a name of many parts",
        ),
        pytest.param(
            head(
                "authorization: AWS4-HMAC-SHA256 Credential=ASIA0000000000000000/20260101/us-east-1/personalize/"
                "aws4_request, SignedHeaders=host, Signature=0",
                "x-amz-date: 20260101T000000Z",
                "x-amz-security-token: " + base64.b64encode(b'["A",1,"b","c","d",' + b"[" * 20000).decode(),
                "connection: close",
            ),
            b"HTTP/1.1 403",
            id="a deep session token",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400", id="TLS"),
        pytest.param(b"\x00" * 100, b"HTTP/1.1 400", id="zeros"),
    ],
)
def test_other_than_proper_http(strict: Server, sent: bytes, status: bytes) -> None:
    assert told(strict, sent).startswith(status)


def test_it_all_left_the_server_well(strict: Server) -> None:
    assert json.loads(told(strict, b"GET /readyz HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2]) == {"status": "ok"}
    log = Path(strict.log.name).read_text()
    assert "Traceback" not in log
    assert "internal error" not in log

"""Uploads as HTTP clients send them that no SDK is: over raw sockets, to presigned URLs."""

from __future__ import annotations

import http.client
import socket
from email.header import decode_header, make_header
from urllib.parse import quote, urlsplit

import pytest

from aws_local.talk import error_of
from aws_local.test_odd_requests import ask

OLD, NEW = b"old" * 5, b"0123456789" * 100
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


def upload(store, key, head, body=b"", version="1.1"):
    """Status and body of the answer to an upload whose head has these lines beside its host."""
    url = urlsplit(store.generate_presigned_url("put_object", Params={"Bucket": "data", "Key": key}))
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(
            f"PUT {url.path}?{url.query} HTTP/{version}\r\nHost: {url.netloc}\r\n{head}\r\n".encode() + body
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


def stored(store, key):
    return store.get_object(Bucket="data", Key=key)["Body"].read()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (H2C + "Content-Length: 1000\r\n", NEW),
        (H2C + "Transfer-Encoding: chunked\r\n", b"3e8\r\n" + NEW + b"\r\n0\r\n\r\n"),
        ("Content-Length: 1000\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", NEW),
        ("Content-Length: 1000\r\nUpgrade: h2c\r\n", NEW),
        ("Content-Length: 1000\r\nConnection: upgrade\r\n", NEW),
    ],
    ids=["h2c", "h2c in chunks", "websocket", "no connection header", "no protocol"],
)
def test_an_upload_that_offers_another_protocol_arrives_whole(store, head, body):
    store.put_object(Bucket="data", Key="offer", Body=OLD)
    assert upload(store, "offer", head, body) == (200, "")
    assert stored(store, "offer") == NEW


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_upload_of_unknown_length_replaces_nothing(store, version):
    store.put_object(Bucket="data", Key="unmeasured", Body=OLD)
    status, text = upload(store, "unmeasured", "", version=version)
    assert (status, "<Code>MissingContentLength</Code>" in text) == (411, True)
    assert stored(store, "unmeasured") == OLD
    assert upload(store, "unmeasured", "Content-Length: 0\r\n")[0] == 200
    assert stored(store, "unmeasured") == b""


@pytest.mark.parametrize("value", ['attachment; filename="отчёт.csv"', "a\r\nX-Evil: 1", "\u0085", "😀"])
def test_a_header_that_http_cannot_carry_is_refused(store, value):
    store.put_object(Bucket="data", Key="named", Body=OLD)
    for name in ("ResponseContentDisposition", "ResponseContentLanguage"):
        told = error_of(store.get_object, Bucket="data", Key="named", **{name: value})
        assert (told["Code"], "response-content-" in told["Message"]) == ("InvalidArgument", True)
    latin = 'attachment; filename="é.csv"'
    assert store.get_object(Bucket="data", Key="named", ResponseContentDisposition=latin)["ContentDisposition"]


def test_metadata_that_http_cannot_carry_are_answered_after_rfc_2047(house, store):
    text = "отчёт 😀"
    assert ask(house, "s3", "PUT", f"/data/meta?x-amz-meta-a={quote(text)}", body=b"x")[0] == 200
    for call in (store.head_object, store.get_object):
        told = call(Bucket="data", Key="meta")["Metadata"]["a"]
        assert make_header(decode_header(told)) == text

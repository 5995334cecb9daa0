"""Requests that no client of AWS sends, and that moto fails at: errors of the protocol, never an internal one."""

from __future__ import annotations

import urllib.error

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aws_local.talk import KEYS, code_of, send

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TARGET = {"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}


def ask(house, service, method, path, headers=None, body=b""):
    """(status, body) of a signed request."""
    request = AWSRequest(method, house.url + path, headers or {}, body)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(*KEYS), service, "us-east-1").add_auth(request)
    try:
        status, _, text = send(request.url, body or None, dict(request.headers.items()), method)
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, text.decode()


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_a_target_header_changes_nothing_where_actions_are_in_the_form(house, store, service):
    action = {"iam": "ListRoles", "sts": "GetCallerIdentity"}[service]
    status, text = ask(house, service, "POST", "/", FORM | TARGET, f"Action={action}&Version=2010-05-08".encode())
    assert (status, f"{action}Result" in text) == (200, True)
    for body in (b"{}", b"[", b"", b"Action=None&Version=2010-05-08", b"\xff"):
        status, text = ask(house, service, "POST", "/", FORM, body)
        assert (400 <= status < 500, "<Code>" in text) == (True, True), text


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/missing", b"", "NoSuchBucket"),
        ("POST", "/missing?delete", b"<Delete/>", "NoSuchBucket"),
        ("POST", "/missing/k", b"", "NoSuchBucket"),
        ("POST", "/missing/k?uploads", b"", "NoSuchBucket"),
        ("PUT", "/missing/k", b"x", "NoSuchBucket"),
        ("DELETE", "/missing/k", b"", "NoSuchBucket"),
        ("POST", "/", b"", "MethodNotAllowed"),
        ("PATCH", "/data", b"", "MethodNotAllowed"),
        ("POST", "/data", b"", "PreconditionFailed"),
        ("POST", "/data?delete", b"<Delete/>", ""),
        ("POST", "/data?delete", b"nonsense", "MalformedXML"),
        ("PUT", "/data?policy", b"nonsense", "MalformedPolicy"),
        ("PUT", "/data?policy", b"{}", "MalformedPolicy"),
        ("PUT", "/data?policy", b'{"Statement": [{}]}', "MalformedPolicy"),
        ("PUT", "/data?lifecycle", b"<a/>", ""),
        ("PUT", "/data?tagging", b"<a/>", ""),
        ("GET", "/data?list-type=2&max-keys=abc", b"", ""),
        ("DELETE", "/data/none?tagging", b"", ""),
        ("POST", "/data/k", b"", ""),
    ],
)
def test_what_s3_cannot_do_is_the_clients_error(house, store, method, path, body, code):
    status, text = ask(house, "s3", method, path, body=body)
    assert (400 <= status < 502, f"<Code>{code}" in text, "InternalError" in text) == (True, True, False), text
    store.put_object(Bucket="data", Key="alive", Body=b"x")


def test_a_strange_access_control_is_refused_and_stores_nothing(store):
    assert code_of(store.put_object, Bucket="data", Key="acl", Body=b"x", ACL="junk") == "InvalidRequest"
    assert code_of(store.head_object, Bucket="data", Key="acl") == "404"


def test_what_moto_has_not_is_said(guest):
    assert code_of(guest("iam").change_password, OldPassword="a", NewPassword="b") == "NotImplemented"

"""Signature Version 4 against botocore's signer: what it signs we accept, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird import errors
from tailorbird.wire.signature import Request, Scope, admit, prove, scope_of

ACCESS_KEY = "TAILORBIRDLOCALKEY01"
SECRET = "s3cr3t/with+odd=characters"
HOST = "localhost:8080"


def secret_of(access_key, token):
    return SECRET if access_key == ACCESS_KEY else None


def as_received(signed: AWSRequest) -> Request:
    """What a server sees of a request that botocore has signed."""
    prepared = signed.prepare()
    url = urlsplit(prepared.url)
    headers = {
        name.lower(): value if isinstance(value, str) else value.decode() for name, value in prepared.headers.items()
    }
    headers.setdefault("host", url.netloc)
    return Request(prepared.method, url.path, url.query, headers, prepared.body or b"")


def sign(
    signer=SigV4Auth,
    service="personalize",
    method="POST",
    path="/",
    params=None,
    headers=None,
    body=b"{}",
    token=None,
    secret=SECRET,
    region="eu-west-1",
    **more,
) -> Request:
    request = AWSRequest(method, f"http://{HOST}{path}", headers or {}, body, params or {})
    signer(Credentials(ACCESS_KEY, secret, token), service, region, **more).add_auth(request)
    return as_received(request)


def changed(request: Request, **headers: str | None) -> Request:
    """The request with headers set, or left out where None; underscores stand for dashes."""
    values = dict(request.headers)
    for name, value in headers.items():
        values.pop(name.replace("_", "-"), None)
        if value is not None:
            values[name.replace("_", "-")] = value
    return dataclasses.replace(request, headers=values)


def check(request: Request, after: float = 0.0) -> Scope:
    """Verifies the request as if it came `after` seconds from now; botocore signs by the clock as well."""
    claim = admit(request, secret_of, datetime.now(UTC).timestamp() + after)
    prove(request, claim, hashlib.sha256(request.body).hexdigest())
    return claim.scope


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=20)
# Not the names that a presigned query itself brings; no client can send those twice.
PARAMS = st.dictionaries(TEXT.filter(lambda name: name and not name.upper().startswith("X-AMZ-")), TEXT, max_size=4)
TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"
HEADERS = st.dictionaries(
    st.text(TOKEN_CHARACTERS, min_size=1, max_size=12).map(lambda name: f"x-amz-meta-{name}"),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    max_size=4,
)
BODIES = st.binary(max_size=200)
TOKENS = st.none() | st.just("SESSION/token+==")


@settings(max_examples=150, deadline=None)
@given(
    path=st.lists(st.sampled_from(["", ".", "..", "a", "b c", "é", "a%b", "~x", "q+r", "(1)"]), max_size=6),
    params=PARAMS,
    headers=HEADERS,
    body=BODIES,
    token=TOKENS,
)
def test_whatever_botocore_signs_for_a_service_is_accepted(path, params, headers, body, token):
    encoded = "/" + percent_encode("/".join(path), safe="/~")
    request = sign(path=encoded, params=params, headers=headers, body=body, token=token)
    assert check(request) == Scope(ACCESS_KEY, "eu-west-1", "personalize")


@settings(max_examples=150, deadline=None)
@given(
    key=TEXT,
    params=PARAMS,
    headers=HEADERS,
    body=BODIES,
    token=TOKENS,
    method=st.sampled_from(["GET", "PUT"]),
)
def test_whatever_botocore_signs_for_s3_is_accepted(key, params, headers, body, token, method):
    path = "/bucket/" + percent_encode(key, safe="/~")
    request = sign(S3SigV4Auth, "s3", method, path, params, headers, body, token)
    assert check(request).service == "s3"


@settings(max_examples=100, deadline=None)
@given(key=TEXT, params=PARAMS, token=TOKENS, expires=st.integers(1, 604800))
def test_whatever_botocore_presigns_for_s3_is_accepted(key, params, token, expires):
    path = "/bucket/" + percent_encode(key, safe="/~")
    request = sign(S3SigV4QueryAuth, "s3", "GET", path, params, body=b"", token=token, expires=expires)
    assert "authorization" not in request.headers
    assert check(request, after=-30.0) == Scope(ACCESS_KEY, "eu-west-1", "s3")  # busy machines take a second


@settings(max_examples=200, deadline=None)
@given(
    authorization=st.text(max_size=80) | st.text(max_size=60).map("AWS4-HMAC-SHA256 {}".format),
    query=st.text(st.characters(max_codepoint=255), max_size=60),
    date=st.text(max_size=20),
)
def test_hostile_requests_raise_only_errors_of_the_protocol(authorization, query, date):
    headers = {"host": HOST, "authorization": authorization, "x-amz-date": date}
    for names in (("host", "authorization", "x-amz-date"), ("host",), ("host", "authorization")):
        request = Request("GET", "/", query, {name: headers[name] for name in names}, b"")
        with pytest.raises(errors.AwsError):
            check(request)
        assert scope_of(request.headers, query) is None or "/" in authorization + query


def test_date_header_instead_of_x_amz_date():
    request = sign(headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    assert "x-amz-date" not in request.headers
    assert check(request).access_key == ACCESS_KEY


def test_authorization_fields_without_spaces():
    request = sign()
    packed = request.headers["authorization"].replace(", ", ",")
    assert check(changed(request, authorization=packed)).region == "eu-west-1"


def test_scope_is_read_without_verifying():
    request = sign(service="iam", secret="another")
    assert scope_of(request.headers, request.query) == Scope(ACCESS_KEY, "eu-west-1", "iam")
    presigned = sign(S3SigV4QueryAuth, "s3", "GET", "/b/k", body=b"")
    assert scope_of(presigned.headers, presigned.query) == Scope(ACCESS_KEY, "eu-west-1", "s3")
    assert scope_of({}, "list-type=2") is None
    assert scope_of({"authorization": "Bearer abc"}, "") is None


TAMPERED = {
    "method": {"method": "PUT"},
    "path": {"path": "/recommendationz"},
    "query": {"query": "a=2"},
    "query added": {"query": "a=1&b=2"},
    "query dropped": {"query": ""},
    "body": {"body": b'{"userId":"2"}'},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_changed_request_is_refused(change):
    request = sign(path="/recommendations", params={"a": "1"}, body=b'{"userId":"1"}')
    check(request)
    with pytest.raises(errors.InvalidSignatureException):
        check(dataclasses.replace(request, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"host": "elsewhere:8080"},
        {"host": None},
        {"x_amz_target": "AmazonPersonalize.DeleteSchema"},
        {"x_amz_target": None},
        {"content_type": None},
        {"x_amz_security_token": "another"},
        {"x_amz_meta_added": "unsigned"},
    ],
    ids=lambda change: "-".join(map(str, *change.items())),
)
def test_changed_headers_are_refused(change):
    request = sign(
        headers={
            "X-Amz-Target": "AmazonPersonalize.ListSchemas",
            "Content-Type": "application/x-amz-json-1.1",
        },
        token="T",
    )
    check(request)
    with pytest.raises(errors.InvalidSignatureException):
        check(changed(request, **change))


def test_host_must_be_among_the_signed_headers():
    class WithoutHost(SigV4Auth):
        def headers_to_sign(self, request):
            signed = super().headers_to_sign(request)
            del signed["host"]
            return signed

    with pytest.raises(errors.InvalidSignatureException, match="Host header must be sent"):
        check(sign(WithoutHost))


def test_a_wrong_secret_is_refused_and_neither_secret_is_told():
    request = sign(secret="wrong-secret-of-the-client")
    with pytest.raises(errors.InvalidSignatureException, match="secret key") as caught:
        check(request)
    assert SECRET not in caught.value.message
    assert "wrong-secret-of-the-client" not in caught.value.message


def test_body_must_have_the_signed_hash():
    request = sign(S3SigV4Auth, "s3", "PUT", "/bucket/key", body=b"one")
    with pytest.raises(errors.InvalidSignatureException, match="body"):
        check(dataclasses.replace(request, body=b"two"))


@pytest.mark.parametrize("word", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_payload_words_are_for_s3_only(word):
    class Worded(S3SigV4Auth):
        def payload(self, request):
            return word

    stored = sign(Worded, "s3", "PUT", "/bucket/key", body=b"any")
    assert stored.headers["x-amz-content-sha256"] == word
    assert check(stored).service == "s3"
    with pytest.raises(errors.InvalidSignatureException):
        check(sign(Worded, "personalize", body=b"any"))


def test_word_cannot_replace_a_signed_hash():
    request = sign(S3SigV4Auth, "s3", "PUT", "/bucket/key", body=b"one")
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b"one").hexdigest()
    with pytest.raises(errors.InvalidSignatureException):
        check(changed(request, x_amz_content_sha256="UNSIGNED-PAYLOAD"))


@pytest.mark.parametrize(
    ("path", "headers", "may_be_sts"),
    [
        ("/", {}, False),
        ("/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, True),
        # As curl sends what is given by -d.
        ("/recommendations", {"content-type": "application/x-www-form-urlencoded"}, False),
        ("/", {"content-type": "application/x-www-form-urlencoded", "x-amz-target": "AmazonPersonalize.X"}, False),
    ],
)
def test_unsigned(path, headers, may_be_sts):
    with pytest.raises(errors.MissingAuthenticationTokenException) as refused:
        check(Request("POST", path, "", {"host": HOST, **headers}, b"{}"))
    assert ("STS" in refused.value.message) == may_be_sts


def test_presigned_with_version_2():
    request = Request("GET", "/b/k", "AWSAccessKeyId=A&Signature=b&Expires=1", {"host": HOST}, b"")
    with pytest.raises(errors.IncompleteSignatureException, match="s3v4"):
        check(request)


def test_unknown_access_key():
    with pytest.raises(errors.UnrecognizedClientException, match="security token included in the request"):
        admit(sign(), lambda access_key, token: None, datetime.now(UTC).timestamp())


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_clock_skew(seconds):
    request = sign()
    check(request, 600)
    check(request, -600)
    with pytest.raises(errors.RequestExpired, match="clock"):
        check(request, seconds)


def test_presigned_url_expires():
    request = sign(S3SigV4QueryAuth, "s3", "GET", "/bucket/key", body=b"", expires=7200)
    check(request, 7000)
    with pytest.raises(errors.AccessDeniedException, match="expired"):
        check(request, 7300)
    with pytest.raises(errors.AccessDeniedException):
        check(request, -3600)


@pytest.mark.parametrize("part", ["X-Amz-Expires=60", "/bucket/key", "X-Amz-Signature="])
def test_changed_presigned_url_is_refused(part):
    request = sign(S3SigV4QueryAuth, "s3", "GET", "/bucket/key", body=b"", expires=60)
    query = request.query.replace(part, {"X-Amz-Expires=60": "X-Amz-Expires=600"}.get(part, part + "0"))
    path = request.path.replace(part, part + "2")
    with pytest.raises(errors.InvalidSignatureException):
        check(dataclasses.replace(request, path=path, query=query))


def test_presigned_urls_are_for_s3_only():
    with pytest.raises(errors.IncompleteSignatureException, match="s3"):
        check(sign(S3SigV4QueryAuth, "sts", "GET", "/", body=b""))


@pytest.mark.parametrize("expires", ["0x10", "-1", "604801", "99999999999999999999", "\u0663"])
def test_presigned_lifetime_must_be_readable(expires):
    request = sign(S3SigV4QueryAuth, "s3", "GET", "/bucket/key", body=b"", expires=60)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={percent_encode(expires)}")
    with pytest.raises(errors.IncompleteSignatureException, match="X-Amz-Expires"):
        check(dataclasses.replace(request, query=query))


def test_date_of_the_credential_scope_must_be_that_of_the_request():
    request = sign()
    today = request.headers["x-amz-date"][:8]
    authorization = request.headers["authorization"].replace(f"/{today}/", "/20200101/")
    with pytest.raises(errors.InvalidSignatureException, match="20200101"):
        check(changed(request, authorization=authorization))


@pytest.mark.parametrize(
    ("replaced", "by", "told"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "algorithm"),
        ("AWS4-HMAC-SHA256", "Basic", "algorithm"),
        ("Credential=", "Credentials=", "Credential"),
        ("Signature=", "Sig=", "Signature"),
        ("SignedHeaders=", "Signed=", "SignedHeaders"),
        ("/aws4_request", "", "Credential must read"),
        ("/aws4_request", "/aws5_request", "Credential must read"),
    ],
)
def test_unreadable_authorization(replaced, by, told):
    request = sign()
    authorization = request.headers["authorization"].replace(replaced, by)
    with pytest.raises(errors.IncompleteSignatureException, match=told):
        check(changed(request, authorization=authorization))


@pytest.mark.parametrize("date", ["", "20250131", "20251331T000000Z", "2025-01-31T00:00Z", "٢٠٢٥٠١٣١T٠٠٠٠٠٠Z"])
def test_unreadable_date(date):
    with pytest.raises(errors.IncompleteSignatureException, match="x-amz-date"):
        check(changed(sign(), x_amz_date=date))


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 01 Jan 99999 00:00:00 GMT"])
def test_unreadable_http_date(date):
    with pytest.raises(errors.IncompleteSignatureException, match="Date header"):
        check(changed(sign(), x_amz_date=None, date=date))

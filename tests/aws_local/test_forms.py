"""Uploads by a form of a web page: the policy says what may be uploaded, and nothing else is."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_local.talk import code_of, send
from tailorbird import errors
from tailorbird.wire import forms
from tailorbird.wire.signature import Request

BOUNDARY = "----WebKitFormBoundaryx"


def body_of(fields, content=b"content", filename="my file.csv"):
    parts = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'.encode()
    return parts + file + b"Content-Type: text/plain\r\n\r\n" + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def post(url, fields, content=b"content", headers=None, **more):
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return send(url, body_of(fields, content, **more), kind | (headers or {}), "POST")


def told(code, words, call, *arguments, **more):
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(*arguments, **more)
    with caught.value as answer:
        text = answer.read().decode()
        assert (f"<Code>{code}</Code>" in text, words in text) == (True, True), text


@pytest.fixture(params=["s3", "s3v4"])
def presigner(request, guest, store):
    return guest("s3", signature_version=request.param)


def test_a_presigned_form_stores_an_object(presigner, store):
    fields = {"Content-Type": "text/csv", "x-amz-meta-by_me": "é", "x-amz-storage-class": "STANDARD_IA"}
    fields |= {
        "x-ignore-this": "",
        "tagging": "<Tagging><TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet></Tagging>",
    }
    conditions = [{"Content-Type": "text/csv"}, ["starts-with", "$x-amz-meta-by_me", ""]]
    conditions += [["eq", "$x-amz-storage-class", "STANDARD_IA"], ["starts-with", "$tagging", ""]]
    form = presigner.generate_presigned_post("data", "up/${filename}", fields, conditions)
    content = b"\r\n--" + bytes(range(256)) * 5000
    status, headers, body = post(form["url"], form["fields"], content)
    assert (status, body) == (204, b"")
    got = store.get_object(Bucket="data", Key="up/my file.csv")
    assert (got["Body"].read(), got["ContentType"], got["StorageClass"]) == (content, "text/csv", "STANDARD_IA")
    assert (got["ETag"], list(got["Metadata"])) == (headers["etag"], ["by_me"])
    tags = store.get_object_tagging(Bucket="data", Key="up/my file.csv")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]


def test_a_session_presigns_a_form(guest, store):
    made = guest("sts").get_session_token()["Credentials"]
    keys = tuple(made[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    form = guest("s3", keys=keys).generate_presigned_post("data", "by session")
    post(form["url"], form["fields"])
    assert store.get_object(Bucket="data", Key="by session")["Body"].read() == b"content"
    told("InvalidAccessKeyId", "token", post, form["url"], form["fields"] | {"x-amz-security-token": "x"})


def test_what_a_form_may_ask_to_be_answered(presigner, store):
    made = presigner.generate_presigned_post(
        "data", "k", {"success_action_status": "201"}, [{"success_action_status": "201"}]
    )
    status, headers, body = post(made["url"], made["fields"])
    assert status == 201
    assert b"<Bucket>data</Bucket><Key>k</Key>" in body
    assert headers["location"] == f"{presigner.meta.endpoint_url}/data/k"
    target = {"success_action_redirect": f"{presigner.meta.endpoint_url}/healthz?a=1"}
    made = presigner.generate_presigned_post("data", "k", dict(target), [target])
    seen = []

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, request, file, code, message, headers, url):
            seen.append((code, urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)))

    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    sent = urllib.request.Request(made["url"], body_of(made["fields"]), kind)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(sent)
    caught.value.close()
    [(code, query)] = seen
    assert (code, query["a"], query["bucket"], query["key"]) == (303, ["1"], ["data"], ["k"])


@pytest.mark.parametrize("filename", ["", "/", "\\", "up/"])
def test_a_form_without_a_key_stores_nothing_and_makes_no_bucket(presigner, store, filename):
    before = store.list_buckets()["Buckets"]
    for bucket in ("brandnew", "data"):
        form = presigner.generate_presigned_post(bucket, "${filename}")
        told("InvalidArgument", "User key", post, form["url"], form["fields"], b"", filename=filename)
    assert store.list_buckets()["Buckets"] == before


def test_every_condition_is_checked(presigner, store):
    conditions = [{"Content-Type": "text/csv"}, ["starts-with", "$x-amz-meta-m", "a"], ["content-length-range", 3, 9]]
    form = presigner.generate_presigned_post(
        "data", "only/${filename}", {"Content-Type": "text/csv", "x-amz-meta-m": "abc"}, conditions
    )
    url, fields = form["url"], form["fields"]
    post(url, fields)
    post(url, fields, b"123")
    post(url, fields, b"123456789")
    told("EntityTooSmall", "3", post, url, fields, b"12")
    told("EntityTooLarge", "9", post, url, fields, b"1234567890")
    told("EntityTooLarge", "", post, url, fields, b"1" * 1_000_000)
    told("AccessDenied", "$content-type", post, url, fields | {"Content-Type": "text/html"})
    told("AccessDenied", "$x-amz-meta-m", post, url, fields | {"x-amz-meta-m": "bc"})
    told("AccessDenied", "$key", post, url, fields | {"key": "other/k"})
    told("AccessDenied", "Extra input fields: acl", post, url, fields | {"acl": "public-read"})
    told("AccessDenied", "x-amz-copy-source", post, url, fields | {"x-amz-copy-source": "/data/k"})
    told("AccessDenied", "$bucket", post, url.replace("/data", "/other"), fields)
    without = {name: value for name, value in fields.items() if name != "x-amz-meta-m"}
    told("AccessDenied", "$x-amz-meta-m", post, url, without)
    endless = presigner.generate_presigned_post("data", "k", Conditions=[["content-length-range", "0", "9" * 4500]])
    told("InvalidPolicyDocument", "no number of bytes", post, endless["url"], endless["fields"])


def test_the_policy_is_verified(presigner, store):
    form = presigner.generate_presigned_post("data", "k")
    url, fields = form["url"], form["fields"]
    name = "signature" if "signature" in fields else "x-amz-signature"
    policy = json.loads(b64decode(fields["policy"]))
    longer = b64encode(json.dumps(policy | {"expiration": "2100-01-01T00:00:00Z"}).encode()).decode()
    told("SignatureDoesNotMatch", "policy", post, url, fields | {"policy": longer})
    told("SignatureDoesNotMatch", "policy", post, url, fields | {name: "x" + fields[name]})
    told("AccessDenied", "no policy", post, url, {"key": "k"})
    over = presigner.generate_presigned_post("data", "k", ExpiresIn=-1)
    told("AccessDenied", "Policy expired", post, over["url"], over["fields"])
    strange = {each: "AKIAIOSFODNN7EXAMPLE" for each in fields if each == "AWSAccessKeyId"}
    if strange:
        told("InvalidAccessKeyId", "AKIAIOSFODNN7EXAMPLE", post, url, fields | strange)
    missing = presigner.generate_presigned_post("missing", "k")
    told("NoSuchBucket", "missing", post, missing["url"], missing["fields"])


def test_a_form_that_is_none_is_refused(presigner, store):
    form = presigner.generate_presigned_post("data", "broken")
    url, fields = form["url"], form["fields"]
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    whole = body_of(fields)
    told("MalformedPOSTRequest", "end", send, url, whole[:-30], kind, "POST")
    told("MalformedPOSTRequest", "file", send, url, whole[:200], kind, "POST")
    told("MalformedPOSTRequest", "file", send, url, b"", kind, "POST")
    told("MalformedPOSTRequest", "file", post, url, {"x-ignore-me": "x" * 70_000} | fields)
    told("MalformedPOSTRequest", "boundary", send, url, whole, {"Content-Type": "multipart/form-data"}, "POST")
    told("MalformedPOSTRequest", "bucket", post, f"{url}/deeper", fields)
    assert code_of(store.head_object, Bucket="data", Key="broken") == "404"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda noise: body_of({"key": "k"}).replace(b"key", noise)))
def test_hostile_forms_raise_only_errors_of_the_protocol(body):
    head = Request("POST", "/data", "", {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, b"")
    with pytest.raises(errors.AwsError):
        forms.begin(head, body, lambda key, token: None, 0.0)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.text(max_size=5) | st.integers(), st.lists).map(
        lambda odd: json.dumps({"expiration": "2100-01-01T00:00:00Z", "conditions": [odd]}).encode()
    )
)
def test_hostile_policies_raise_only_errors_of_the_protocol(policy):
    from tailorbird.wire import policies, signature_v2

    text = b64encode(policy).decode()
    fields = {"policy": text, "awsaccesskeyid": "A", "signature": signature_v2.sign("s", text), "key": "k"}
    with pytest.raises(errors.AwsError):
        policies.check(policies.verify(fields, lambda key, token: "s", 0.0)[1], fields)


# --- Pages of other origins ---------------------------------------------------------------------------------

RULE = {
    "AllowedOrigins": ["https://*.shop.example"],
    "AllowedMethods": ["PUT", "POST"],
    "AllowedHeaders": ["content-*", "x-amz-meta-m"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}
PAGE = {"Origin": "https://www.shop.example"}


def test_the_rules_of_a_bucket_say_which_pages_may_use_it(house, guest, store):
    store.put_bucket_cors(Bucket="data", CORSConfiguration={"CORSRules": [RULE]})
    url = f"{house.url}/data/k"
    ask = PAGE | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    _, headers, _ = send(url, headers=ask, method="OPTIONS")
    assert headers["access-control-allow-origin"] == PAGE["Origin"]
    assert (headers["access-control-allow-headers"], headers["access-control-max-age"]) == ("content-type", "60")
    for wrong in (
        {"Origin": "https://shop.example.evil"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "content-type, x-amz-acl"},
    ):
        told("AccessForbidden", "CORS", send, url, headers=ask | wrong, method="OPTIONS")
    told("AccessForbidden", "CORS", send, f"{house.url}/missing/k", headers=ask, method="OPTIONS")
    form = guest("s3").generate_presigned_post("data", "k")
    _, headers, _ = post(form["url"], form["fields"], headers=PAGE)
    assert (headers["access-control-allow-origin"], headers["access-control-expose-headers"]) == (
        PAGE["Origin"],
        "ETag",
    )
    _, headers, _ = post(form["url"], form["fields"], headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in headers
    _, headers, _ = send(guest("s3").generate_presigned_url("get_object", {"Bucket": "data", "Key": "k"}), headers=PAGE)
    assert "access-control-allow-origin" not in headers

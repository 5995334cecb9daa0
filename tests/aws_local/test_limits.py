"""What AWS's S3, IAM and STS refuse and moto does not."""

from __future__ import annotations

from urllib.error import HTTPError

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aws_local.talk import ACCOUNT, KEYS, TRUST, code_of, error_of, send


def test_limits_of_s3(store):
    longest = "é" * 512
    store.put_object(Bucket="data", Key=longest, Body=b"x")
    assert code_of(store.put_object, Bucket="data", Key=longest + "x", Body=b"x") == "KeyTooLongError"
    assert code_of(store.create_multipart_upload, Bucket="data", Key="x" * 1025) == "KeyTooLongError"
    names = [{"Key": str(number)} for number in range(1001)]
    assert code_of(store.delete_objects, Bucket="data", Delete={"Objects": names}) == "MalformedXML"
    store.delete_objects(Bucket="data", Delete={"Objects": names[1:]})
    store.put_object(Bucket="data", Key="k", Body=b"x")
    assert code_of(store.list_objects_v2, Bucket="data", ContinuationToken="zzz") == "InvalidArgument"
    pages = store.get_paginator("list_objects_v2").paginate(Bucket="data", PaginationConfig={"PageSize": 1})
    assert [each["Key"] for page in pages for each in page["Contents"]] == ["k", longest]


def asked(house, path, service="s3", body=b""):
    """The bytes of the answer to a signed request."""
    request = AWSRequest("POST" if body else "GET", f"{house.url}{path}", {}, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(*KEYS), service, "us-east-1").add_auth(request)
    try:
        return send(request.url, body or None, dict(request.headers.items()), request.method)[2]
    except HTTPError as error:
        with error:
            return error.read()


# Without abc--x-s3, which boto3 sends elsewhere.
RESERVED = ["xn--abc", "sthree-x", "amzn-s3-demo-b", "abc-s3alias", "abc--ol-s3", "abc.mrap"]


@pytest.mark.parametrize("name", ["a..b", "192.168.5.4", "-abc", "abc.", "Abc", "ab", *RESERVED, "abc--table-s3"])
def test_names_that_no_bucket_may_have(guest, name):
    told = error_of(guest("s3").create_bucket, Bucket=name)
    assert (told["Code"], name in told["Message"]) == ("InvalidBucketName", True)


@pytest.mark.parametrize("name", ["a-.b", "1.2.3", "1.2.3.4.5", "xn-a", "abc.mrap.x"])
def test_names_that_look_like_these(guest, name):
    guest("s3").create_bucket(Bucket=name)


@pytest.mark.parametrize(
    "character", ["\0", "\x01", "\t", "\n", "\r", "\r\n", "\x1f", "\x7f", "\x85", "\u2028", "\ufffe"]
)
def test_a_key_may_hold_any_character(store, character):
    key = f"odd/{character}a{character}"
    store.put_object(Bucket="data", Key=key, Body=b"1")
    assert store.get_object(Bucket="data", Key=key)["Body"].read() == b"1"
    assert store.head_object(Bucket="data", Key=key)["ContentLength"] == 1
    assert [each["Key"] for each in store.list_objects_v2(Bucket="data", Prefix="odd/")["Contents"]] == [key]
    store.copy_object(Bucket="data", Key=f"{key}b", CopySource={"Bucket": "data", "Key": key})
    assert store.delete_object(Bucket="data", Key=f"{key}b")["ResponseMetadata"]["HTTPStatusCode"] == 204
    if character.isspace() and character != "\x1f":  # others have no place in XML, neither here nor there
        upload = {"Bucket": "data", "Key": key}
        upload["UploadId"] = (made := store.create_multipart_upload(**upload))["UploadId"]
        assert made["Key"] == key
        store.abort_multipart_upload(**upload)
        assert "Errors" not in store.delete_objects(Bucket="data", Delete={"Objects": [{"Key": key}]})
    store.delete_object(Bucket="data", Key=key)
    assert code_of(store.get_object_tagging, Bucket="data", Key=key) in ("NoSuchKey", "404")
    assert "Contents" not in store.list_objects_v2(Bucket="data", Prefix="odd/")


def test_characters_that_xml_has_not_are_referred_to(house, store):
    store.put_object(Bucket="data", Key="raw/\x01\ufffe\r\n", Body=b"<!doctype html>\r\n\x01", ContentType="text/xml")
    assert b"<Key>raw/&#x1;&#xFFFE;&#xD;\n</Key>" in asked(house, "/data?prefix=raw%2F")
    got = store.get_object(Bucket="data", Key="raw/\x01\ufffe\r\n")
    assert got["Body"].read() == b"<!doctype html>\r\n\x01"


def test_where_moto_has_nothing_clients_are_told_in_their_language(house):
    for service, path in (("iam", "/nowhere"), ("monitoring", "/nowhere"), ("sts", "/nowhere")):
        told = asked(house, path, service, b"Action=ListUsers")
        assert b"InvalidURI" in told
        assert b"<html" not in told


@pytest.mark.parametrize(
    ("operation", "given", "code"),
    [
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "nojson"}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "[]"}, "MalformedPolicyDocument"),
        ("create_role", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": TRUST}, "ValidationError"),
        ("create_user", {"UserName": "a b"}, "ValidationError"),
        ("create_policy", {"PolicyName": "p" * 129, "PolicyDocument": "{}"}, "ValidationError"),
        ("create_access_key", {}, "ValidationError"),
        ("list_access_keys", {}, "ValidationError"),
    ],
)
def test_limits_of_iam(guest, operation, given, code):
    assert code_of(getattr(guest("iam", parameter_validation=False), operation), **given) == code


def test_the_account_itself_is_the_same_for_iam_and_sts(guest):
    user = guest("iam").get_user()["User"]
    assert user["Arn"] == guest("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_user_may_leave_its_name_out(guest):
    iam = guest("iam")
    iam.create_user(UserName="bob")
    made = iam.create_access_key(UserName="bob")["AccessKey"]
    own = guest("iam", keys=(made["AccessKeyId"], made["SecretAccessKey"]))
    assert own.get_user()["User"]["UserName"] == "bob"
    assert own.list_access_keys()["AccessKeyMetadata"]


def test_an_identity_of_the_web_is_told_what_is_missing(guest):
    told = error_of(
        guest("sts").assume_role_with_web_identity,
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
        RoleSessionName="session",
        WebIdentityToken="token",
    )
    assert "no identity providers" in told["Message"]

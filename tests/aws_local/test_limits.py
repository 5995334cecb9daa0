"""What AWS's S3, IAM and STS refuse and moto does not."""

from __future__ import annotations

import pytest

from aws_local.talk import ACCOUNT, TRUST, code_of, error_of


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

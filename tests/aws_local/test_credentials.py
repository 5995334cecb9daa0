"""The access keys that IAM and STS hand out are good here, until they are taken back or their time is over."""

from __future__ import annotations

import logging
import time
import urllib.error

import pytest

from aws_local.talk import ACCOUNT, KEYS, code_of, error_of, send
from tailorbird.aws_local.credentials import Credentials, Principal
from tailorbird.workspace import AccessKey

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


def keys_of(credentials):
    return tuple(credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))


def user_keys(iam, name):
    """A user and a key of it."""
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def refused_everywhere(guest, keys, json="UnrecognizedClientException", query="InvalidClientTokenId", s3=None):
    assert code_of(guest("personalize", keys=keys).list_schemas) == json
    assert code_of(guest("sts", keys=keys).get_caller_identity) == query
    assert code_of(guest("s3", keys=keys).list_buckets) == (s3 or "InvalidAccessKeyId")


def test_a_users_key_is_good_for_every_service_until_it_is_taken_back(house, guest, caplog):
    caplog.set_level(logging.DEBUG, "tailorbird")
    iam = guest("iam")
    keys = user_keys(iam, "ann")
    for again in (False, True):
        if again:
            house.restart()
        assert guest("personalize", keys=keys).list_schemas()["schemas"] == []
        guest("s3", keys=keys).create_bucket(Bucket="anns")
        assert guest("sts", keys=keys).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"
        assert guest("iam", keys=keys).get_user()["User"]["UserName"] == "ann"
        iam.update_access_key(UserName="ann", AccessKeyId=keys[0], Status="Inactive")
        refused_everywhere(guest, keys)
        iam.update_access_key(UserName="ann", AccessKeyId=keys[0], Status="Active")
    assert code_of(guest("s3", keys=(keys[0], "wrong")).list_buckets) == "SignatureDoesNotMatch"
    iam.delete_access_key(UserName="ann", AccessKeyId=keys[0])
    refused_everywhere(guest, keys)
    house.restart()
    refused_everywhere(guest, keys)
    assert keys[1] not in caplog.text


def test_a_user_makes_a_key_of_its_own(house, guest):
    first = user_keys(guest("iam"), "eve")
    made = guest("iam", keys=first).create_access_key()["AccessKey"]
    assert made["UserName"] == "eve"
    house.restart()
    second = (made["AccessKeyId"], made["SecretAccessKey"])
    assert guest("sts", keys=second).get_caller_identity()["Arn"].endswith(":user/eve")


def test_the_keys_of_a_deleted_user_are_refused(house, guest):
    iam = guest("iam")
    keys = user_keys(iam, "bob")
    iam.delete_user(UserName="bob")
    refused_everywhere(guest, keys)


def test_an_assumed_role_is_good_for_every_service_and_survives_a_restart(house, guest, caplog):
    caplog.set_level(logging.DEBUG, "tailorbird")
    answer = guest("sts").assume_role(RoleArn=ROLE, RoleSessionName="me", DurationSeconds=900)
    keys = keys_of(answer["Credentials"])
    assert 880 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    house.restart()
    assert guest("personalize", keys=keys).list_schemas()["schemas"] == []
    guest("s3", keys=keys).list_buckets()
    guest("iam", keys=keys).list_roles()
    identity = guest("sts", keys=keys).get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/any/me"
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert keys[1] not in caplog.text
    assert keys[2] not in caplog.text


@pytest.mark.parametrize("change", [lambda token: "", lambda token: token[:-8], lambda token: "x" + token])
def test_a_session_without_its_token_is_refused(guest, change):
    key, secret, token = keys_of(guest("sts").get_session_token()["Credentials"])
    refused_everywhere(guest, (key, secret, change(token)) if change(token) else (key, secret))


def test_nobody_lengthens_or_forges_a_session(guest):
    """With another installation's key, or for a longer time, the secret is another."""
    strange = Credentials(AccessKey(KEYS[0], "not the secret"), ACCOUNT, dict)
    made = strange.begin(KEYS[0], "", Principal("arn:aws:iam::1:root", "1"), time.time() + 3600)
    keys = (made.key.access_key_id, made.key.secret_access_key, made.token)
    refused_everywhere(guest, keys, "InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch")


def test_a_session_that_is_over_is_refused(guest):
    own = Credentials(AccessKey(*KEYS), ACCOUNT, dict)
    for seconds in (60, -1):
        made = own.begin(KEYS[0], "", Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT), time.time() + seconds)
        keys = (made.key.access_key_id, made.key.secret_access_key, made.token)
        if seconds > 0:
            guest("s3", keys=keys).list_buckets()
    refused_everywhere(guest, keys, "ExpiredTokenException", "ExpiredToken", "ExpiredToken")


def test_a_session_ends_with_the_key_that_asked_for_it(guest):
    iam = guest("iam")
    keys = user_keys(iam, "carl")
    first = keys_of(guest("sts", keys=keys).assume_role(RoleArn=ROLE, RoleSessionName="one")["Credentials"])
    second = keys_of(guest("sts", keys=first).get_federation_token(Name="two")["Credentials"])
    assert guest("sts", keys=second).get_caller_identity()["Arn"].endswith(":federated-user/two")
    iam.delete_access_key(UserName="carl", AccessKeyId=keys[0])
    for each in (first, second):
        refused_everywhere(guest, each)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_session_presigns(store, guest, version):
    keys = keys_of(guest("sts").get_session_token()["Credentials"])
    store.put_object(Bucket="data", Key="k", Body=b"shared")
    url = guest("s3", keys=keys, signature_version=version).generate_presigned_url(
        "get_object", {"Bucket": "data", "Key": "k"}
    )
    assert send(url)[2] == b"shared"
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(url.replace("ecurity-", "ecurity_"))
    caught.value.close()


@pytest.mark.parametrize("seconds", ["0000009000000", "000000900" + "0" * 5000, "9" * 5000])
def test_no_session_lasts_longer_than_it_may(guest, seconds):
    sts = guest("sts")
    sts.meta.events.register(
        "before-call.sts.AssumeRole", lambda params, **_: params["body"].update(DurationSeconds=seconds)
    )
    told = error_of(sts.assume_role, RoleArn=ROLE, RoleSessionName="me")
    assert told["Code"] == "ValidationError"
    assert "DurationSeconds" in told["Message"]


def test_what_sts_cannot_do_is_said(guest):
    sts = guest("sts")
    for wrong in (
        {"RoleArn": "arn:aws:iam::1:role/x-too-short"},
        {"DurationSeconds": 900_000},
        {"RoleSessionName": "a b"},
    ):
        request = {"RoleArn": ROLE, "RoleSessionName": "me"} | wrong
        assert error_of(sts.assume_role, **request)["Code"] == "ValidationError"
        assert next(iter(wrong)) in error_of(sts.assume_role, **request)["Message"]
    told = error_of(sts.assume_role_with_web_identity, RoleArn=ROLE, RoleSessionName="me", WebIdentityToken="t" * 8)
    assert told["Code"] in ("AccessDenied", "MissingAuthenticationToken")

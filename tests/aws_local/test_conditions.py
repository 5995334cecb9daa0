"""What S3 changes on a condition only, and what the S3 here does not do: nothing is changed where it is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aws_local.talk import ACCOUNT, code_of, error_of
from aws_local.test_odd_requests import ask

PAST, FUTURE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
PART = 5 << 20


@pytest.fixture
def etag(store):
    """Of an object `k`."""
    for key in ("k", "other", "new"):
        store.delete_object(Bucket="data", Key=key)
    store.put_object(Bucket="data", Key="other", Body=b"other")
    return store.put_object(Bucket="data", Key="k", Body=b"123456789")["ETag"]


def body(store, key="k"):
    return store.get_object(Bucket="data", Key=key)["Body"].read()


def keys(store):
    return [each["Key"] for each in store.list_objects_v2(Bucket="data").get("Contents", [])]


@pytest.mark.parametrize("version", ["3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "v1"])
def test_a_version_that_is_not_there_deletes_nothing(store, etag, version):
    here = {"Bucket": "data", "Key": "k"}
    source = {**here, "VersionId": version}
    for call, given in (
        (store.delete_object, {**here, "VersionId": version}),
        (store.delete_object_tagging, {**here, "VersionId": version}),
        (store.copy_object, {"Bucket": "data", "Key": "new", "CopySource": source}),
    ):
        assert code_of(call, **given) == "InvalidArgument"
    told = store.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    assert [(each["Key"], each["Code"]) for each in told["Errors"]] == [("k", "NoSuchVersion")]
    assert keys(store) == ["k", "other"]
    store.delete_object(**here, VersionId="null")
    assert keys(store) == ["other"]


def test_each_of_many_is_deleted_on_its_own_condition(store, etag):
    store.put_object(Bucket="data", Key="new", Body=b"new")
    wanted = [{"Key": "k", "ETag": '"00"'}, {"Key": "other"}, {"Key": "none", "ETag": etag}, {"Key": "new", "Size": 3}]
    told = store.delete_objects(Bucket="data", Delete={"Objects": wanted})
    assert [each["Key"] for each in told["Deleted"]] == ["other"]
    errors = {each["Key"]: each["Code"] for each in told["Errors"]}
    assert errors == {"k": "PreconditionFailed", "none": "NoSuchKey", "new": "NotImplemented"}
    assert keys(store) == ["k", "new"]
    assert "Errors" not in store.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "k", "ETag": etag}]})
    assert keys(store) == ["new"]


@pytest.mark.parametrize(
    ("given", "copied"),
    [
        ({"CopySourceIfMatch": '"zz"'}, False),
        ({"CopySourceIfMatch": "ETAG"}, True),
        ({"CopySourceIfNoneMatch": "ETAG"}, False),
        ({"CopySourceIfNoneMatch": '"zz"'}, True),
        ({"CopySourceIfUnmodifiedSince": PAST}, False),
        ({"CopySourceIfUnmodifiedSince": FUTURE}, True),
        ({"CopySourceIfModifiedSince": FUTURE}, False),
        ({"CopySourceIfModifiedSince": PAST}, True),
        ({"CopySourceIfMatch": "ETAG", "CopySourceIfUnmodifiedSince": PAST}, True),
        ({"CopySourceIfNoneMatch": "ETAG", "CopySourceIfModifiedSince": PAST}, False),
    ],
    ids=str,
)
def test_copies_heed_their_conditions(store, etag, given, copied):
    given = {name: etag if value == "ETAG" else value for name, value in given.items()}
    asked = {"Bucket": "data", "Key": "new", "CopySource": {"Bucket": "data", "Key": "k"}, **given}
    upload = store.create_multipart_upload(Bucket="data", Key="new")["UploadId"]
    part = {"UploadId": upload, "PartNumber": 1}
    if copied:
        store.copy_object(**asked)
        store.upload_part_copy(**asked, **part)
    else:
        assert code_of(store.copy_object, **asked) == "PreconditionFailed"
        assert code_of(store.upload_part_copy, **asked, **part) == "PreconditionFailed"
    assert ("new" in keys(store)) == copied
    assert ("Parts" in store.list_parts(Bucket="data", Key="new", UploadId=upload)) == copied
    store.abort_multipart_upload(Bucket="data", Key="new", UploadId=upload)


def test_all_that_write_an_object_heed_what_it_must_be(store, etag):
    here = {"Bucket": "data", "Key": "k"}
    upload = store.create_multipart_upload(**here)["UploadId"]
    part = store.upload_part(**here, UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    parts = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    source = {"CopySource": {"Bucket": "data", "Key": "other"}}
    for call, given in (
        (store.put_object, {"Body": b"new"}),
        (store.copy_object, source),
        (store.complete_multipart_upload, parts),
    ):
        assert code_of(call, **here, **given, IfNoneMatch="*") == "PreconditionFailed"
        assert code_of(call, **here, **given, IfMatch='"zz"') == "PreconditionFailed"
        assert code_of(call, **here, **given, IfNoneMatch='"zz"') == "NotImplemented"
    assert code_of(store.delete_object, **here, IfMatch='"zz"') == "PreconditionFailed"
    assert code_of(store.put_object, Bucket="data", Key="new", Body=b"", IfMatch=etag) == "NoSuchKey"
    assert body(store) == b"123456789"
    store.complete_multipart_upload(**here, **parts, IfMatch=etag)
    assert body(store) == b"part"
    store.put_object(Bucket="data", Key="new", Body=b"new", IfNoneMatch="*")
    assert body(store, "new") == b"new"


@pytest.mark.parametrize(
    "given", ["bytes=5-1", "bytes=8-9", "bytes=0-99999999999", "bytes=-5", "bytes=5-", "0-5", "bytes=0-1,3-4"]
)
def test_a_range_that_the_source_has_not_is_no_part(store, etag, given):
    here = {"Bucket": "data", "Key": "new"}
    upload = {**here, "UploadId": store.create_multipart_upload(**here)["UploadId"]}
    asked = {**upload, "PartNumber": 1, "CopySource": {"Bucket": "data", "Key": "k"}}
    assert code_of(store.upload_part_copy, **asked, CopySourceRange=given) == "InvalidArgument"
    assert "Parts" not in store.list_parts(**upload)
    store.upload_part_copy(**asked, CopySourceRange="bytes=5-8")
    assert [each["Size"] for each in store.list_parts(**upload)["Parts"]] == [4]
    store.abort_multipart_upload(**upload)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-write-offset-bytes": "9"},
        {"x-amz-rename-source": "/data/other"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-amz-object-lock-mode": "GOVERNANCE"},
        {"if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"if-none-match": '"zz"'},
    ],
    ids=str,
)
def test_what_s3_does_not_do_here_is_refused(house, store, etag, headers):
    status, text = ask(house, "s3", "PUT", "/data/k", headers, b"new")
    assert (status, "<Code>NotImplemented" in text) == (501, True)
    assert body(store) == b"123456789"


def test_renames_and_other_owners_are_refused(house, store, etag):
    status, _ = ask(house, "s3", "PUT", "/data/new?renameObject", {"x-amz-rename-source": "k"})
    assert status == 501
    for call, given in ((store.put_object, {"Body": b"x"}), (store.delete_object, {}), (store.get_object, {})):
        told = error_of(call, Bucket="data", Key="k", ExpectedBucketOwner="999999999999", **given)
        assert told["Code"] == "AccessDenied"
    assert keys(store) == ["k", "other"]
    assert store.head_object(Bucket="data", Key="k", ExpectedBucketOwner=ACCOUNT)["ContentLength"] == 9


def test_the_parts_of_an_object_are_those_it_was_completed_from(store):
    here = {"Bucket": "data", "Key": "gap"}
    upload = {**here, "UploadId": store.create_multipart_upload(**here)["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": store.upload_part(**upload, PartNumber=number, Body=bytes(PART))["ETag"]}
        for number in (1, 2, 3)
    ]
    store.complete_multipart_upload(**upload, MultipartUpload={"Parts": [parts[0], parts[2]]})
    assert store.head_object(**here, PartNumber=1)["PartsCount"] == 2
    store.delete_object(**here)

"""A disk that does not take what is stored: nothing is answered that would be gone after a restart."""

from __future__ import annotations

import resource
import stat
from contextlib import contextmanager

import pytest

from aws_local.talk import TRUST, code_of, error_of, plain

SMALL, LARGE = b"old", b"new" * 100_000


@contextmanager
def full_disk(size):
    """No file of this process grows beyond `size` bytes; to the program that is as a full disk is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def kept(s3):
    """An object as it was before the disk was full, with all that can be said of it."""
    s3.put_object(Bucket="data", Key="k", Body=SMALL, Metadata={"m": "1"}, Tagging="t=1", ContentType="text/csv")
    s3.put_object(Bucket="data", Key="large", Body=LARGE)

    def look(key="k"):
        got = plain(s3.get_object(Bucket="data", Key=key))
        tags = s3.get_object_tagging(Bucket="data", Key=key)["TagSet"]
        return got.pop("Body").read(), got, tags

    return look


def upload(s3, key):
    made = s3.create_multipart_upload(Bucket="data", Key=key)["UploadId"]
    part = s3.upload_part(Bucket="data", Key=key, UploadId=made, PartNumber=1, Body=LARGE)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    return {"Bucket": "data", "Key": key, "UploadId": made, "MultipartUpload": parts}


def test_what_cannot_be_stored_is_not_there_and_what_was_there_stays(s3, kept, restart, tmp_path):
    before = kept()
    complete = {key: upload(s3, key) for key in ("k", "fresh")}
    with full_disk(100_000):
        for key in ("k", "fresh"):
            told = error_of(s3.put_object, Bucket="data", Key=key, Body=LARGE, Tagging="t=2")
            assert told["Code"] == "ServiceUnavailable"
            assert "could not be stored" in told["Message"]
            source = {"Bucket": "data", "Key": "large"}
            assert code_of(s3.copy_object, Bucket="data", Key=key, CopySource=source) == "ServiceUnavailable"
            assert code_of(s3.complete_multipart_upload, **complete[key]) == "ServiceUnavailable"
            tags = {"TagSet": [{"Key": "u", "Value": "3"}]}
            assert code_of(s3.put_object_tagging, Bucket="data", Key="large", Tagging=tags) == "ServiceUnavailable"
        s3.put_object(Bucket="data", Key="tiny", Body=b"x")
    for again in (False, True):
        if again:
            restart()
        assert kept() == before
        assert kept("large")[2] == []
        assert code_of(s3.head_object, Bucket="data", Key="fresh") == "404"
        listed = {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket="data")["Contents"]}
        assert listed == {"k": len(SMALL), "large": len(LARGE), "tiny": 1}
        if not again:
            assert not list((tmp_path / "objects").glob("*.tmp"))
            s3.complete_multipart_upload(**complete["k"])
            assert kept()[0] == LARGE
            s3.put_object(
                Bucket="data", Key="k", Body=SMALL, Metadata={"m": "1"}, Tagging="t=1", ContentType="text/csv"
            )
            before = kept()


def test_a_change_of_iam_or_buckets_that_cannot_be_stored_is_not_made(client, s3, kept, restart, tmp_path):
    iam = client("iam")
    iam.create_role(RoleName="first", AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName="ann")
    size = (tmp_path / "journal.jsonl").stat().st_size
    before = kept()
    with full_disk(size + 50):
        assert code_of(iam.create_role, RoleName="second", AssumeRolePolicyDocument=TRUST) == "ServiceUnavailable"
        assert code_of(iam.create_access_key, UserName="ann") == "ServiceUnavailable"
        assert code_of(s3.create_bucket, Bucket="more") == "ServiceUnavailable"
        assert code_of(s3.delete_bucket, Bucket="data") == "BucketNotEmpty"
    assert (tmp_path / "journal.jsonl").stat().st_size == size
    for again in (False, True):
        if again:
            restart()
        assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["first"]
        assert iam.list_access_keys(UserName="ann")["AccessKeyMetadata"] == []
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["data"]
        assert kept() == before
    iam.create_role(RoleName="second", AssumeRolePolicyDocument=TRUST)
    restart()
    assert len(iam.list_roles()["Roles"]) == 2


def test_only_the_owner_can_read_the_folder(client, s3, tmp_path, restart):
    s3.put_object(Bucket="data", Key="k", Body=b"x")
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    (tmp_path / "objects").chmod(0o755)  # as earlier versions made it
    restart()
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path, *tmp_path.rglob("*")]}
    assert set(found.values()) == {0o700, 0o600}
    assert all((mode == 0o700) == path.is_dir() for path, mode in found.items())

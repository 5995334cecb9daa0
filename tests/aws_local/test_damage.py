"""Damaged files of the services beside us: what they touch fails, the rest goes on, and everybody is told."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from aws_local.talk import ACCOUNT, KEYS, code_of, error_of, send
from tailorbird.aws_local import AwsLocal, journal, object_files
from tailorbird.errors import DamagedFile
from tailorbird.storage import aws
from tailorbird.storage.objects import ObjectError, Objects
from tailorbird.workspace import AccessKey

CONTENT = b"user,item\n" + b"1,2\n" * 500


def shorter(data):
    return data[:-1]


def without_description(data):
    return b"(" + data[1:]


def changed(data):
    return data[:-4] + b"9,9\n"


def parted(s3, key):
    """An object put together from parts, whose ETag is no MD5 of it."""
    made = s3.create_multipart_upload(Bucket="data", Key=key)["UploadId"]
    part = s3.upload_part(Bucket="data", Key=key, UploadId=made, PartNumber=1, Body=CONTENT)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="data", Key=key, UploadId=made, MultipartUpload=parts)


def older(path, first):
    """Leaves out what an older version did not write: the members of the description from `first` on."""
    line, _, content = path.read_bytes().partition(b"\n")
    path.write_bytes(line[: line.index(first)] + b"}\n" + content)


@pytest.fixture
def objects(server):
    return Objects(server.url, *KEYS, "us-east-1", [])


@pytest.fixture
def user(client):
    iam = client("iam")
    iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    return client(
        "s3", keys=(made["AccessKeyId"], made["SecretAccessKey"]), response_checksum_validation="when_required"
    )


@pytest.mark.parametrize("damage", [shorter, without_description, changed])
@pytest.mark.parametrize("whole_put", [True, False])
def test_a_damaged_object_fails_alone(server, s3, user, tmp_path, caplog, damage, whole_put):
    if whole_put:
        s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    else:
        parted(s3, "k")
    s3.put_object(Bucket="data", Key="other", Body=b"whole")
    path = object_files.path_of(tmp_path / "objects", "data", "k")
    path.write_bytes(damage(path.read_bytes()))
    assert object_files.damage(path)
    server.restart()
    source = {"Bucket": "data", "Key": "k"}
    for call, more in (
        (user.get_object, {"Key": "k"}),
        (user.get_object, {"Key": "k", "Range": "bytes=0-3"}),
        (user.copy_object, {"Key": "copy", "CopySource": source}),
    ):
        told = error_of(call, Bucket="data", **more)
        assert told["Code"] == "InternalError"
        assert "damaged" in told["Message"]
        assert str(tmp_path) not in told["Message"]
    assert len([record for record in caplog.records if str(path) in record.getMessage()]) == 1
    assert b"1 objects of the built-in S3" in send(f"{server.url}/readyz")[2]
    assert not server.aws_local.hindrances()
    assert user.get_object(Bucket="data", Key="other")["Body"].read() == b"whole"
    assert code_of(user.get_object, Bucket="data", Key="copy") == "NoSuchKey"
    user.put_object(Bucket="data", Key="new", Body=b"x")
    user.put_object(Bucket="data", Key="k", Body=CONTENT)
    assert not server.aws_local.damages()
    assert user.get_object(Bucket="data", Key="k")["Body"].read() == CONTENT


def test_a_damaged_object_can_be_deleted(server, s3, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    [path] = (tmp_path / "objects").iterdir()
    path.write_bytes(without_description(path.read_bytes()))
    path.with_suffix(".tmp").write_bytes(b"half")
    server.restart()
    assert list((tmp_path / "objects").iterdir()) == [path]
    s3.delete_object(Bucket="data", Key="k")
    assert not path.exists()
    assert not server.aws_local.damages()


@pytest.mark.parametrize("whole_put", [True, False])
def test_a_changed_object_is_not_read_as_if_it_were_whole(server, s3, objects, tmp_path, monkeypatch, whole_put):
    """What imports, deletions and batch jobs read with; with and without a restart between."""
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    if whole_put:
        s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    else:
        parted(s3, "k")
    with objects.open("s3://data/k") as file:
        assert file.read() == CONTENT
    [path] = (tmp_path / "objects").iterdir()
    path.write_bytes(changed(path.read_bytes()))
    for again in (False, True):
        if again:
            server.restart()
        with pytest.raises(ObjectError, match="damaged"), objects.open("s3://data/k") as file:
            file.read()


def test_an_object_of_an_older_version_is_compared_with_its_etag(server, s3, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    [path] = (tmp_path / "objects").iterdir()
    older(path, b', "crc32"')
    server.restart()
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == CONTENT
    path.write_bytes(changed(path.read_bytes()))
    with pytest.raises(ClientError, match="damaged"):
        s3.get_object(Bucket="data", Key="k")


def test_every_flipped_bit_of_a_description_is_found(server, s3, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=CONTENT, Metadata={"a": "b"}, Tagging="c=d", ContentType="text/csv")
    [path] = (tmp_path / "objects").iterdir()
    data = path.read_bytes()
    for bit in range(8 * (data.index(b"\n") + 1)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert object_files.damage(path), bit
    path.write_bytes(data.replace(b'"modified": "2', b'"modified": "3', 1))
    server.restart()
    assert code_of(s3.get_object, Bucket="data", Key="k") == "InternalError"
    assert code_of(s3.head_object, Bucket="data", Key="k") == "500"
    path.write_bytes(data)
    server.restart()
    assert s3.get_object(Bucket="data", Key="k")["Metadata"] == {"a": "b"}


def test_a_description_of_an_older_version_is_read_and_sealed_with_the_next_change(server, s3, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    [path] = (tmp_path / "objects").iterdir()
    older(path, b',"crc32"')
    server.restart()
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == CONTENT
    assert not object_files.damage(path)
    s3.put_object_tagging(Bucket="data", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert b',"crc32":"' in path.read_bytes().partition(b"\n")[0]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-40]), id="cut"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes().replace(b"/data", b"/datA")), id="changed"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes().replace(b"{", b"(", 1)), id="no JSON"),
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1])), id="last line"),
    ],
)
def test_a_damaged_journal_is_told(server, s3, user, client, tmp_path, damage):
    path = tmp_path / "journal.jsonl"
    before = path.read_bytes()
    damage(path)
    assert journal.damage(path)
    with pytest.raises(DamagedFile, match=r"journal\.jsonl"):
        server.restart()
    assert server.aws_local.hindrances()
    for call in (s3.list_buckets, user.list_buckets, client("iam").list_users):
        told = error_of(call)
        assert told["Code"] in ("InternalError", "InternalFailure")
        assert str(tmp_path) not in told["Message"]
    path.write_bytes(before)
    assert s3.list_buckets()["Buckets"]
    assert user.list_buckets()["Buckets"]
    assert not server.aws_local.hindrances()


def test_a_line_whose_end_a_crash_kept_from_being_written_is_taken(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal.append(path, {"n": 1})
    end = path.with_suffix(".end").read_bytes()
    journal.append(path, {"n": 2})
    path.with_suffix(".end").write_bytes(end)
    assert [entry["n"] for _, entry in journal.entries(path)] == [1, 2]
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))
    assert journal.damage(path)


def test_an_object_whose_bucket_is_nowhere_is_told(server, s3, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=CONTENT)
    for each in tmp_path.glob("journal.*"):
        each.unlink()
    AwsLocal(tmp_path, ACCOUNT, AccessKey(*KEYS)).load()
    server.restart()
    assert server.aws_local.damages()

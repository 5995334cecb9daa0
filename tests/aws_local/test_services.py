"""S3, IAM and STS through boto3 over a socket, and again after a restart of the emulation."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
from urllib.parse import quote

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from aws_local.talk import ACCOUNT, KEYS, TRUST, code_of, plain, put
from tailorbird import aws_local, errors
from tailorbird.aws_local import AwsLocal, journal
from tailorbird.workspace import AccessKey

FULL_ACCESS = "arn:aws:iam::aws:policy/service-role/AmazonPersonalizeFullAccess"


# --- S3 -----------------------------------------------------------------------------------------------------


def test_object_round_trip(s3):
    stored = s3.put_object(
        Bucket="data",
        Key="raw/a b+c.csv",
        Body=b"USER_ID\n1\n",
        ContentType="text/csv",
        Metadata={"by_me": "x"},
    )
    got = s3.get_object(Bucket="data", Key="raw/a b+c.csv")
    assert got["Body"].read() == b"USER_ID\n1\n"
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (stored["ETag"], "text/csv", {"by_me": "x"})
    assert got["ChecksumCRC32"] == stored["ChecksumCRC32"]
    head = s3.head_object(Bucket="data", Key="raw/a b+c.csv")
    assert head["ContentLength"] == 10
    assert head["ETag"] == stored["ETag"]
    json.dumps(got["ResponseMetadata"])


def test_missing_things_have_modelled_errors(s3):
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="data", Key="none")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.get_object(Bucket="none", Key="none")
    assert code_of(s3.head_object, Bucket="data", Key="none") == "404"
    assert code_of(s3.get_bucket_policy, Bucket="data") == "NoSuchBucketPolicy"
    upload = {"Bucket": "data", "Key": "k", "UploadId": "none"}
    assert code_of(s3.upload_part, PartNumber=1, Body=b"", **upload) == "NoSuchUpload"
    parts = {"Parts": [{"PartNumber": 1, "ETag": "e"}]}
    assert code_of(s3.complete_multipart_upload, MultipartUpload=parts, **upload) == "NoSuchUpload"


def test_buckets(client):
    s3 = client("s3", "eu-west-1")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="far", CreateBucketConfiguration=place)
    assert s3.get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-west-1"
    with pytest.raises(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="far", CreateBucketConfiguration=place)
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    s3.put_bucket_policy(Bucket="far", Policy=policy)
    assert s3.get_bucket_policy(Bucket="far")["Policy"] == policy
    assert s3.get_bucket_acl(Bucket="far")["Owner"]["ID"]
    assert code_of(s3.create_bucket, Bucket="Not_A_Name", CreateBucketConfiguration=place) == "InvalidBucketName"
    s3.put_object(Bucket="far", Key="k", Body=b"")
    assert code_of(s3.delete_bucket, Bucket="far") == "BucketNotEmpty"
    s3.delete_object(Bucket="far", Key="k")
    s3.delete_bucket(Bucket="far")
    assert s3.list_buckets()["Buckets"] == []


def test_what_would_be_lost_is_refused(s3):
    versioned = {"Status": "Enabled"}
    assert code_of(s3.put_bucket_versioning, Bucket="data", VersioningConfiguration=versioned) == "NotImplemented"
    assert code_of(s3.create_bucket, Bucket="locked", ObjectLockEnabledForBucket=True) == "NotImplemented"


def test_ranges(s3):
    s3.put_object(Bucket="data", Key="k", Body=b"0123456789", ContentType="text/plain")
    got = s3.get_object(Bucket="data", Key="k", Range="bytes=2-4")
    assert got["Body"].read() == b"234"
    assert (got["ContentRange"], got["ContentType"], got["ContentLength"]) == (
        "bytes 2-4/10",
        "text/plain",
        3,
    )
    assert s3.get_object(Bucket="data", Key="k", Range="bytes=-3")["Body"].read() == b"789"
    assert s3.get_object(Bucket="data", Key="k", Range="bytes=7-100")["Body"].read() == b"789"
    assert code_of(s3.get_object, Bucket="data", Key="k", Range="bytes=10-") == "InvalidRange"
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="data", Key="none", Range="bytes=0-1")


ODD_KEYS = ["a", "a/b", "a//b", "/c", "A", "../up", "a/./b", "dir/", "é 日本", "p+q", "r%2Fs", "t?u#v", "k" * 900]


def test_odd_keys_survive(s3, restart):
    for key in ODD_KEYS:
        s3.put_object(Bucket="data", Key=key, Body=key.encode())
    restart()
    for key in ODD_KEYS:
        assert s3.get_object(Bucket="data", Key=key)["Body"].read() == key.encode()
    listed = s3.list_objects_v2(Bucket="data", EncodingType="url")["Contents"]
    assert sorted(item["Key"] for item in listed) == sorted(quote(key) for key in ODD_KEYS)


def test_objects_with_their_properties_survive(s3, restart):
    s3.put_object(
        Bucket="data",
        Key="k",
        Body=b"one",
        ContentType="text/csv",
        ContentEncoding="identity",
        CacheControl="no-store",
        Metadata={"a_b": "1", "c-d": "2"},
        Tagging="t=1&u=2",
        StorageClass="STANDARD_IA",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="arn:aws:kms:us-east-1:1:key/2",
    )
    before = plain(s3.get_object(Bucket="data", Key="k"))
    assert before.pop("Body").read() == b"one"
    tags = s3.get_object_tagging(Bucket="data", Key="k")["TagSet"]
    restart()
    after = plain(s3.get_object(Bucket="data", Key="k"))
    assert after.pop("Body").read() == b"one"
    assert after == before
    assert len(tags) == 2
    assert s3.get_object_tagging(Bucket="data", Key="k")["TagSet"] == tags


def test_changes_of_an_object_survive(s3, restart, tmp_path):
    s3.put_object(Bucket="data", Key="k", Body=b"first")
    s3.put_object(Bucket="data", Key="k", Body=b"second", ContentType="text/plain")
    s3.copy_object(Bucket="data", Key="copy", CopySource={"Bucket": "data", "Key": "k"})
    s3.put_object_tagging(Bucket="data", Key="k", Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    s3.put_object(Bucket="data", Key="gone", Body=b"x")
    s3.delete_object(Bucket="data", Key="gone")
    restart()
    for key in ("k", "copy"):
        got = s3.get_object(Bucket="data", Key=key)
        assert (got["Body"].read(), got["ContentType"]) == (b"second", "text/plain")
    assert s3.get_object_tagging(Bucket="data", Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert code_of(s3.head_object, Bucket="data", Key="gone") == "404"
    assert len(list((tmp_path / "objects").iterdir())) == 2


def test_an_object_of_form_type_keeps_its_body(s3):
    s3.put_object(Bucket="data", Key="k", Body=b"a=1&b=2", ContentType="application/x-www-form-urlencoded")
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"a=1&b=2"


def test_upload_and_download_in_parts(s3, restart):
    content = bytes(range(256)) * (17 * 4096)
    parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=10)
    more = {"ContentType": "text/csv", "Metadata": {"m": "1"}}
    s3.upload_fileobj(io.BytesIO(content), "data", "big.csv", ExtraArgs=more, Config=parts)
    for again in (False, True):
        if again:
            restart()
        got = io.BytesIO()
        s3.download_fileobj("data", "big.csv", got, Config=parts)
        assert got.getvalue() == content
        head = s3.head_object(Bucket="data", Key="big.csv")
        assert head["ETag"].endswith('-3"')
        assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"m": "1"})
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="data")


def test_an_upload_may_be_completed_twice_and_aborted(s3, server):
    upload = s3.create_multipart_upload(Bucket="data", Key="k")["UploadId"]
    part = s3.upload_part(Bucket="data", Key="k", UploadId=upload, PartNumber=1, Body=b"one")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for _ in range(2):
        made = s3.complete_multipart_upload(Bucket="data", Key="k", UploadId=upload, MultipartUpload=parts)
        assert made["Location"] == f"{server.url}/data/k"
    other = s3.create_multipart_upload(Bucket="data", Key="k")["UploadId"]
    s3.upload_part(Bucket="data", Key="k", UploadId=other, PartNumber=1, Body=b"two")
    s3.abort_multipart_upload(Bucket="data", Key="k", UploadId=other)
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"one"


def test_many_objects_are_listed_in_pages_and_deleted_at_once(s3, client, restart, tmp_path):
    for number in range(25):
        s3.put_object(Bucket="data", Key=f"out/{number:02}.csv", Body=b"x")
    s3.put_object(Bucket="data", Key="kept", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="data", Prefix="out/", PaginationConfig={"PageSize": 10}
    )
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert keys == [f"out/{number:02}.csv" for number in range(25)]
    folders = s3.list_objects(Bucket="data", Delimiter="/")
    assert [prefix["Prefix"] for prefix in folders["CommonPrefixes"]] == ["out/"]
    deleted = s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": key} for key in keys[:20]]})
    assert len(deleted["Deleted"]) == 20
    restart()
    bucket = client("s3", kind=boto3.resource).Bucket("data")
    assert [item.key for item in bucket.objects.all()] == ["kept", *keys[20:]]
    bucket.objects.filter(Prefix="out/").delete()
    assert [item.key for item in bucket.objects.all()] == ["kept"]
    assert len(list((tmp_path / "objects").iterdir())) == 1


def test_presigned_urls(client):
    s3 = client("s3", signature_version="s3v4")
    s3.create_bucket(Bucket="data")
    store = s3.generate_presigned_url("put_object", {"Bucket": "data", "Key": "p q"})
    with urllib.request.urlopen(urllib.request.Request(store, b"shared", method="PUT"), timeout=300) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": "data", "Key": "p q"})
    with urllib.request.urlopen(get, timeout=300) as answer:
        assert answer.read() == b"shared"


def test_malformed_xml_is_the_clients_error(s3, server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        put(server, "/data?tagging", b"<Tagging", {}, "UNSIGNED-PAYLOAD")
    with caught.value:
        assert (caught.value.code, b"MalformedXML" in caught.value.read()) == (400, True)


def test_buckets_survive(client, restart):
    s3 = client("s3", "eu-west-1")
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.create_bucket(Bucket="gone", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.delete_bucket(Bucket="gone")
    policy = json.dumps({"Version": "2012-10-17", "Id": "日本", "Statement": []}, ensure_ascii=False)
    s3.put_bucket_policy(Bucket="far", Policy=policy)
    before = plain(s3.list_buckets())
    restart()
    assert plain(s3.list_buckets()) == before
    assert [bucket["Name"] for bucket in before["Buckets"]] == ["far"]
    assert s3.get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-west-1"
    assert s3.get_bucket_policy(Bucket="far")["Policy"] == policy


# --- IAM and STS --------------------------------------------------------------------------------------------


def test_caller_identity_names_the_account(client):
    identity = client("sts", "eu-west-1").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_ids_are_the_same_in_a_new_process(client, restart):
    from moto.iam.models import iam_backends

    iam = client("iam")
    made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["RoleId"]
    iam_backends.clear()  # as where moto was just loaded
    restart()
    assert iam.get_role(RoleName="r")["Role"]["RoleId"] == made


def test_roles_and_policies(client, restart):
    iam = client("iam")
    role = iam.create_role(RoleName="PersonalizeRole", AssumeRolePolicyDocument=TRUST)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/PersonalizeRole"
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="PersonalizeRole", AssumeRolePolicyDocument=TRUST)
    managed = [
        FULL_ACCESS,
        "arn:aws:iam::aws:policy/AmazonS3FullAccess",
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    ]
    for arn in managed:
        iam.attach_role_policy(RoleName="PersonalizeRole", PolicyArn=arn)
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    own = iam.create_policy(PolicyName="own", PolicyDocument=document)["Policy"]
    assert own["DefaultVersionId"] == "v1"
    iam.attach_role_policy(RoleName="PersonalizeRole", PolicyArn=own["Arn"])
    iam.put_role_policy(RoleName="PersonalizeRole", PolicyName="inline", PolicyDocument=document)

    def state():
        return {
            "role": plain(iam.get_role(RoleName="PersonalizeRole")),
            "attached": plain(iam.list_attached_role_policies(RoleName="PersonalizeRole")),
            "inline": iam.list_role_policies(RoleName="PersonalizeRole")["PolicyNames"],
            "own": plain(iam.get_policy(PolicyArn=own["Arn"])),
            "roles": list(iam.get_paginator("list_roles").paginate().search("Roles[].RoleName")),
            "policies": plain(iam.list_policies(Scope="Local")),
        }

    before = state()
    attached = before["attached"]["AttachedPolicies"]
    assert sorted(policy["PolicyArn"] for policy in attached) == sorted([*managed, own["Arn"]])
    time.sleep(1.1)
    restart()
    assert state() == before
    assert code_of(iam.delete_role, RoleName="PersonalizeRole") == "DeleteConflict"
    for policy in attached:
        iam.detach_role_policy(RoleName="PersonalizeRole", PolicyArn=policy["PolicyArn"])
    iam.delete_role_policy(RoleName="PersonalizeRole", PolicyName="inline")
    iam.delete_policy(PolicyArn=own["Arn"])
    iam.delete_role(RoleName="PersonalizeRole")
    restart()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.list_attached_role_policies(RoleName="PersonalizeRole")
    assert iam.list_policies(Scope="Local")["Policies"] == []


def test_a_policy_that_nobody_has_cannot_be_attached(client):
    iam = client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert code_of(iam.attach_role_policy, RoleName="r", PolicyArn="arn:aws:iam::aws:policy/None") == "NoSuchEntity"


# --- The folder ---------------------------------------------------------------------------------------------


def test_reading_and_failing_leave_no_journal(client, tmp_path):
    iam = client("iam")
    iam.list_roles()
    code_of(iam.delete_role, RoleName="none")
    code_of(client("s3").delete_bucket, Bucket="none")
    client("s3").list_buckets()
    assert not (tmp_path / "journal.jsonl").exists()


def test_secrets_are_not_in_the_journal(client, tmp_path):
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    kept = (tmp_path / "journal.jsonl").read_text()
    assert "CreateRole" in kept
    assert "Signature" not in kept
    assert KEYS[0] not in kept


def test_creating_a_bucket_again_does_not_grow_the_journal(s3, tmp_path):
    before = (tmp_path / "journal.jsonl").read_bytes()
    s3.create_bucket(Bucket="data")
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_an_incomplete_last_line_is_cut_off(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal.append(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2')
    assert list(journal.entries(path)) == [(1, {"n": 1})]
    journal.append(path, {"n": 3})
    assert list(journal.entries(path)) == [(1, {"n": 1}), (2, {"n": 3})]


def test_what_cannot_be_replayed_is_logged(client, restart, tmp_path, caplog):
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    restart()
    [record] = caplog.records
    assert "line 2: iam POST CreateRole is answered 409" in record.getMessage()


def test_unknown_services_are_named(tmp_path):
    with pytest.raises(errors.UnknownOperationException, match="'sqs'"):
        AwsLocal(tmp_path, ACCOUNT, AccessKey(*KEYS)).answer("sqs", "POST", "/", "", {}, b"")


def test_what_nobody_has_used_yet_is_not_loaded_before_it_is_asked(tmp_path, monkeypatch):
    made = []
    real = aws_local.Emulator
    monkeypatch.setattr(aws_local, "Emulator", lambda *given: made.append(real(*given)) or made[-1])
    fresh = AwsLocal(tmp_path, ACCOUNT, AccessKey(*KEYS))
    fresh.warm()
    assert not made
    assert fresh.answer("s3", "PUT", "/data", "", {"host": "localhost"}, b"")[0] == 200
    assert len(made) == 1
    again = AwsLocal(tmp_path, ACCOUNT, AccessKey(*KEYS))
    again.warm()
    assert len(made) == 2


def test_a_metric_is_listed_once(client):
    cloudwatch = client("cloudwatch")
    names = [[], [("a", "1"), ("b", "1")], [("a", "1")], [("a", "2")]]
    for value in range(300):
        data = [
            {
                "MetricName": "m",
                "Value": value,
                "Dimensions": [{"Name": k, "Value": v} for k, v in (each if value % 2 else each[::-1])],
            }
            for each in names
        ]
        cloudwatch.put_metric_data(Namespace="n", MetricData=data)
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="n")
    listed = [sorted((d["Name"], d["Value"]) for d in m["Dimensions"]) for page in pages for m in page["Metrics"]]
    assert sorted(listed) == sorted(names)
    given = {"Namespace": "n", "Dimensions": [{"Name": "a", "Value": "1"}]}
    assert len(cloudwatch.list_metrics(**given)["Metrics"]) == 2
    assert cloudwatch.list_metrics(Namespace="other")["Metrics"] == []

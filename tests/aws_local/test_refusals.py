"""What is refused changes nothing, neither in memory nor on the disk; moto changes first and refuses later."""

from __future__ import annotations

import json

import pytest

from aws_local.talk import TRUST, code_of, plain

ODD_TAGS = [
    pytest.param("a=%F0%9F%98%80", id="a character"),
    pytest.param("&".join(f"k{number}=v" for number in range(12)), id="too many"),
    pytest.param("aws:x=1", id="a name of AWS's"),
]


def look(store, key):
    """All that can be said of an object; None where there is none."""
    if key not in [each["Key"] for each in store.list_objects_v2(Bucket="data").get("Contents", [])]:
        return None
    got = plain(store.get_object(Bucket="data", Key=key))
    grants = plain(store.get_object_acl(Bucket="data", Key=key))["Grants"]
    return got.pop("Body").read(), got, plain(store.get_object_tagging(Bucket="data", Key=key)), len(grants)


@pytest.mark.parametrize("tags", ODD_TAGS)
@pytest.mark.parametrize("key", ["k", "new"])
def test_an_object_whose_tags_are_refused_is_as_before(house, store, tags, key):
    store.put_object(Bucket="data", Key="k", Body=b"old", Tagging="a=b", Metadata={"m": "1"}, ContentType="text/csv")
    store.put_object_acl(Bucket="data", Key="k", ACL="public-read")
    store.delete_object(Bucket="data", Key="new")
    store.put_object(Bucket="data", Key="other", Body=b"other")
    here, source = {"Bucket": "data", "Key": key}, {"Bucket": "data", "Key": "other"}
    before = look(store, key)
    upload = store.create_multipart_upload(**here, Tagging=tags)["UploadId"]
    part = store.upload_part(**here, UploadId=upload, PartNumber=1, Body=b"PART")["ETag"]
    parts = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    for call, given in (
        (store.put_object, {"Body": b"NEW", "Tagging": tags}),
        (store.copy_object, {"CopySource": source, "TaggingDirective": "REPLACE", "Tagging": tags}),
        (store.complete_multipart_upload, parts),
    ):
        assert code_of(call, **here, **given) in ("InvalidTag", "BadRequest", "InvalidRequest")
        assert look(store, key) == before
    assert [each["PartNumber"] for each in store.list_parts(**here, UploadId=upload)["Parts"]] == [1]
    store.abort_multipart_upload(**here, UploadId=upload)
    house.restart()
    assert (look(store, key) or [None])[0] == (before or [None])[0]


TAGS = [{"Key": "a", "Value": "b"}]
ODD = [{"Key": "aws:x", "Value": "1"}]


def test_tags_of_an_object_that_are_refused_are_as_before(store):
    store.put_object(Bucket="data", Key="tagged", Body=b"x", Tagging="a=b")
    for tags in (ODD, [*TAGS, *ODD], [{"Key": f"k{number}", "Value": "v"} for number in range(12)]):
        assert code_of(store.put_object_tagging, Bucket="data", Key="tagged", Tagging={"TagSet": tags})
        assert store.get_object_tagging(Bucket="data", Key="tagged")["TagSet"] == TAGS


@pytest.mark.parametrize(
    "given",
    [
        {"ACL": "nope"},
        {"ACL": "private", "GrantRead": "x"},
        {"ACL": "public-read", "GrantRead": 'id="x"'},
        {"ACL": "log-delivery"},
    ],
    ids=str,
)
def test_a_bucket_that_is_refused_is_not_there(house, store, guest, given):
    lenient = guest("s3", parameter_validation=False)
    before = [each["Name"] for each in store.list_buckets()["Buckets"]]
    assert code_of(lenient.create_bucket, Bucket="ghost", **given)
    assert [each["Name"] for each in store.list_buckets()["Buckets"]] == before
    assert code_of(store.put_object, Bucket="ghost", Key="k", Body=b"x") == "NoSuchBucket"
    # Whoever asks for it properly gets one that stays.
    store.create_bucket(Bucket="ghost")
    store.put_object(Bucket="ghost", Key="k", Body=b"x")
    created = store.list_buckets()["Buckets"]
    assert code_of(lenient.create_bucket, Bucket="ghost", **given)  # which is there
    assert len(store.get_bucket_acl(Bucket="ghost")["Grants"]) == 1
    house.restart()
    assert store.get_object(Bucket="ghost", Key="k")["Body"].read() == b"x"
    assert [each["Name"] for each in store.list_buckets()["Buckets"]] == [each["Name"] for each in created]
    store.delete_object(Bucket="ghost", Key="k")
    store.delete_bucket(Bucket="ghost")


def test_what_creating_a_bucket_once_more_sets_stays(house, store):
    made = store.list_buckets()["Buckets"]
    store.create_bucket(Bucket="data", ACL="public-read")
    for again in (False, True):
        if again:
            house.restart()
        assert len(store.get_bucket_acl(Bucket="data")["Grants"]) == 2
        assert [each["Name"] for each in store.list_buckets()["Buckets"]] == [each["Name"] for each in made]
    store.create_bucket(Bucket="data", ACL="private")


def state_of_iam(iam):
    """All that IAM says of what there is."""
    wanted = ["User", "Role", "Group", "LocalManagedPolicy"]  # the others are 1500
    details = plain(iam.get_account_authorization_details(Filter=wanted))
    own = plain(iam.get_policy(PolicyArn=MANAGED))
    groups = [each["GroupName"] for each in iam.list_groups()["Groups"]]
    profiles = plain(iam.list_instance_profiles())
    keys = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]
    return json.dumps([details, own, groups, profiles, keys], default=str, sort_keys=True)


MANAGED = "arn:aws:iam::aws:policy/ReadOnlyAccess"
WRONG = [
    ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": "junk"}),
    ("create_policy", {"PolicyName": "p", "PolicyDocument": "{}"}),
    ("create_policy", {"PolicyName": "p", "PolicyDocument": TRUST, "Tags": ODD}),
    ("add_user_to_group", {"GroupName": "none", "UserName": "ann"}),
    ("add_user_to_group", {"GroupName": "all", "UserName": "none"}),
    ("attach_role_policy", {"RoleName": "none", "PolicyArn": MANAGED}),
    ("attach_user_policy", {"UserName": "none", "PolicyArn": MANAGED}),
    ("attach_group_policy", {"GroupName": "none", "PolicyArn": MANAGED}),
    ("detach_user_policy", {"UserName": "ann", "PolicyArn": MANAGED}),
    ("put_user_policy", {"UserName": "ann", "PolicyName": "p", "PolicyDocument": "{}"}),
    ("put_role_policy", {"RoleName": "first", "PolicyName": "p", "PolicyDocument": "{}"}),
    ("tag_role", {"RoleName": "first", "Tags": [*TAGS, *TAGS]}),
    ("update_access_key", {"UserName": "ann", "AccessKeyId": "none", "Status": "Inactive"}),
    ("update_user", {"UserName": "none", "NewUserName": "ann"}),
    ("create_login_profile", {"UserName": "none", "Password": "secret123"}),
    ("add_role_to_instance_profile", {"InstanceProfileName": "none", "RoleName": "first"}),
    ("delete_role", {"RoleName": "none"}),
    ("delete_group", {"GroupName": "none"}),
    ("create_policy_version", {"PolicyArn": MANAGED, "PolicyDocument": "{}", "SetAsDefault": True}),
    ("set_default_policy_version", {"PolicyArn": MANAGED, "VersionId": "v9999"}),
]


@pytest.fixture(scope="module")
def iam(guest):
    made = guest("iam", parameter_validation=False)
    made.create_user(UserName="ann", Tags=TAGS)
    made.create_access_key(UserName="ann")
    made.create_group(GroupName="all")
    made.create_role(RoleName="first", AssumeRolePolicyDocument=TRUST, Tags=TAGS)
    return made


@pytest.mark.parametrize(("operation", "given"), WRONG, ids=lambda each: each if isinstance(each, str) else "")
def test_what_iam_refuses_changes_nothing(iam, operation, given):
    before = state_of_iam(iam)
    assert code_of(getattr(iam, operation), **given)
    assert state_of_iam(iam) == before

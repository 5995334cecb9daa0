"""Uploads in parts: taken together from what was uploaded for the same key, in order, or not at all."""

from __future__ import annotations

import pytest

from aws_local.talk import code_of, error_of

LEAST = 5 << 20
"""Bytes of a part that is not the last."""
DATA = [bytes([64 + number]) * LEAST for number in (1, 2)] + [b"C"]


@pytest.fixture
def upload(store):
    """Begins an upload of all of DATA; its arguments, and the list of its parts."""

    def begin(key, data=DATA):
        named = {"Bucket": "data", "Key": key}
        named["UploadId"] = store.create_multipart_upload(**named)["UploadId"]
        parts = [
            {"PartNumber": 2 * number, "ETag": store.upload_part(**named, PartNumber=2 * number, Body=body)["ETag"]}
            for number, body in enumerate(data, 1)
        ]
        return named, parts

    return begin


def test_a_list_of_parts_is_held_to_what_was_uploaded(store, upload):
    named, (a, b, c) = upload("k")
    wrong = {
        "InvalidPartOrder": [[c, b, a], [a, a, b, c], [a, b, b], [a, c, b]],
        "InvalidPart": [[a, b | {"ETag": a["ETag"]}], [a | {"PartNumber": 1}], [a, b, c, c | {"PartNumber": 9}]],
        "MalformedXML": [[]],
    }
    for code, lists in wrong.items():
        for parts in lists:
            assert code_of(store.complete_multipart_upload, **named, MultipartUpload={"Parts": parts}) == code
    digest = [a | {"ChecksumCRC32": "AAAAAA=="}, b, c]
    assert code_of(store.complete_multipart_upload, **named, MultipartUpload={"Parts": digest}) == "InvalidPart"
    assert code_of(store.complete_multipart_upload, **named) == "MalformedXML"
    assert code_of(store.head_object, Bucket="data", Key="k") == "404"
    bare = [a, b | {"ETag": b["ETag"].strip('"')}]  # some clients write ETags without quotes, and leave parts out
    store.complete_multipart_upload(**named, MultipartUpload={"Parts": bare})
    assert store.get_object(Bucket="data", Key="k")["Body"].read() == DATA[0] + DATA[1]


def test_an_upload_that_is_completed_again(store, upload):
    named, parts = upload("again")
    first = store.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert store.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})["ETag"] == first["ETag"]
    for code, others in (("NoSuchUpload", parts[:1]), ("InvalidPartOrder", parts[::-1]), ("MalformedXML", [])):
        assert code_of(store.complete_multipart_upload, **named, MultipartUpload={"Parts": others}) == code
    assert store.head_object(Bucket="data", Key="again")["ContentLength"] == 2 * LEAST + 1


def test_an_upload_belongs_to_its_key(store, upload):
    named, parts = upload("mine", [b"A"])
    other = named | {"Key": "other"}
    assert code_of(store.complete_multipart_upload, **other, MultipartUpload={"Parts": parts}) == "NoSuchUpload"
    assert code_of(store.upload_part, **other, PartNumber=1, Body=b"x") == "NoSuchUpload"
    assert code_of(store.list_parts, **other) == "NoSuchUpload"
    assert code_of(store.abort_multipart_upload, **other) == "NoSuchUpload"
    store.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    store.copy_object(Bucket="data", Key="other", CopySource={"Bucket": "data", "Key": "mine"})
    told = error_of(store.complete_multipart_upload, **other, MultipartUpload={"Parts": parts})
    assert (told["Code"], "restarted" in told["Message"]) == ("NoSuchUpload", True)


def test_the_number_of_a_part(store, upload):
    named, _ = upload("numbers", [b"A"])
    for number in (0, -1, 10_001):
        assert code_of(store.upload_part, **named, PartNumber=number, Body=b"x") == "InvalidArgument"
    store.upload_part(**named, PartNumber=10_000, Body=b"x")
    store.abort_multipart_upload(**named)
    assert code_of(store.upload_part, **named, PartNumber=1, Body=b"x") == "NoSuchUpload"

"""What may be uploaded to S3, and by whom: chunks, checksums, presigned URLs, headers that look like others."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import urllib.error
import zlib
from base64 import b64encode
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import _CHECKSUM_CLS
from hypothesis import given
from hypothesis import strategies as st

from aws_local.talk import KEYS, code_of, put, send
from tailorbird import errors
from tailorbird.wire import chunked, signature
from tailorbird.wire.signature import Request

CONTENT = b"0123456789" * 7000
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def told(code, call, *arguments, **more):
    """The call is answered with that error of S3."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(*arguments, **more)
    with caught.value as answer:
        assert f"<Code>{code}</Code>".encode() in answer.read()


def streamed(trailer=b"", sizes=(65536, 4464, 0), signatures=()):
    """CONTENT in chunks."""
    body, at = b"", 0
    for number, size in enumerate(sizes):
        mark = f";chunk-signature={signatures[number]}".encode() if signatures else b""
        body += b"%x%s\r\n" % (size, mark) + (CONTENT[at : at + size] + b"\r\n" if size else b"")
        at += size
    return body + trailer + b"\r\n"


def about(trailer=""):
    named = {"X-Amz-Trailer": trailer} if trailer else {}
    return {"Content-Encoding": "aws-chunked,gzip", "X-Amz-Decoded-Content-Length": str(len(CONTENT))} | named


def sign_chunks(change=lambda request: request, trailer=None, word=SIGNED):
    """Signs the chunks of a request that was signed by itself, as AWS's own SDKs for Java do."""

    def after(request):
        head = Request("PUT", "/", "", {name.lower(): value for name, value in request.headers.items()}, b"")
        sign = signature.chain(dataclasses.replace(signature.claim_of(head), secret=KEYS[1]))
        empty, at, signatures = hashlib.sha256(b"").hexdigest(), 0, []
        for size in (65536, 4464, 0):
            part = hashlib.sha256(CONTENT[at : at + size]).hexdigest()
            signatures.append(sign("PAYLOAD", f"{empty}\n{part}"))
            at += size
        end = b""
        if trailer is not None:
            mark = sign("TRAILER", hashlib.sha256(trailer + b"\n").hexdigest())
            end = trailer + b"\r\nx-amz-trailer-signature:" + mark.encode() + b"\r\n"
        request.data = streamed(end, signatures=signatures)
        return change(request)

    return {"after": after, "word": word}


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"])
def test_a_checksum_in_a_trailer_is_verified(house, store, algorithm):
    checksum = _CHECKSUM_CLS[algorithm]().handle(CONTENT)
    name = f"x-amz-checksum-{algorithm}"
    headers = about(name) | {"X-Amz-Sdk-Checksum-Algorithm": algorithm.upper()}
    answered = put(house, "/data/k", streamed(f"{name}:{checksum}\r\n".encode()), headers)
    assert answered[name] == checksum
    got = store.get_object(Bucket="data", Key="k")
    assert (got["Body"].read(), got["ContentEncoding"]) == (CONTENT, "gzip")
    wrong = _CHECKSUM_CLS[algorithm]().handle(b"another")
    told("BadDigest", put, house, "/data/w", streamed(f"{name}:{wrong}\r\n".encode()), headers)
    told("MalformedTrailerError", put, house, "/data/w", streamed(), headers)
    assert code_of(store.head_object, Bucket="data", Key="w") == "404"


@pytest.mark.parametrize("trailer", [b"x-amz-acl:public-read\r\n", b"x-amz-copy-source:/data/k\r\n"])
def test_only_a_checksum_may_be_a_trailer(house, store, trailer):
    told("InvalidRequest", put, house, "/data/w", streamed(trailer), about())


def test_a_checksum_in_a_header_is_verified(house, store):
    right = b64encode(zlib.crc32(b"body").to_bytes(4)).decode()
    put(house, "/data/k", b"body", {"x-amz-checksum-crc32": right}, "UNSIGNED-PAYLOAD")
    told("BadDigest", put, house, "/data/k", b"bodz", {"x-amz-checksum-crc32": right}, "UNSIGNED-PAYLOAD")
    md5 = b64encode(hashlib.md5(b"body").digest()).decode()
    put(house, "/data/k", b"body", {"Content-MD5": md5}, "UNSIGNED-PAYLOAD")
    told("BadDigest", put, house, "/data/k", b"bodz", {"Content-MD5": md5}, "UNSIGNED-PAYLOAD")
    assert code_of(store.put_object, Bucket="data", Key="k", Body=b"b", ChecksumSHA256="AAAA") == "BadDigest"


def test_the_chunks_of_a_signed_stream_are_verified(house, store):
    put(house, "/data/signed", b"", about(), **sign_chunks())
    assert store.get_object(Bucket="data", Key="signed")["Body"].read() == CONTENT

    def changed(request):
        request.data = request.data.replace(b"0123456789", b"9876543210", 1)
        return request

    def swapped(request):
        request.data = request.data.replace(b"0;chunk-signature=", b"0;chunk-signature=0", 1)
        return request

    def unsigned(request):
        request.data = streamed()
        return request

    for change in (changed, swapped, unsigned):
        told("SignatureDoesNotMatch", put, house, "/data/other", b"", about(), **sign_chunks(change))
    assert code_of(store.head_object, Bucket="data", Key="other") == "404"


def test_the_trailers_of_a_signed_stream_are_verified(house, store):
    name = "x-amz-checksum-crc32"
    line = f"{name}:{b64encode(zlib.crc32(CONTENT).to_bytes(4)).decode()}".encode()
    word = f"{SIGNED}-TRAILER"
    put(house, "/data/k", b"", about(name), **sign_chunks(trailer=line, word=word))

    def changed(request):
        request.data = request.data.replace(b"x-amz-trailer-signature:", b"x-amz-trailer-signature:0", 1)
        return request

    told("SignatureDoesNotMatch", put, house, "/data/k", b"", about(name), **sign_chunks(changed, line, word))


def test_the_chain_of_signatures_is_that_of_aws():
    """The example of "Signature calculations for the Authorization header: ... multiple chunks"."""
    headers = {
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": SIGNED,
    }
    marks = (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    )
    parts = [b"a" * 65536, b"a" * 1024, b""]
    body = b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(p), m.encode(), p) for p, m in zip(parts, marks, strict=True)
    )
    request = Request("PUT", "/examplebucket/chunkObject.txt", "", headers, body)
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    chain = signature.chain(dataclasses.replace(signature.claim_of(request), secret=secret))
    assert chunked.plain(request, chain).body == b"a" * 66560


def test_a_broken_encoding_is_refused(house, store):
    told("IncompleteBody", put, house, "/data/k", streamed()[:-9000], about())
    told("IncompleteBody", put, house, "/data/k", streamed(sizes=(65536, 0)), about())


@given(st.binary(max_size=60))
def test_hostile_chunks_are_refused_or_decoded(body):
    try:
        plain = chunked.plain(Request("PUT", "/b/k", "", {"x-amz-content-sha256": UNSIGNED}, body), None)
    except errors.ServiceError:
        return
    assert len(plain.body) < len(body)


# --- Presigned URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_of_both_versions(store, guest, version):
    s3 = guest("s3", signature_version=version)
    key = {"Bucket": "data", "Key": "p q/é+"}
    url = s3.generate_presigned_url("put_object", {**key, "ContentType": "text/csv", "Metadata": {"m": "1"}})
    sent = {"Content-Type": "text/csv", "x-amz-meta-m": "1"}
    send(url, b"shared", sent, "PUT")
    assert send(s3.generate_presigned_url("get_object", key))[2] == b"shared"
    more = {"ResponseContentType": "text/plain", "ResponseContentDisposition": 'attachment; filename="a b"'}
    assert send(s3.generate_presigned_url("get_object", {**key, **more}))[1]["content-type"] == "text/plain"
    told("SignatureDoesNotMatch", send, url, b"x", {**sent, "x-amz-meta-m": "2"}, "PUT")
    told("SignatureDoesNotMatch", send, url.replace("/data/p", "/data/q"), b"x", sent, "PUT")
    told("SignatureDoesNotMatch", send, url, b"x", {**sent, "x-amz-copy-source": "/data/k"}, "PUT")
    told("SignatureDoesNotMatch", send, url, None, {}, "DELETE")
    told("SignatureDoesNotMatch", send, f"{url}&acl", b"x", sent, "PUT")
    told("SignatureDoesNotMatch", send, f"{url}&encryption", b"x", sent, "PUT")
    if version == "s3":
        told("AccessDenied", send, s3.generate_presigned_url("get_object", key, ExpiresIn=-1))
    store.delete_object(**key)


def test_the_default_of_boto3_in_us_east_1_is_accepted(store, guest):
    store.put_object(Bucket="data", Key="k", Body=b"shared")
    url = guest("s3").generate_presigned_url("get_object", {"Bucket": "data", "Key": "k"})
    assert send(url)[2] == b"shared"
    listing = guest("s3", signature_version="s3").generate_presigned_url("list_objects", {"Bucket": "data"})
    assert b"<Key>k</Key>" in send(listing)[2]


def test_other_signatures_of_version_2_are_told_how_to_ask(house):
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(f"{house.url}/data/k", headers={"Authorization": f"AWS {KEYS[0]}:c2lnbmF0dXJl"})
    with caught.value as answer:
        assert (answer.code, b"sign with version 4" in answer.read()) == (400, True)


# --- Headers with underscores -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_header_with_underscores_is_not_taken_for_one_with_dashes(house, store, guest, version):
    store.put_object(Bucket="data", Key="secret", Body=b"secret")
    url = urlsplit(
        guest("s3", signature_version=version).generate_presigned_url("put_object", {"Bucket": "data", "Key": "mine"})
    )
    connection = http.client.HTTPConnection(url.netloc, timeout=300)
    headers = {"x_amz_copy_source": "/data/secret", "x-amz_copy-source": "/data/secret", "X_Amz_Acl": "public-read"}
    connection.request("PUT", f"{url.path}?{url.query}", b"mine", headers)
    answer = connection.getresponse()
    assert (answer.status, b"Copy" in answer.read()) == (200, False)
    connection.close()
    assert store.get_object(Bucket="data", Key="mine")["Body"].read() == b"mine"


def test_a_header_of_metadata_may_hold_underscores(store):
    store.put_object(Bucket="data", Key="k", Body=b"", Metadata={"by_me": "x"})
    assert store.head_object(Bucket="data", Key="k")["Metadata"] == {"by_me": "x"}


def test_a_copy_is_made_by_who_signed_for_it(house, store):
    """The header that a copy needs must be signed."""
    request = AWSRequest("PUT", f"{house.url}/data/copy", {}, b"")
    S3SigV4Auth(Credentials(*KEYS), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers.items()) | {"x-amz-copy-source": "/data/k"}
    told("SignatureDoesNotMatch", send, request.url, b"", headers, "PUT")

"""S3 as it differs from moto: what is refused, what is read from files, and objects that are on the disk or nowhere."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.header import Header
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from tailorbird.aws_local import checksums, conditions, object_files, undo, uploads
from tailorbird.aws_local.emulator import Answer, Emulator
from tailorbird.aws_local.service_request import ServiceRequest
from tailorbird.errors import ServiceError, ServiceUnavailable
from tailorbird.storage.durable import sync

log = logging.getLogger(__name__)

_BUCKET_NAME = re.compile(
    r"(?!.*\.\.|\d{1,3}(\.\d{1,3}){3}$|xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)"
)
"""The S3 user guide, "General purpose bucket naming rules"."""
KEY_BYTES = 1024
"""Of an object's key (the S3 user guide, "Naming Amazon S3 objects")."""
_HEADER = re.compile(r"[\t -~\xa0-\xff]*")
DELETED = 1000
"""Objects that one DeleteObjects may name (the S3 API reference)."""
_METHODS = conditions.CHANGING_METHODS | {"GET", "HEAD", "OPTIONS"}


def creates_bucket(call: ServiceRequest) -> bool:
    """Whether the request is CreateBucket."""
    return call.method == "PUT" and not call.key and not call.subresources


def sets_up_bucket(call: ServiceRequest) -> bool:
    """Whether CreateBucket says more of a bucket than where it is, which it then changes though it is there."""
    return any(name.startswith(("x-amz-acl", "x-amz-grant-", "x-amz-object-ownership")) for name in call.headers)


def refuse(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError for what moto would accept though it cannot be kept, or would fail at."""
    _refuse_bucket(emulator, call)
    _refuse_beyond_limits(emulator, call)
    uploads.refuse(emulator, call)
    conditions.refuse(emulator, call)
    _refuse_header(call)
    if call.method == "PUT" and not call.key and "policy" in call.subresources:
        _refuse_policy(call)
    copies = "x-amz-copy-source" in call.headers
    if call.body and not copies and (call.method == "PUT" or "delete" in call.subresources):
        checksums.check(call.headers, call.body)


def _refuse_bucket(emulator: Emulator, call: ServiceRequest) -> None:
    names = call.subresources
    if creates_bucket(call) and not _BUCKET_NAME.fullmatch(call.bucket):
        raise ServiceError(
            400,
            "InvalidBucketName",
            f"The specified bucket is not valid: {call.bucket!r}. A name has 3 to 63 lower-case letters, digits, dots "
            "and dashes, a letter or digit at both ends and no two dots together, and is no IP address; AWS keeps for "
            "itself what begins with xn--, sthree- or amzn-s3-demo- or ends with -s3alias, --ol-s3, .mrap, --x-s3 or "
            "--table-s3.",
        )
    locks = call.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
    if call.method == "PUT" and not call.key and (locks or names & {"versioning", "object-lock"}):
        raise ServiceError(501, "NotImplemented", "The emulated S3 keeps no versions and no object locks.")
    if call.method not in _METHODS or (call.method == "POST" and not call.bucket):
        raise ServiceError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    if not creates_bucket(call) and call.method in conditions.CHANGING_METHODS and emulator.bucket(call.bucket) is None:
        raise ServiceError(404, "NoSuchBucket", f"The specified bucket does not exist: {call.bucket!r}.")
    if call.method == "POST" and not call.key and "delete" not in names:
        raise ServiceError(
            412, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data, or ?delete."
        )


def _refuse_beyond_limits(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError for more than S3 takes, and for a token that no list has given."""
    if call.method in conditions.CHANGING_METHODS and len(call.key.encode()) > KEY_BYTES:
        raise ServiceError(400, "KeyTooLongError", f"Your key is too long: it may have {KEY_BYTES} bytes.")
    if call.method == "POST" and not call.key and len(re.findall(rb"<Object[ >]", call.body)) > DELETED:
        raise ServiceError(400, "MalformedXML", f"One request may delete {DELETED} objects at most.")
    token = parse_qs(call.query).get("continuation-token", [""])[0]
    backend = emulator.s3(call.bucket)
    if call.method == "GET" and token and backend is not None and token not in backend._pagination_tokens:
        raise ServiceError(400, "InvalidArgument", "The continuation token provided is incorrect.")


def _refuse_header(call: ServiceRequest) -> None:
    """Raises ServiceError for a header of the answer that a request asks for and HTTP cannot carry."""
    for name, (value, *_) in parse_qs(call.query).items():
        if name.startswith("response-") and not _HEADER.fullmatch(value):
            raise ServiceError(
                400,
                "InvalidArgument",
                f"{name} must hold characters of ISO-8859-1 only, not {value[:100]!r}: names of files with others go "
                "as filename*=UTF-8''..., percent-encoded.",
            )


def _refuse_policy(call: ServiceRequest) -> None:
    """Because moto reads the policy with each request to the bucket, and would fail at each."""
    from moto.iam.access_control import IAMPolicy

    try:
        IAMPolicy(call.body.decode()).is_action_permitted("s3:GetObject", f"arn:aws:s3:::{call.bucket}/key")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ServiceError(
            400, "MalformedPolicy", f"The policy is not a JSON object with whole statements: {error}."
        ) from error


def objects_read(call: ServiceRequest) -> Iterator[tuple[str, str]]:
    """Bucket and key of each object that a request reads: the one it names or copies."""
    if call.key and call.method in ("GET", "HEAD"):
        yield call.bucket, call.key
    source, _, key = unquote(call.headers.get("x-amz-copy-source", "").partition("?")[0]).lstrip("/").partition("/")
    if key:
        yield source, key


def range_of_file(emulator: Emulator, call: ServiceRequest) -> Answer | None:
    """A range of an object, read from its file; None where the request is for anything else.

    moto reads the whole object for every range of it, which makes downloads in ranges quadratic.
    """
    if call.method != "GET" or "range" not in call.headers or call.subresources:
        return None
    bucket = emulator.bucket(call.bucket)
    key = bucket.keys.get(call.key) if bucket is not None else None
    if key is None:
        return None
    status, headers, _ = emulator.call(replace(call, method="HEAD"))
    found = re.fullmatch(r"bytes (\d+)-(\d+)/\d+", dict(headers).get("content-range", ""))
    if status != 206 or found is None:
        return None
    first, last = int(found[1]), int(found[2])
    key._value_buffer.seek(first)
    body = key._value_buffer.read(last - first + 1)
    return 206, [pair for pair in headers if pair[0].lower() != "content-length"], body


def change(emulator: Emulator, folder: Path, call: ServiceRequest) -> Answer:
    """Answers a request that may change objects, once their files are up to date.

    Raises:
        ServiceUnavailable: the disk did not take it; the objects are what their files say, as before.
        ServiceError: moto failed at it, with the same outcome.
        DamagedFile: it copies an object whose file is damaged; the same.
    """
    before = _keys(emulator, call)
    try:
        return undo.attempt(emulator, call, lambda: _changed(emulator, folder, call, before))
    except OSError as error:
        for name in before:
            _restore(emulator, folder, call.bucket, name)
        log.error("%s %s could not be stored: %s", call.method, call.path, error)
        raise ServiceUnavailable(
            f"The object could not be stored ({error.strerror}): free some space on the server's disk and try again. "
            "What was there before is still there."
        ) from error
    finally:
        emulator.forget_instances()


def _changed(emulator: Emulator, folder: Path, call: ServiceRequest, before: set[str]) -> Answer:
    uploads_before = emulator.bucket(call.bucket).multiparts
    upload = uploads_before.get(parse_qs(call.query).get("uploadId", [""])[0])
    if upload is not None:
        upload.dispose = lambda: None  # moto would close the parts before the object is durable
    answer = emulator.call(call)
    if answer[0] < 400:
        _mirror(emulator, folder, call, before | _keys(emulator, call))
    if upload is not None and answer[0] < 400:
        del upload.dispose
        if upload.id not in uploads_before:
            upload.dispose()
        if call.method == "POST":
            uploads.completed(upload, call.body)
    return answer


def refuse_unmeasured(call: ServiceRequest, headers: Mapping[str, str]) -> None:
    """Raises ServiceError for an upload of which nothing says where it ends: it would be taken for an empty one."""
    uploads_body = call.method == "PUT" and call.key and call.subresources <= {"partNumber", "uploadId"}
    measured = headers.keys() & {"content-length", "transfer-encoding", "x-amz-copy-source"}
    if uploads_body and not call.body and not measured:
        raise ServiceError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")


def written(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers as HTTP can carry them: values beyond ISO-8859-1, such as of metadata, after RFC 2047, as AWS has it."""
    return [
        (name, value if max(value, default="") <= "\xff" else Header(value, "utf-8", maxlinelen=sys.maxsize).encode())
        for name, value in headers
    ]


def located(call: ServiceRequest, host: str, answer: Answer) -> Answer:
    """The answer; of CompleteMultipartUpload with the object's place on this server, where moto names AWS's."""
    status, headers, body = answer
    if status != 200 or call.method != "POST" or "uploadId" not in call.subresources:
        return answer
    place = f"<Location>{escape(f'http://{host}{call.path}')}</Location>".encode()
    return status, headers, re.sub(rb"<Location>[^<]*</Location>", lambda _: place, body, count=1)


def _keys(emulator: Emulator, call: ServiceRequest) -> set[str]:
    """The keys that a request may change: the one it names, or else all of its bucket."""
    part_of_upload = "uploadId" in call.subresources and call.method != "POST"
    if part_of_upload or "uploads" in call.subresources:
        return set()
    if call.key:
        return {call.key}
    bucket = emulator.bucket(call.bucket)
    return set() if bucket is None else set(bucket.keys)


def _mirror(emulator: Emulator, folder: Path, call: ServiceRequest, names: set[str]) -> None:
    bucket = emulator.bucket(call.bucket)
    removed = False
    for name in names:
        key = bucket.keys.get(name)
        if key is None:
            removed |= object_files.remove(folder, bucket.name, name)
        elif call.key or not isinstance(key._value_buffer, object_files.StoredValue):
            tags = emulator.s3(bucket.name).tagger.get_tag_dict_for_resource(key.arn)
            object_files.save(folder, bucket, key, tags)
    if removed:
        sync(folder)


def _restore(emulator: Emulator, folder: Path, bucket_name: str, name: str) -> None:
    """Makes moto's object what its file says it is."""
    bucket = emulator.bucket(bucket_name)
    stored = object_files.find(folder, bucket_name, name)
    key = bucket.keys.get(name)
    if key is not None:
        emulator.s3(bucket_name).tagger.delete_all_tags_for_resource(key.arn)
        key.multipart = None  # whose parts would go along, though the upload can still be completed
        bucket.keys.pop(name)
    if stored is not None:
        load_object(emulator, *stored)


def load_object(emulator: Emulator, about: dict[str, Any], value: object_files.StoredValue) -> None:
    """Gives moto an object that a file holds; raises DamagedFile where there is no such bucket."""
    backend = emulator.s3(about["bucket"])
    if backend is None:
        raise object_files.damaged(value.path, f"belongs to the bucket {about['bucket']!r}, which does not exist")
    encryption, kms_key_id, bucket_key_enabled = about["encryption"]
    key = backend.put_object(
        about["bucket"],
        about["key"],
        b"",
        storage=about["storageClass"],
        etag=about["etag"],
        encryption=encryption,
        kms_key_id=kms_key_id,
        bucket_key_enabled=bucket_key_enabled,
        disable_notification=True,
    )
    object_files.restore(key, about, value)
    backend.put_object_tagging(key, about["tags"])

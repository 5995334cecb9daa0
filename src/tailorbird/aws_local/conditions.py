"""What S3 changes on a condition only, and what the S3 here does not do: refused before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree  # expat of today bounds what entities may grow to
from xml.sax.saxutils import escape

from tailorbird.aws_local.emulator import Answer, Emulator
from tailorbird.aws_local.service_request import ServiceRequest
from tailorbird.errors import ServiceError

CHANGING_METHODS = frozenset({"PUT", "POST", "DELETE"})

NOT_DONE = {
    "x-amz-write-offset-bytes": "appends nothing to objects",
    "x-amz-rename-source": "renames no objects: copy it and delete the old one",
    "x-amz-server-side-encryption-customer-algorithm": "encrypts with no keys of customers (SSE-C)",
    "x-amz-server-side-encryption-customer-key": "encrypts with no keys of customers (SSE-C)",
    "x-amz-copy-source-server-side-encryption-customer-algorithm": "encrypts with no keys of customers (SSE-C)",
    "x-amz-copy-source-server-side-encryption-customer-key": "encrypts with no keys of customers (SSE-C)",
    "x-amz-object-lock-mode": "keeps no object locks",
    "x-amz-object-lock-retain-until-date": "keeps no object locks",
    "x-amz-object-lock-legal-hold": "keeps no object locks",
    "x-amz-if-match-size": "has no directory buckets, whose condition this is",
    "x-amz-if-match-last-modified-time": "has no directory buckets, whose condition this is",
}
"""What the S3 here does not do, by the header that asks for it."""
_SUBRESOURCES_NOT_DONE = {
    "renameObject": "renames no objects: copy it and delete the old one",
    "retention": "keeps no object locks",
    "legal-hold": "keeps no object locks",
}
_OF_WRITES = ("if-match", "if-none-match")
_NOT_OF_WRITES = ("if-modified-since", "if-unmodified-since")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)
_NO_VERSION = "Invalid version id specified: buckets keep no versions here, and the one there is goes by 'null'."


def refuse(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError for what is not done here, and where a condition of the request is not met."""
    in_query = [name.lower() for name in parse_qs(call.query, keep_blank_values=True)]
    asked = [NOT_DONE[name] for name in (*call.headers, *in_query) if name in NOT_DONE]
    asked += ["copies by headers only" for name in in_query if name.startswith("x-amz-copy-source")]
    if call.method in CHANGING_METHODS:
        asked += [_SUBRESOURCES_NOT_DONE[name] for name in call.subresources if name in _SUBRESOURCES_NOT_DONE]
    if asked:
        raise _not_done(asked[0])
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if call.headers.get(name, emulator.account_id) != emulator.account_id:
            raise ServiceError(403, "AccessDenied", f"Access Denied: {name} is not the account of this server.")
    if call.method not in CHANGING_METHODS:
        return
    if parse_qs(call.query).get("versionId", ["null"])[0] != "null":
        raise ServiceError(400, "InvalidArgument", _NO_VERSION)
    _refuse_write(emulator, call)
    if "x-amz-copy-source" in call.headers:
        _refuse_copy(emulator, call)


def _not_done(what: str) -> ServiceError:
    return ServiceError(
        501,
        "NotImplemented",
        f"A header or parameter you provided implies functionality that is not implemented: the S3 here {what}.",
    )


def _refuse_write(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError where the object that a request would replace or delete is not as it is said to be."""
    given = {name: call.headers[name] for name in (*_OF_WRITES, *_NOT_OF_WRITES) if name in call.headers}
    writes = call.key and (call.subresources <= {"versionId"} or (call.method == "POST" and "uploadId" in call.query))
    for name, value in given.items():
        if not writes or name in _NOT_OF_WRITES or (name == "if-none-match" and value != "*"):
            raise _not_done(f"does not heed {name}: {value[:100]} in this request")
    key = _object(emulator, call.bucket, call.key)
    if "if-none-match" in given and key is not None:
        raise _unmet("If-None-Match")
    if "if-match" in given and key is None:
        raise ServiceError(404, "NoSuchKey", "The specified key does not exist.")
    if "if-match" in given and not _matches(given["if-match"], key):
        raise _unmet("If-Match")


def _refuse_copy(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError where the object that is copied, or its range, is not as it is said to be."""
    path, _, query = call.headers["x-amz-copy-source"].partition("?")
    if parse_qs(query).get("versionId", ["null"])[0] != "null":
        raise ServiceError(400, "InvalidArgument", _NO_VERSION)
    bucket, _, name = unquote(path).lstrip("/").partition("/")
    key = _object(emulator, bucket, name)
    if key is None:
        return  # which moto tells
    for condition, holds in _CONDITIONS.items():
        if condition in call.headers and not holds(call.headers, key):
            raise _unmet(condition)
    if "x-amz-copy-source-range" in call.headers:
        _refuse_range(call.headers["x-amz-copy-source-range"], key.contentsize)


def _refuse_range(given: str, size: int) -> None:
    found = _RANGE.fullmatch(given)
    if found is None or int(found[1]) > int(found[2]):
        raise ServiceError(
            400,
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            f"zero-based offsets of the first and last bytes to copy, not {given[:100]!r}.",
        )
    if int(found[2]) >= size:
        raise ServiceError(
            400, "InvalidArgument", f"Range specified is not valid for source object of size: {size}: {given!r}."
        )


def _object(emulator: Emulator, bucket_name: str, key_name: str) -> Any:
    bucket = emulator.bucket(bucket_name)
    return None if bucket is None else bucket.keys.get(key_name)


def _unmet(condition: str) -> ServiceError:
    return ServiceError(
        412, "PreconditionFailed", f"At least one of the pre-conditions you specified did not hold: {condition}."
    )


def _matches(given: str, key: Any) -> bool:
    tags = [each.strip().removeprefix("W/").strip('"') for each in given.split(",")]
    return "*" in tags or key.etag.strip('"') in tags


def _is_later(key: Any, given: str) -> bool:
    """Whether an object was changed after a moment, of whose seconds dates of HTTP have no fractions."""
    try:
        moment = parsedate_to_datetime(given)
    except ValueError as error:
        raise ServiceError(
            400, "InvalidArgument", f"A condition must be a date of HTTP, not {given[:100]!r}."
        ) from error
    changed: datetime = key.last_modified.replace(microsecond=0)
    return changed.astimezone(UTC) > moment.astimezone(UTC)


_SOURCE = "x-amz-copy-source-if-"
_CONDITIONS: dict[str, Callable[[Mapping[str, str], Any], bool]] = {
    f"{_SOURCE}match": lambda headers, key: _matches(headers[f"{_SOURCE}match"], key),
    f"{_SOURCE}none-match": lambda headers, key: not _matches(headers[f"{_SOURCE}none-match"], key),
    # Of two, the one about the ETag decides (the S3 API reference, CopyObject).
    f"{_SOURCE}unmodified-since": lambda headers, key: (
        f"{_SOURCE}match" in headers or not _is_later(key, headers[f"{_SOURCE}unmodified-since"])
    ),
    f"{_SOURCE}modified-since": lambda headers, key: (
        f"{_SOURCE}none-match" in headers or _is_later(key, headers[f"{_SOURCE}modified-since"])
    ),
}


# --- DeleteObjects, which has a condition for each object ---------------------------------------------------


def delete(emulator: Emulator, call: ServiceRequest, work: Callable[[ServiceRequest], Answer]) -> Answer:
    """Answers DeleteObjects: `work` deletes the objects whose conditions are met, the others are told as errors."""
    try:
        root = ElementTree.fromstring(call.body)  # noqa: S314 - see the import
    except ElementTree.ParseError as error:
        raise ServiceError(400, "MalformedXML", f"The body is not well-formed XML: {error}.") from error
    for each in root.iter():
        each.tag = str(each.tag).rpartition("}")[2]
    errors = []
    for each in root.findall("Object"):
        told = _hindrance(emulator, call.bucket, {child.tag: child.text or "" for child in each})
        if told is not None:
            root.remove(each)
            name = escape(each.findtext("Key", ""))
            errors.append(
                f"<Error><Key>{name}</Key><Code>{told.code}</Code><Message>{escape(told.message)}</Message></Error>"
            )
    if not errors:
        return work(call)
    status, headers, body = 200, [("Content-Type", "application/xml")], b"<DeleteResult></DeleteResult>"
    if root.find("Object") is not None:
        status, headers, body = work(replace(call, body=ElementTree.tostring(root)))
    return status, headers, body.replace(b"</DeleteResult>", "".join(errors).encode() + b"</DeleteResult>")


def _hindrance(emulator: Emulator, bucket_name: str, told: Mapping[str, str]) -> ServiceError | None:
    key = _object(emulator, bucket_name, told.get("Key", ""))
    if told.get("VersionId", "null") != "null":
        return ServiceError(404, "NoSuchVersion", _NO_VERSION)
    if told.keys() & {"LastModifiedTime", "Size"}:
        return _not_done("has no directory buckets, whose conditions LastModifiedTime and Size are")
    if "ETag" in told and key is None:
        return ServiceError(404, "NoSuchKey", "The specified key does not exist.")
    return _unmet("ETag") if "ETag" in told and not _matches(told["ETag"], key) else None

"""Uploads in parts as S3 has them: moto takes them together in whatever order, and for whatever key, it is told."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from xml.etree import ElementTree  # expat of today bounds what entities may grow to

from tailorbird.aws_local import checksums
from tailorbird.aws_local.emulator import Emulator
from tailorbird.aws_local.service_request import ServiceRequest
from tailorbird.errors import ServiceError

PARTS = 10_000
"""Of one upload, and the largest number of one (the S3 user guide, "Amazon S3 multipart upload limits")."""
_MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema: it must be a "
    "CompleteMultipartUpload with 1 to 10000 elements Part, each with a PartNumber and an ETag."
)
_INVALID_PART = (
    "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified "
    "entity tag might not have matched the part's entity tag: part {}."
)


class _Part(NamedTuple):
    """A part as the list of CompleteMultipartUpload has it."""

    number: int
    etag: str
    checksums: dict[str, str]
    """By the names of their headers."""


def refuse(emulator: Emulator, call: ServiceRequest) -> None:
    """Raises ServiceError for a part, or a list of parts, that S3 would not take."""
    names, bucket = call.subresources, emulator.bucket(call.bucket)
    if bucket is None or not call.key:
        return
    if call.method == "PUT" and names & {"partNumber", "uploadId"}:
        _refuse_number(call)
    if "uploadId" not in names:
        return
    upload = _upload(bucket, call)
    if upload is None:
        raise ServiceError(
            404,
            "NoSuchUpload",
            "The specified upload does not exist for this key: it was completed or aborted, or the server restarted. "
            "Begin the upload again.",
        )
    if call.method == "POST":
        _refuse_list(upload, call.body)
        _refuse_other_list(bucket, upload, call)


def completed(upload: Any, body: bytes) -> None:
    """Has an upload count the parts that it was completed from, where moto counts all that there were."""
    upload.partlist = [part.number for part in _listed(body)]


def _upload(bucket: Any, call: ServiceRequest) -> Any:
    """The upload that is meant, which POST may complete once more; None where there is none of this key."""
    name = parse_qs(call.query).get("uploadId", [""])[0]
    found = bucket.multiparts.get(name)
    key = bucket.keys.get(call.key)
    if found is None and call.method == "POST" and key is not None and key.multipart and key.multipart.id == name:
        found = key.multipart
    return found if found is not None and found.key_name == call.key else None


def _refuse_number(call: ServiceRequest) -> None:
    given = parse_qs(call.query)
    if not given.get("uploadId"):
        raise ServiceError(400, "InvalidArgument", "A part must name its uploadId, which is missing or empty.")
    number = given.get("partNumber", [""])[0]
    if not (re.fullmatch(r"\d{1,5}", number, re.ASCII) and 1 <= int(number) <= PARTS):
        raise ServiceError(
            400, "InvalidArgument", f"Part number must be an integer between 1 and {PARTS}, inclusive, not {number!r}."
        )


def _refuse_list(upload: Any, body: bytes) -> None:
    listed = _listed(body)
    for before, part in pairwise(listed):
        if part.number <= before.number:
            raise ServiceError(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order. The parts list must be specified in order by part "
                f"number, each once: {before.number} is followed by {part.number}.",
            )
    for part in listed:
        kept = upload.parts.get(part.number)
        if kept is None or kept.etag.strip('"') != part.etag:
            raise ServiceError(400, "InvalidPart", _INVALID_PART.format(part.number))
        try:
            checksums.check(part.checksums, kept.value if part.checksums else b"")
        except ServiceError as error:
            raise ServiceError(400, "InvalidPart", f"Part {part.number}: {error.message}") from error


def _refuse_other_list(bucket: Any, upload: Any, call: ServiceRequest) -> None:
    """Raises ServiceError where an upload that was completed is completed once more from other parts."""
    if upload.id in bucket.multiparts:
        return
    listed = _listed(call.body)
    whole = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in listed), usedforsecurity=False)
    if bucket.keys[call.key].etag.strip('"') != f"{whole.hexdigest()}-{len(listed)}":
        raise ServiceError(404, "NoSuchUpload", "The specified upload was completed already, from other parts.")


def _listed(body: bytes) -> list[_Part]:
    """The parts in the order of the list; raises ServiceError."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - see the import
        parts = [_part(each) for each in root if _name(each) == "Part"]
    except (ElementTree.ParseError, ValueError) as error:
        raise ServiceError(400, "MalformedXML", _MALFORMED) from error
    if _name(root) != "CompleteMultipartUpload" or not 1 <= len(parts) <= PARTS:
        raise ServiceError(400, "MalformedXML", _MALFORMED)
    return parts


def _part(element: ElementTree.Element) -> _Part:
    """Raises ValueError where its number or its ETag is missing."""
    texts = {_name(each): (each.text or "").strip() for each in element}
    number, etag = texts.get("PartNumber", ""), texts.get("ETag", "").strip('"')
    if not re.fullmatch(r"\d{1,9}", number, re.ASCII) or not etag:
        raise ValueError
    sums = {name.replace("Checksum", "x-amz-checksum-").lower(): text for name, text in texts.items() if text}
    return _Part(int(number), etag, {name: text for name, text in sums.items() if name.startswith("x-amz-checksum-")})


def _name(element: ElementTree.Element) -> str:
    """Without its namespace."""
    return str(element.tag).rpartition("}")[2]

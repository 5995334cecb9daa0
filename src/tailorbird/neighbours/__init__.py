"""The AWS services beside Personalize on a laptop: S3, IAM, STS and CloudWatch, so that unchanged client code runs.

moto emulates them in this process (optional extra `aws-local`); here their contents are made to survive a
restart. What is changed is durable before the change is answered: every object is a file of its own
(object_files.py), and the requests that changed buckets and IAM are kept in a journal and replayed at the
start (journal.py).

Limits: one process serves a folder. A request and an answer are held in memory, several times over, so
objects up to some hundred megabytes are comfortable; at rest an object costs its file and about 4 kB of
memory. An upload in parts that a restart interrupts must begin again. Buckets have no versions or locks, an
object's access control list is forgotten at a restart, and so are sessions of STS and what clients put
into CloudWatch themselves; the metrics of attributions, which it shows, have a store of their own.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from tailorbird.errors import UnknownOperationException
from tailorbird.neighbours import chunked, journal, object_files
from tailorbird.neighbours.emulator import (
    SERVICES,
    Answer,
    Call,
    Emulator,
    Metrics,
    s3_error,
    without_connection,
)
from tailorbird.storage.durable import sync

log = logging.getLogger(__name__)

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_READING_ACTIONS = ("Get", "List", "Simulate", "Generate")
_REGION = re.compile(r"Credential=[^,]*/\d{8}/([a-z0-9-]+)/")


class Neighbours:
    """S3, IAM, STS and CloudWatch over a folder. Safe to call from many threads; one request at a time is answered."""

    def __init__(self, folder: Path, account_id: str, metrics: Metrics = lambda region: ()) -> None:
        """`folder` is created when first needed; `account_id` has 12 digits and stands in every ARN.

        metrics: what CloudWatch shows of a region.
        """
        self.account_id = account_id
        self._folder = folder
        self._journal = folder / "journal.jsonl"
        self._objects = folder / "objects"
        self._lock = threading.Lock()
        self._metrics = metrics
        self._emulator: Emulator | None = None

    def warm(self) -> None:
        """Loads moto and the contents of the folder, which otherwise the first request does.

        Raises:
            ServiceUnavailable: moto is not installed.
            InternalFailure: the folder is damaged.
        """
        with self._lock:
            self._loaded()

    def answer(
        self, service: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Answers a request whose signature was verified.

        Args:
            service: From the credential scope: s3, iam, sts or monitoring.
            method: The HTTP method.
            path: Still percent-encoded, with the bucket in it.
            query: Still percent-encoded, without the question mark.
            headers: By lower-case name.
            body: As received, aws-chunked where the headers say so.

        Returns:
            Status, headers without the connection's own, and body. Content-Length is among the headers only
            after HEAD, where the body is empty.

        Raises:
            UnknownOperationException: there is no such neighbour.
            ServiceUnavailable: moto is not installed.
        """
        if service not in SERVICES:
            raise UnknownOperationException(
                f"The service {service!r} is not served here; there are personalize, {', '.join(SERVICES)}."
            )
        region = _region(headers, query)
        call = Call(service, region, method, path, query, without_connection(headers), body)
        if service == "sts" and _action(call) == "GetCallerIdentity":
            return _caller_identity(self.account_id)
        with self._lock:
            emulator = self._loaded()
            if service == "s3":
                return self._answer_s3(emulator, call)
            return self._answer_and_keep(emulator, call) if _changes_iam(call) else emulator.call(call)

    # --- S3 -------------------------------------------------------------------------------------------------

    def _answer_s3(self, emulator: Emulator, call: Call) -> Answer:
        try:
            headers, body = chunked.decode(call.headers, call.body)
        except chunked.MalformedChunks as error:
            return s3_error(400, "IncompleteBody", f"The aws-chunked body cannot be read: {error}")
        call = replace(call, headers=headers, body=body)
        refusal = _refuse(emulator, call)
        if refusal is not None:
            return refusal
        if call.method in ("GET", "HEAD", "OPTIONS"):
            return _range_of_file(emulator, call) or emulator.call(call)
        if call.key or call.method == "POST":
            return self._answer_and_mirror(emulator, call)
        created_again = _creates_bucket(call) and emulator.bucket(call.bucket) is not None
        if not call.bucket or created_again:
            return emulator.call(call)
        return self._answer_and_keep(emulator, call)

    def _answer_and_mirror(self, emulator: Emulator, call: Call) -> Answer:
        """Answers a request that may change objects, and brings their files up to date."""
        before = _keys(emulator, call)
        answer = emulator.call(call)
        bucket = emulator.bucket(call.bucket)
        if answer[0] < 400 and bucket is not None:
            removed = False
            for name in before | _keys(emulator, call):
                key = bucket.keys.get(name)
                if key is None:
                    removed |= object_files.remove(self._objects, bucket.name, name)
                elif call.key or not isinstance(key._value_buffer, object_files.StoredValue):
                    tags = emulator.s3(bucket.name).tagger.get_tag_dict_for_resource(key.arn)
                    object_files.save(self._objects, bucket, key, tags)
            if removed:
                sync(self._objects)
        emulator.forget_instances()
        return answer

    # --- Surviving a restart --------------------------------------------------------------------------------

    def _answer_and_keep(self, emulator: Emulator, call: Call) -> Answer:
        """Answers a request that changes buckets or IAM, and keeps it in the journal if it succeeded."""
        moment, seed = time.time(), secrets.randbits(60)
        answer = _at(emulator, call, moment, seed)
        if answer[0] < 400:
            entry = vars(call) | {
                "body": call.body.decode("utf-8", "surrogateescape"),
                "time": moment,
                "seed": seed,
            }
            journal.append(self._journal, entry)
        return answer

    def _loaded(self) -> Emulator:
        if self._emulator is None:
            emulator = Emulator(self.account_id, self._metrics)
            self._objects.mkdir(parents=True, exist_ok=True)
            for number, entry in journal.entries(self._journal):
                self._replay(emulator, number, entry)
            for about, value in object_files.load(self._objects):
                _load_object(emulator, about, value)
            emulator.forget_instances()
            self._emulator = emulator
        return self._emulator

    def _replay(self, emulator: Emulator, number: int, entry: dict[str, Any]) -> None:
        moment, seed = entry.pop("time"), entry.pop("seed")
        call = Call(**entry | {"body": entry["body"].encode("utf-8", "surrogateescape")})
        status, _, body = _at(emulator, call, moment, seed)
        if status >= 400:
            # Such as after a change of the account id: what depends on this line is missing.
            log.error(
                "%s line %d: %s %s %s is answered %d now: %s",
                *(self._journal, number, call.service, call.method, _action(call) or call.path, status, body),
            )


def _at(emulator: Emulator, call: Call, moment: float, seed: int) -> Answer:
    """Answers a request as at a moment (epoch seconds): the same seed gives its resources the same ids."""
    from moto.moto_api._internal import mock_random

    mock_random.seed(seed)
    with _iam_clock(moment):
        answer = emulator.call(call)
    if call.service == "s3" and _creates_bucket(call) and answer[0] < 400:
        emulator.bucket(call.bucket).creation_date = datetime.fromtimestamp(moment, UTC)
    return answer


@contextmanager
def _iam_clock(moment: float) -> Iterator[None]:
    from moto.iam import models

    module: Any = models
    real = module.utcnow
    module.utcnow = lambda: datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    try:
        yield
    finally:
        module.utcnow = real


def _load_object(emulator: Emulator, about: dict[str, Any], value: object_files.StoredValue) -> None:
    backend = emulator.s3(about["bucket"])
    if backend is None:
        log.error("%s belongs to the bucket %r, which does not exist", value.path, about["bucket"])
        return
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


# --- What a request is --------------------------------------------------------------------------------------


def _region(headers: Mapping[str, str], query: str) -> str:
    presigned = parse_qs(query).get("X-Amz-Credential", [""])[0]
    found = _REGION.search(headers.get("authorization") or f"Credential={presigned}")
    return found[1] if found else "us-east-1"


def _action(call: Call) -> str:
    """The action of a request in AWS's query protocol; empty for others."""
    if call.service == "s3":
        return ""
    form = call.body.decode("utf-8", "replace") if call.method == "POST" else call.query
    return parse_qs(form).get("Action", [""])[0]


def _changes_iam(call: Call) -> bool:
    return call.service == "iam" and not _action(call).startswith(_READING_ACTIONS)


def _creates_bucket(call: Call) -> bool:
    return call.method == "PUT" and not call.key and not call.subresources


def _keys(emulator: Emulator, call: Call) -> set[str]:
    """The keys that a request may change: the one it names, or else all of its bucket."""
    part_of_upload = "uploadId" in call.subresources and call.method != "POST"
    if part_of_upload or "uploads" in call.subresources:
        return set()
    if call.key:
        return {call.key}
    bucket = emulator.bucket(call.bucket)
    return set() if bucket is None else set(bucket.keys)


# --- Answers of our own -------------------------------------------------------------------------------------


def _refuse(emulator: Emulator, call: Call) -> Answer | None:
    """The answer to what moto would accept though it cannot be kept, or would fail at."""
    names = call.subresources
    if _creates_bucket(call) and not _BUCKET_NAME.fullmatch(call.bucket):
        return s3_error(
            400,
            "InvalidBucketName",
            "The specified bucket is not valid: 3 to 63 lower-case letters, digits, dots and dashes.",
        )
    locks = call.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
    if call.method == "PUT" and not call.key and (locks or names & {"versioning", "object-lock"}):
        return s3_error(501, "NotImplemented", "The emulated S3 keeps no versions and no object locks.")
    bucket = emulator.bucket(call.bucket)
    if "uploadId" in names and bucket is not None:
        upload = parse_qs(call.query).get("uploadId", [""])[0]
        key = bucket.keys.get(call.key)
        completed = key is not None and key.multipart is not None and key.multipart.id == upload
        if upload not in bucket.multiparts and not (completed and call.method == "POST"):
            return s3_error(
                404,
                "NoSuchUpload",
                "The specified upload does not exist: it was completed or aborted, or the server restarted. "
                "Begin the upload again.",
            )
    return None


def _range_of_file(emulator: Emulator, call: Call) -> Answer | None:
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


def _caller_identity(account_id: str) -> Answer:
    """STS GetCallerIdentity: every access key acts for the account itself; needs no moto."""
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>arn:aws:iam::{account_id}:root</Arn><UserId>{account_id}</UserId>"
        f"<Account>{account_id}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
    return 200, [("Content-Type", "text/xml")], body.encode()

"""The AWS services beside Personalize on a laptop: S3, IAM, STS and CloudWatch, so that unchanged client code runs.

moto emulates them in this process (optional extra `aws-local`); here their contents are made to survive a
restart. What is changed is durable before the change is answered: every object is a file of its own
(object_files.py), and the requests that changed buckets and IAM are kept in a journal and replayed at the
start (journal.py). The access keys that IAM and STS hand out are good for every service here (credentials.py).

Limits: one process has a folder, and others of the same server ask it (remote.py). A request and an answer are
held in memory, several times over, so objects up to some hundred megabytes are comfortable; at rest an object
costs its file and about 4 kB of memory. An upload in parts that a restart interrupts must begin again. Buckets
have no versions or locks, nor what else conditions.py refuses; an object's access control list is forgotten at a
restart, and so is what clients put into CloudWatch themselves; the metrics of attributions, which it shows, have a
store of their own. Policies are kept and not evaluated.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tailorbird.aws_local import conditions, cors, iam, journal, object_files, s3, sts, undo
from tailorbird.aws_local.credentials import Credentials, UserKey
from tailorbird.aws_local.emulator import SERVICES, Answer, Emulator, Metrics
from tailorbird.aws_local.service_request import ServiceRequest, without_connection
from tailorbird.errors import AwsError, DamagedFile, ServiceError, ServiceUnavailable, UnknownOperationException
from tailorbird.workspace import AccessKey

log = logging.getLogger(__name__)

_READING_ACTIONS = ("Get", "List", "Simulate", "Generate")
_CREDENTIAL = re.compile(r"Credential=([^,]+)/\d{8}/([a-z0-9-]+)/")


class AwsLocal:
    """S3, IAM, STS and CloudWatch over a folder. Safe to call from many threads; one request at a time is answered."""

    def __init__(
        self, folder: Path, account_id: str, access_key: AccessKey, metrics: Metrics = lambda region: ()
    ) -> None:
        """`folder` is created when first needed; `account_id` has 12 digits and stands in every ARN.

        access_key: that of the account itself. metrics: what CloudWatch shows of a region.
        """
        self.account_id = account_id
        self._folder = folder
        self._journal = folder / "journal.jsonl"
        self._objects = folder / "objects"
        self._lock = threading.Lock()
        self._metrics = metrics
        self._emulator: Emulator | None = None
        self._damages: dict[Path, DamagedFile] = {}
        """Of objects, by file."""
        self._broken: tuple[object, DamagedFile] | None = None
        """The state of the journal when it could not be read, and why."""
        self._told_unavailable = False
        """Whether the log says already that there is no moto."""
        self._user_keys: Mapping[str, UserKey] = {}
        self._credentials = Credentials(access_key, account_id, self._keys_of_users)
        self._sts = sts.Sts(self._credentials, account_id, time.time)

    def load(self) -> None:
        """Loads moto and the contents of the folder, which otherwise the first request does.

        Raises:
            ServiceUnavailable: moto is not installed.
            DamagedFile: the journal is damaged. A damaged object is told in the log, and concerns nothing else.
        """
        with self._lock:
            self._loaded()

    def warm(self) -> None:
        """Loads what was used before, and logs why it cannot be done; each request is then told the same.

        Whoever never asks S3 or IAM is spared 46 MB; the first who does waits for two seconds.
        """
        if not self._journal.exists():
            return
        try:
            with suppress(AwsError):  # which `_loaded` has told of
                self.load()
        except Exception as error:
            plain = isinstance(error, OSError)  # whose words say all
            log.error("no S3, IAM and CloudWatch here: %s", error, exc_info=None if plain else error)

    def hindrances(self) -> list[str]:
        """Why S3, IAM and the access keys of users cannot be used; empty for no reason. Costs nothing."""
        return [] if self._broken is None else ["the journal of the built-in S3 and IAM is damaged"]

    def damages(self) -> list[str]:
        """What is damaged while the rest works, in words for everybody; empty for nothing."""
        damaged = sum(path.exists() for path in list(self._damages))
        return [f"{damaged} objects of the built-in S3 are damaged: `tailorbird check` names them"] if damaged else []

    def secret_of(self, access_key_id: str, token: str) -> str | None:
        """The secret key of an access key of the account, a user or a session (`Credentials.secret_of`)."""
        return self._credentials.secret_of(access_key_id, token, time.time())

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
            body: As it is meant, without the encoding aws-chunked.

        Returns:
            Status, headers without the connection's own, and body. Content-Length is among the headers only
            after HEAD, where the body is empty.

        Raises:
            UnknownOperationException: there is no such service.
            ServiceUnavailable: moto is not installed, or the disk does not take the change, which then is undone.
            ServiceError: the service's own.
            DamagedFile: the journal is damaged, or the object that is asked for.
        """
        if service not in SERVICES:
            raise UnknownOperationException(
                f"The service {service!r} is not served here; there are personalize, {', '.join(SERVICES)}."
            )
        access_key, region = _signer(headers, query)
        caller = access_key if access_key in self._user_keys else ""
        call = ServiceRequest(service, region, method, path, query, without_connection(headers), body, caller)
        action = call.action
        if service == "sts" and action in sts.ACTIONS:
            return self._sts.answer(action, call.form, access_key, _token(headers, query))
        if service in ("iam", "sts") and not action:
            raise ServiceError(400, "MissingAction", "The request must name an Action, in its form or its query.")
        if service == "s3":
            s3.refuse_unmeasured(call, headers)
        if service == "iam":
            form = call.form
            root = iam.root_user(form, self._credentials.principal_of(access_key, _token(headers, query)))
            if root is not None:
                return root
            iam.refuse(form, caller)
        with self._lock:
            emulator = self._loaded()
            if service == "s3":
                return s3.located(call, headers.get("host", ""), self._answer_s3(emulator, call))
            if service == "iam":
                iam.refuse_conflict(emulator.iam, call.form)
            return self._answer_and_keep(emulator, call) if _changes_iam(call) else _attempt(emulator, call)

    def preflight(self, path: str, headers: Mapping[str, str]) -> Answer:
        """Answers a browser's question whether a page may send a request to a bucket.

        Raises ServiceError where no CORS rule of the bucket allows it.
        """
        call = ServiceRequest("s3", "", "OPTIONS", path, "", {}, b"")
        with self._lock:
            bucket = self._loaded().bucket(call.bucket)
            return 200, cors.preflight(() if bucket is None else bucket.cors, headers), b""

    def _answer_s3(self, emulator: Emulator, call: ServiceRequest) -> Answer:
        s3.refuse(emulator, call)
        if self._damages:
            self._refuse_damaged(emulator, call)
        try:
            status, headers, body = self._change_or_read(emulator, call)
        except DamagedFile as error:
            self._tell(error)
            raise
        if self._damages and status < 400 and call.method in ("PUT", "DELETE"):
            self._damages.pop(object_files.path_of(self._objects, call.bucket, call.key), None)
        bucket = emulator.bucket(call.bucket) if "origin" in call.headers else None
        if bucket is not None:
            # moto would allow what the rule does not.
            headers = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
            headers += cors.allowed(bucket.cors, call.method, call.headers)
        return status, s3.written(headers), body

    def _change_or_read(self, emulator: Emulator, call: ServiceRequest) -> Answer:
        if call.method not in conditions.CHANGING_METHODS:
            return s3.range_of_file(emulator, call) or emulator.call(call)
        if call.method == "POST" and not call.key:
            return conditions.delete(emulator, call, lambda kept: s3.change(emulator, self._objects, kept))
        if call.key:
            return s3.change(emulator, self._objects, call)
        again = s3.creates_bucket(call) and emulator.bucket(call.bucket) is not None and not s3.sets_up_bucket(call)
        return _attempt(emulator, call) if again else self._answer_and_keep(emulator, call)

    def _tell(self, error: DamagedFile) -> None:
        if error.path not in self._damages:
            log.error("%s", error)
        self._damages[error.path] = error

    def _refuse_damaged(self, emulator: Emulator, call: ServiceRequest) -> None:
        """Raises DamagedFile for an object that moto was not given, and would call missing."""
        for bucket, key in s3.objects_read(call):
            path = object_files.path_of(self._objects, bucket, key)
            found = emulator.bucket(bucket)
            if path in self._damages and path.exists() and (found is None or key not in found.keys):
                raise self._damages[path]

    # --- Surviving a restart --------------------------------------------------------------------------------

    def _answer_and_keep(self, emulator: Emulator, call: ServiceRequest) -> Answer:
        """Answers a request that changes buckets or IAM, and keeps it in the journal if it succeeded."""
        moment, seed = time.time(), secrets.randbits(256)
        answer = undo.attempt(emulator, call, lambda: _at(emulator, call, moment, seed))
        if answer[0] < 400:
            entry = vars(call) | {
                "body": call.body.decode("utf-8", "surrogateescape"),
                "time": moment,
                "seed": seed,
            }
            try:
                journal.append(self._journal, entry)
            except OSError as error:
                self._emulator = None  # what moto has beyond the journal is forgotten with it
                log.error("%s %s could not be stored: %s", call.service, call.action or call.path, error)
                raise ServiceUnavailable(
                    f"The change could not be stored ({error.strerror}) and was not made: free some space on the "
                    "server's disk and try again."
                ) from error
            self._user_keys = emulator.user_keys()
        return answer

    def _keys_of_users(self) -> Mapping[str, UserKey]:
        if self._emulator is None:
            try:
                self.load()
            except DamagedFile:
                raise  # a user's key must not be called unknown where nobody knows
            except AwsError as error:
                log.warning("no access keys but the installation's own: %s", error.message)
        return self._user_keys

    def _loaded(self) -> Emulator:
        if self._emulator is None:
            state = journal.state(self._journal)
            if self._broken is not None and self._broken[0] == state:
                raise self._broken[1]  # anybody may ask, and to load costs much
            try:
                self._emulator = self._fresh()
            except DamagedFile as error:
                log.error("%s", error)
                self._broken = (state, error)
                raise
            except ServiceUnavailable as error:
                if not self._told_unavailable:
                    log.error("no S3, IAM and CloudWatch here: %s", error)
                self._told_unavailable = True
                raise
            self._broken, self._user_keys = None, self._emulator.user_keys()
        return self._emulator

    def _fresh(self) -> Emulator:
        """An emulator with the contents of the folder."""
        emulator = Emulator(self.account_id, self._metrics)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._objects.mkdir(exist_ok=True)
        for folder in (self._folder, self._objects):
            folder.chmod(0o700)  # also one that an earlier version made
        for number, entry in journal.entries(self._journal):
            self._replay(emulator, number, entry)
        self._damages = {}
        for about, value in object_files.load(self._objects, self._tell):
            try:
                s3.load_object(emulator, about, value)
            except DamagedFile as error:
                self._tell(error)
        emulator.forget_instances()
        return emulator

    def _replay(self, emulator: Emulator, number: int, entry: dict[str, Any]) -> None:
        moment, seed = entry.pop("time"), entry.pop("seed")
        call = ServiceRequest(**entry | {"body": entry["body"].encode("utf-8", "surrogateescape")})
        status, _, body = _at(emulator, call, moment, seed)
        if status >= 400:
            # Such as after a change of the account id: what depends on this line is missing.
            log.error(
                "%s line %d: %s %s %s is answered %d now: %s",
                *(self._journal, number, call.service, call.method, call.action or call.path, status, body),
            )


def _attempt(emulator: Emulator, call: ServiceRequest) -> Answer:
    return undo.attempt(emulator, call, lambda: emulator.call(call))


def _at(emulator: Emulator, call: ServiceRequest, moment: float, seed: int) -> Answer:
    """Answers a request as at a moment (epoch seconds): the same seed gives its resources the same ids and secrets."""
    from moto.moto_api._internal import mock_random

    mock_random.seed(seed)
    form = call.form if call.service == "iam" else {}
    user = emulator.iam.users.get(form.get("UserName"))
    before = "" if user is None else user.arn
    new_bucket = call.service == "s3" and s3.creates_bucket(call) and emulator.bucket(call.bucket) is None
    try:
        with _iam_clock(moment):
            answer = emulator.call(call)
    finally:
        mock_random.seed(secrets.randbits(256))  # ids made from now on must not tell the secrets made before
    if form and answer[0] < 400:
        iam.renamed(emulator.iam, form, before)
    if new_bucket and answer[0] < 400:
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


# --- What a request is --------------------------------------------------------------------------------------


def _signer(headers: Mapping[str, str], query: str) -> tuple[str, str]:
    """Access key and region of a verified request."""
    presigned = parse_qs(query).get("X-Amz-Credential", [""])[0]
    found = _CREDENTIAL.search(headers.get("authorization") or f"Credential={presigned}")
    return (found[1], found[2]) if found else ("", "us-east-1")


def _token(headers: Mapping[str, str], query: str) -> str:
    return headers.get("x-amz-security-token") or parse_qs(query).get("X-Amz-Security-Token", [""])[0]


def _changes_iam(call: ServiceRequest) -> bool:
    return call.service == "iam" and not call.action.startswith(_READING_ACTIONS)

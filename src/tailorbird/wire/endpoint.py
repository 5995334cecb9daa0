"""HTTP in, HTTP out: request → operation → answer, in the shape of the AWS protocol it came in.

Plain ASGI. What needs no body is checked first; then the body is taken in, verified and parsed here. What follows may
block, so it runs in a pool of threads, as does what is large or asks for a key that is not in memory; but answers that
are at hand are given in the event loop. This is the only place where an
unexpected error is caught: it becomes InternalFailure, and the log has the rest; only a full disk is
ServiceUnavailable.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tailorbird import errors
from tailorbird.config import Config
from tailorbird.errors import AwsError
from tailorbird.storage import durable
from tailorbird.wire import bodies, chunked, forms, model, shape_types, shapes, signature, signature_v2
from tailorbird.wire.bodies import Bodies, Body, Disconnected, Incoming, Receive
from tailorbird.wire.model import Operation
from tailorbird.wire.response import Response, failure, protocol_of, standard_headers
from tailorbird.wire.signature import Claim, Request, Scope

log = logging.getLogger(__name__)

THREADS = 32
"""Requests worked on at a time; more wait. Most of a PutEvents is waiting for the disk, which those that come meanwhile
share: two busy cores took ten events 110 times a second from one thread, 370 times from 8, 420 from 32, 520 from 64 and
380 from 128."""

HEADERS = 200
"""Headers that a request may have: each costs time before anything is known of its sender. S3 takes about 90 of
metadata beside its own."""

SMALL = 64 << 10
"""Bytes of a body that are read in the event loop, a fraction of a millisecond; lists of 500 ids have 10 kB."""
DIGITS = 18
"""Of a Content-Length, leading zeros left out; none that is right has more."""

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Service:
    """What the endpoint needs of the rest of the program."""

    call: Callable[[str, str, dict[str, Any]], dict[str, Any] | None]
    """(function name, region, parameters) → answer; raises AwsError."""
    other: Callable[[str, Request], Response] | None
    """(AWS service, request) → response, for the services beside Personalize; None where there are none."""
    preflight: Callable[[Request], Response] | None
    """What a bucket answers a browser's question whether a page may use it; None where there are no other services."""
    secret_of: signature.SecretOf
    """Secret access key of an access key id and a session token."""
    default_region: str
    own_key: str = ""
    """The access key id whose secret is in memory; to look for another one may take seconds."""
    at_hand: Callable[[str, str, dict[str, Any]], dict[str, Any] | None] = lambda function, region, parameters: None
    """What `call` answers where that is in memory, so that to hand it to a thread would cost as much again; or None."""
    quick: frozenset[str] = frozenset()
    """Names of the functions of which something may be at hand; they write nothing that others read."""
    alive: Callable[[], list[str]] = list
    """Why the process should be started again; costs nothing."""
    ready: Callable[[], list[str]] = list
    """Why requests should go elsewhere for now."""
    damages: Callable[[], list[str]] = list
    """What is damaged though the rest works, which no other server would have either; told beside `ready`."""
    folder: Path | None = None
    """Where large bodies lie until they are verified; None for the system's."""
    verify_signatures: bool = True
    body_limit: int = Config.body_limit
    other_body_limit: int = Config.s3_body_limit
    bodies_limit: int = Config.bodies_limit
    cors_origins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Admission:
    """What a request is taken for by its head, before its body is there."""

    scope: Scope | None
    """None where signatures are not verified and there is none."""
    claim: Claim | None
    """What is still to be proved with the body; None where nothing is."""

    @property
    def ours(self) -> bool:
        """Whether it is for Personalize, and for no service beside it."""
        return self.scope is None or self.scope.service == "personalize"


@dataclass(frozen=True, slots=True)
class Call:
    """What a verified request asks."""

    operation: Operation
    region: str
    parameters: dict[str, Any]
    """As the operation's model has them."""


class Endpoint:
    """The ASGI application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._bodies = Bodies(service.folder, service.bodies_limit)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        if scope["type"] != "http":
            raise TypeError(f"only HTTP is spoken here, not {scope['type']}")
        head = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1").partition("?")[0],
            query=scope["query_string"].decode("latin-1"),
            headers=_headers(scope["headers"]),
            body=b"",
        )
        incoming, expects = Incoming(receive), "expect" in head.headers
        try:
            response = await self._respond(head, incoming)
        except Disconnected:
            return
        try:
            headers = _encoded(response)
        except UnicodeEncodeError as error:
            response = self._failure(head, error)
            headers = _encoded(response)
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(response.body)).encode()))
        if not incoming.begun and expects:
            headers.append((b"connection", b"close"))  # the body was not asked for: the next bytes may be anything
        headers += self._cors(head)
        # An answer that begins before its request is whole tells the connection that it may go.
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if incoming.begun or not expects:
            try:
                await incoming.drain()
            except Disconnected:
                return
        await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else response.body})

    def at_once(self, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Response | None:
        """The answer to a whole POST if that is at hand, or what is wrong with it; None: `__call__` must answer."""
        operation = model.find(None, target.decode("latin-1"))
        if operation is None or operation.function not in self._service.quick or len(body) > SMALL:
            return None
        head = Request("POST", operation.path, "", _headers(headers), b"")
        plain = len(headers) <= HEADERS and "origin" not in head.headers and not forms.is_form(head)
        if not (plain and self._is_of_own_key(head)):
            return None
        try:
            return self._at_hand(head, body)
        except Exception as error:
            return self._failure(head, error)

    def _at_hand(self, head: Request, body: bytes) -> Response | None:
        admission = self._admit(head)
        self._limit(head, admission)
        if not admission.ours:
            return None
        call = self._call_of(head, hashlib.sha256(body).hexdigest(), lambda: body, admission)
        found = self._service.at_hand(call.operation.function, call.region, call.parameters)
        return None if found is None else _response(call.operation, found)

    async def _respond(self, head: Request, incoming: Incoming) -> Response:
        in_thread = asyncio.get_running_loop().run_in_executor
        if head.path == "/healthz" and head.method in ("GET", "HEAD"):
            return _probe("failing", self._service.alive())
        if head.path == "/readyz" and head.method in ("GET", "HEAD"):
            reasons = await in_thread(self._threads, self._service.ready)
            return _probe("not ready", reasons, await in_thread(self._threads, self._service.damages))
        if head.method == "OPTIONS" and "access-control-request-method" in head.headers:
            return await in_thread(self._threads, self._guarded, head, lambda: self._preflight(head))
        with Body(self._bodies) as body:
            try:
                work, at_hand = await self._take_in(head, body, incoming)
            except Disconnected:
                raise
            except Exception as error:
                return self._failure(head, error)
            return self._guarded(head, work) if at_hand else await in_thread(self._threads, self._guarded, head, work)

    async def _take_in(self, head: Request, body: Body, incoming: Incoming) -> tuple[Callable[[], Response], bool]:
        """Takes in the body of a request that may have one; what answers it, and whether without waiting."""
        if len(head.headers) > HEADERS:
            raise errors.RequestHeaderSectionTooLarge(f"A request may have {HEADERS} headers at most.")
        if forms.is_form(head) and self._service.other is not None:
            await body.begin(incoming, forms.HEAD)
            form = forms.begin(head, body.content(), self._service.secret_of, time.time())
            await body.receive(incoming, forms.limit(form, self._service.other_body_limit), self._threads)
            return lambda: self._store(head, form, body.content()), False
        admission = await self._admission(head)
        await body.receive(incoming, self._limit(head, admission), self._threads)
        if not admission.ours or body.size > SMALL:
            return lambda: self._answer(head, body, admission), False
        call = self._call_of(head, body.sha256(), body.content, admission)
        found = self._service.at_hand(call.operation.function, call.region, call.parameters)
        return (lambda: self._call(call), False) if found is None else (lambda: _response(call.operation, found), True)

    def _store(self, head: Request, form: forms.Form, body: bytes) -> Response:
        """Answers an upload by a form."""
        assert self._service.other is not None
        stored = self._service.other("s3", forms.upload(form, head, body))
        return forms.answer(form, stored, f"http://{head.headers.get('host', 'localhost')}")

    def _preflight(self, head: Request) -> Response:
        if self._service.preflight is None or model.find(None, head.path) is not None:
            return Response(200, [], b"")
        return self._service.preflight(head)

    async def _admission(self, head: Request) -> Admission:
        """As `_admit`, without keeping the event loop waiting for the secret of a key that is not in memory."""
        if self._is_of_own_key(head):
            return self._admit(head)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._admit, head)

    def _is_of_own_key(self, head: Request) -> bool:
        """Whether the request names the key whose secret is in memory."""
        authorization = head.headers.get("authorization", "")
        return f"Credential={self._service.own_key}/" in authorization and authorization.count("Credential=") == 1

    def _admit(self, head: Request) -> Admission:
        """What the request is taken for by its head; raises AwsError where it needs no body for that."""
        if not self._service.verify_signatures:
            return Admission(signature.scope_of(head.headers, head.query), None)
        if signature_v2.is_presigned(head):
            return Admission(signature_v2.verify(head, self._service.secret_of, time.time()), None)
        claim = signature.admit(head, self._service.secret_of, time.time())
        return Admission(claim.scope, claim)

    def _limit(self, head: Request, admission: Admission) -> int:
        """How many bytes the body may have; raises RequestTooLarge where the head announces more."""
        limit = self._service.body_limit if admission.ours else self._service.other_body_limit
        # Python refuses to read a number of thousands of digits, be they all zeros.
        announced = head.headers.get("content-length", "").lstrip("0") or "0"
        if len(announced) > DIGITS or int(announced) > limit:
            raise bodies.too_large(limit)
        return limit

    def _answer(self, head: Request, body: Body, admission: Admission) -> Response:
        """Verifies, dispatches and answers a request whose body is there."""
        if admission.ours:
            return self._call(self._call_of(head, body.sha256(), body.content, admission))
        if admission.claim is not None:
            signature.prove(head, admission.claim, body.sha256())
        request = Request(head.method, head.path, head.query, head.headers, body.content())
        assert admission.scope is not None, "without one it is ours"
        return self._of_other_service(admission.scope.service, request, admission.claim)

    def _call_of(self, head: Request, digest: str, content: Callable[[], bytes], admission: Admission) -> Call:
        """The call of an operation that a request makes, its signature verified; raises AwsError.

        digest: SHA-256 of its body, in hex. content: the body itself, which may be in a file.
        """
        if admission.claim is not None:
            signature.prove(head, admission.claim, digest)
        operation = model.find(head.headers.get("x-amz-target"), head.path) if head.method == "POST" else None
        if operation is None:
            if protocol_of(head) in ("query", "ec2"):
                raise errors.InvalidSignatureException("Credential should be scoped to correct service.")
            named = head.headers.get("x-amz-target") or f"{head.method} {head.path}"
            raise errors.UnknownOperationException(f"There is no operation {named[:200]!r}.")
        region = admission.scope.region if admission.scope else self._service.default_region
        return Call(operation, region, _parameters(operation, content()))

    def _of_other_service(self, service: str, request: Request, claim: Claim | None) -> Response:
        if request.method == "POST" and model.is_ours(request.headers, request.path):
            raise errors.InvalidSignatureException(
                f"Credential should be scoped to correct service: 'personalize', not {service!r}."
            )
        if self._service.other is None:
            raise errors.UnknownOperationException(f"This server does not offer the service {service}.")
        chain = signature.chain(claim) if claim is not None and service == "s3" else None
        return self._service.other(service, chunked.plain(request, chain))

    def _guarded(self, head: Request, work: Callable[[], Response]) -> Response:
        """What `work` answers, or its error in the shape of the request's protocol; never raises."""
        try:
            return work()
        except Exception as error:
            return self._failure(head, error)

    def _failure(self, head: Request, error: Exception) -> Response:
        """The answer to a request that met an error; the log has what the client is not told."""
        if isinstance(error, AwsError):
            return failure(head, error)
        if durable.full(error):
            return failure(head, errors.NoSpace(self._service.folder or Path(tempfile.gettempdir())))
        response = failure(head, errors.InternalFailure("The server met an internal error; its log says more."))
        request_id = dict(response.headers)["x-amzn-requestid"]
        log.error("internal error", exc_info=error, extra={"request_id": request_id})
        return response

    def _call(self, call: Call) -> Response:
        return _response(call.operation, self._service.call(call.operation.function, call.region, call.parameters))

    def _cors(self, request: Request) -> list[tuple[bytes, bytes]]:
        """Headers that let pages of the allowed origins call the events and runtime paths."""
        origin = request.headers.get("origin", "")
        if origin not in self._service.cors_origins or model.find(None, request.path) is None:
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"*, authorization"),
            (b"access-control-expose-headers", b"x-amzn-requestid, x-amzn-errortype"),
            (b"vary", b"origin"),
        ]


def _response(operation: Operation, result: dict[str, Any] | None) -> Response:
    """An operation's result, in the shape that its model has for it."""
    if result is None or operation.output is None:
        return Response(200, standard_headers(operation.protocol), b"")
    body = msgspec.json.encode(shapes.project(operation.output, result))
    return Response(200, standard_headers(operation.protocol), body)


def _encoded(response: Response) -> list[tuple[bytes, bytes]]:
    """The headers of an answer as HTTP has them; raises UnicodeEncodeError."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]


def _headers(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by lower-case name, repeated ones joined as a signature wants them."""
    joined: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if "_" in key and not key.startswith("x-amz-meta-"):
            continue  # WSGI would take it for its namesake with dashes, which may have to be signed
        joined[key] = f"{joined[key]},{text}" if key in joined else text
    return joined


def _probe(word: str, reasons: list[str], damages: Sequence[str] = ()) -> Response:
    """The answer of /healthz and /readyz."""
    told: dict[str, Any] = {"status": word, "reasons": reasons} if reasons else {"status": "ok"}
    if damages:
        told["damages"] = damages
    return Response(503 if reasons else 200, [("content-type", "application/json")], msgspec.json.encode(told))


def _parameters(operation: Operation, body: bytes) -> dict[str, Any]:
    """What the body says, as the operation's model has it; raises InvalidInput."""
    found: dict[str, Any]
    try:
        # Those of rest-json are asked so often that it counts.
        found = shape_types.decoder(operation.input).decode(body.decode()) if operation.protocol == "rest-json" else {}
    except (ValueError, RecursionError):
        found = {}
    return found or shapes.parse(operation.input, _decode(body))


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.InvalidInputException(f"The request body is not valid JSON: {error}") from error

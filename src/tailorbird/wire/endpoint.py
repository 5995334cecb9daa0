"""HTTP in, HTTP out: request → operation → answer, in the shape of the AWS protocol it came in.

Plain ASGI. The body is read here; everything after that blocks, so it runs in a pool of threads. This is the
only place where an unexpected error is caught: it becomes InternalFailure, and the log has the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from tailorbird import errors
from tailorbird.errors import AwsError
from tailorbird.wire import chunked, forms, model, shapes, signature, signature_v2
from tailorbird.wire.response import Response, failure, protocol_of, standard_headers
from tailorbird.wire.signature import Request, Scope

log = logging.getLogger(__name__)

THREADS = 32
"""Requests worked on at a time; more wait. Most of a PutEvents is waiting for the disk."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Service:
    """What the endpoint needs of the rest of the program."""

    call: Callable[[str, str, dict[str, Any]], dict[str, Any] | None]
    """(function name, region, parameters) → answer; raises AwsError."""
    neighbour: Callable[[str, Request], Response] | None
    """(AWS service, request) → response, for the services beside Personalize; None where there are none."""
    preflight: Callable[[Request], Response] | None
    """What a bucket answers a browser's question whether a page may use it; None where there are no neighbours."""
    secret_of: signature.SecretOf
    """Secret access key of an access key id and a session token."""
    default_region: str
    verify_signatures: bool = True
    body_limit: int = 10 << 20
    neighbour_body_limit: int = 1 << 30
    cors_origins: frozenset[str] = frozenset()


class Endpoint:
    """The ASGI application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

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
        response = await self._respond(head, receive)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(response.body)).encode()))
        headers += self._cors(head)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else response.body})

    async def _respond(self, head: Request, receive: Receive) -> Response:
        if head.path == "/healthz" and head.method == "GET":
            return Response(200, [("content-type", "application/json")], b'{"status":"ok"}')
        if head.method == "OPTIONS" and "access-control-request-method" in head.headers:
            return await self._in_thread(head, lambda: self._preflight(head))
        if forms.is_form(head) and self._service.neighbour is not None:
            return await self._store_form(head, receive)
        claimed = signature.scope_of(head.headers, head.query)
        service = claimed.service if claimed else "personalize"
        limit = self._service.body_limit if service == "personalize" else self._service.neighbour_body_limit
        body = await _read(receive, limit)
        if body is None:
            return failure(head, errors.RequestTooLargeException(f"The request body is over {limit} bytes."))
        request = Request(head.method, head.path, head.query, head.headers, body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, request, claimed)

    async def _store_form(self, head: Request, receive: Receive) -> Response:
        """Answers an upload by a form, of which no more is taken in than its policy allows."""
        first, more = await _read_first(receive, forms.HEAD)
        begun: list[forms.Form] = []

        def begin() -> Response:
            begun.append(forms.begin(head, first, self._service.secret_of, time.time()))
            return Response(200, [], b"")

        response = await self._in_thread(head, begin)
        if not begun:
            return response
        limit = forms.limit(begun[0], self._service.neighbour_body_limit)
        rest = await _read(receive, limit - len(first)) if more else b""
        if rest is None:
            return failure(head, errors.RequestTooLargeException(f"The form is over {limit} bytes."))
        whole = first + rest
        return await self._in_thread(head, lambda: self._stored(head, begun[0], whole))

    def _stored(self, head: Request, form: forms.Form, body: bytes) -> Response:
        assert self._service.neighbour is not None
        stored = self._service.neighbour("s3", forms.upload(form, head, body))
        return forms.answer(form, stored, f"http://{head.headers.get('host', 'localhost')}")

    def _preflight(self, head: Request) -> Response:
        if self._service.preflight is None or model.find(None, head.path) is not None:
            return Response(200, [], b"")
        return self._service.preflight(head)

    async def _in_thread(self, head: Request, work: Callable[[], Response]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._guarded, head, work)

    def answer(self, request: Request, claimed: Scope | None) -> Response:
        """Verifies, dispatches and answers a request whose body is there; never raises."""
        return self._guarded(request, lambda: self._answer(request, claimed))

    def _answer(self, request: Request, claimed: Scope | None) -> Response:
        if self._service.verify_signatures:
            claimed, request = self._verified(request)
        if claimed is not None and claimed.service != "personalize":
            return self._of_neighbour(claimed.service, request)
        return self._call(request, claimed.region if claimed else self._service.default_region)

    def _guarded(self, request: Request, work: Callable[[], Response]) -> Response:
        """What `work` answers, or its error in the shape of the request's protocol."""
        try:
            return work()
        except AwsError as error:
            return failure(request, error)
        except Exception:
            response = failure(request, errors.InternalFailure("The server met an internal error; its log says more."))
            log.exception("internal error", extra={"request_id": dict(response.headers)["x-amzn-requestid"]})
            return response

    def _verified(self, request: Request) -> tuple[Scope, Request]:
        """Who signed the request, and the request without the signatures of its parts."""
        secret_of, now = self._service.secret_of, time.time()
        if signature_v2.is_presigned(request):
            return signature_v2.verify(request, secret_of, now), request
        claimed = signature.verify(request, secret_of, now)
        if claimed.service != "s3":
            return claimed, request
        return claimed, chunked.plain(request, signature.chain(request, secret_of))

    def _of_neighbour(self, service: str, request: Request) -> Response:
        if request.method == "POST" and model.is_ours(request.headers, request.path):
            raise errors.InvalidSignatureException(
                f"Credential should be scoped to correct service: 'personalize', not {service!r}."
            )
        if self._service.neighbour is None:
            raise errors.UnknownOperationException(f"This server does not offer the service {service}.")
        return self._service.neighbour(service, chunked.plain(request, None))

    def _call(self, request: Request, region: str) -> Response:
        operation = model.find(request.headers.get("x-amz-target"), request.path) if request.method == "POST" else None
        if operation is None:
            if protocol_of(request) in ("query", "ec2"):
                raise errors.InvalidSignatureException("Credential should be scoped to correct service.")
            named = request.headers.get("x-amz-target") or f"{request.method} {request.path}"
            raise errors.UnknownOperationException(f"There is no operation {named[:200]!r}.")
        parameters = shapes.parse(operation.input, _decode(request.body))
        result = self._service.call(operation.function, region, parameters)
        if result is None or operation.output is None:
            return Response(200, standard_headers(operation.protocol), b"")
        return Response(
            200,
            standard_headers(operation.protocol),
            msgspec.json.encode(shapes.project(operation.output, result)),
        )

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


def _headers(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by lower-case name, repeated ones joined as a signature wants them."""
    joined: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if "_" in key and not key.startswith("x-amz-meta-"):
            continue  # WSGI would take it for its namesake with dashes, which may have to be signed
        joined[key] = f"{joined[key]},{text}" if key in joined else text
    return joined


async def _read_first(receive: Receive, size: int) -> tuple[bytes, bool]:
    """The body's beginning, `size` bytes or somewhat more, and whether more of it may come."""
    taken = b""
    while len(taken) < size:
        message = await receive()
        taken += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return taken, False
    return taken, True


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body, or None when it is over the limit; the rest is then taken in and thrown away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= limit else None


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.InvalidInputException(f"The request body is not valid JSON: {error}") from error

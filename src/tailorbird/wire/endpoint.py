"""HTTP in, HTTP out: request → operation → answer, in each of the three AWS protocols' own shape.

Plain ASGI. The body is read here; everything after that blocks, so it runs in a pool of threads. This is the
only place where an unexpected error is caught: it becomes InternalFailure, and the log has the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from tailorbird import errors
from tailorbird.errors import AwsError
from tailorbird.wire import model, shapes, signature
from tailorbird.wire.signature import Request, Scope

log = logging.getLogger(__name__)

THREADS = 32
"""Requests worked on at a time; more wait. Most of a PutEvents is waiting for the disk."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Service:
    """What the endpoint needs of the rest of the program."""

    call: Callable[[str, str, dict[str, Any]], dict[str, Any] | None]
    """(function name, region, parameters) → answer; raises AwsError."""
    neighbour: Callable[[str, Request], Response] | None
    """(AWS service, request) → response, for the services beside Personalize; None where there are none."""
    secret_of: Callable[[str], str | None]
    """Secret access key of an access key id."""
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
            return Response(200, [], b"")
        claimed = signature.scope_of(head.headers, head.query)
        service = claimed.service if claimed else "personalize"
        limit = self._service.body_limit if service == "personalize" else self._service.neighbour_body_limit
        body = await _read(receive, limit)
        if body is None:
            return failure(head, errors.RequestTooLargeException(f"The request body is over {limit} bytes."))
        request = Request(head.method, head.path, head.query, head.headers, body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, request, claimed)

    def answer(self, request: Request, claimed: Scope | None) -> Response:
        """Verifies, dispatches and answers a request whose body is there; never raises."""
        try:
            if self._service.verify_signatures:
                claimed = signature.verify(request, self._service.secret_of, time.time())
            if claimed is not None and claimed.service != "personalize":
                if self._service.neighbour is None:
                    raise errors.UnknownOperationException(f"This server does not offer the service {claimed.service}.")
                return self._service.neighbour(claimed.service, request)
            return self._call(request, claimed.region if claimed else self._service.default_region)
        except AwsError as error:
            return failure(request, error)
        except Exception:
            response = failure(request, errors.InternalFailure("The server met an internal error; its log says more."))
            log.exception("internal error", extra={"request_id": dict(response.headers)["x-amzn-requestid"]})
            return response

    def _call(self, request: Request, region: str) -> Response:
        operation = model.find(request.headers.get("x-amz-target"), request.path) if request.method == "POST" else None
        if operation is None:
            named = request.headers.get("x-amz-target") or f"{request.method} {request.path}"
            raise errors.UnknownOperationException(f"There is no operation {named[:200]!r}.")
        parameters = shapes.parse(operation.input, _decode(request.body))
        result = self._service.call(operation.function, region, parameters)
        if result is None or operation.output is None:
            return Response(200, _standard_headers(operation.protocol), b"")
        return Response(
            200,
            _standard_headers(operation.protocol),
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
        joined[key] = f"{joined[key]},{text}" if key in joined else text
    return joined


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


def _standard_headers(protocol: str) -> list[tuple[str, str]]:
    kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
    return [("content-type", kind), ("x-amzn-requestid", str(uuid.uuid4()))]


def failure(request: Request, error: AwsError) -> Response:
    """The error in the shape of the request's protocol (spec control-plane 1.3)."""
    control = "x-amz-target" in request.headers
    status = error.control_status if control else error.rest_status
    headers = _standard_headers("json" if control else "rest-json")
    if not control:
        headers.append(("x-amzn-errortype", error.code))
    # A message may quote what no UTF-8 can hold; telling an error must not be one.
    message, reason = (text.encode(errors="backslashreplace").decode() for text in (error.message, str(error)))
    log.info("refused", extra={"code": error.code, "reason": reason, "request_id": headers[1][1]})
    return Response(status, headers, msgspec.json.encode({"__type": error.code, "message": message}))
